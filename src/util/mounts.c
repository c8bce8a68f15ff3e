/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "util/error.h"
#include "util/fd.h"

#define MOUNTINFO "/proc/self/mountinfo"
#define READ_SIZE 16384u

static GMutex lock;
static int list_fd = -1;   /* under the lock: open on MOUNTINFO since the first use */
static GString *list_text; /* under the lock: what was read last; NULL: to be read */

/* All of the list, from its beginning. Under the lock. */
static bool
read_list(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    ssize_t n;

    if (lseek(list_fd, 0, SEEK_SET) < 0)
        return false;
    do {
        gsize length = text->len;

        g_string_set_size(text, length + READ_SIZE);
        n = read(list_fd, text->str + length, READ_SIZE);
        g_string_set_size(text, length + (n > 0 ? (gsize)n : 0));
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0)
        return false;
    list_text = g_steal_pointer(&text);
    return true;
}

/* Under the lock. */
static void
forget_list(void)
{
    if (list_text != NULL)
        g_string_free(list_text, TRUE);
    list_text = NULL;
}

/* Sees to it that what was read is still so. Under the lock. */
static bool
update_list(GError **error)
{
    struct pollfd event = {.events = POLLPRI};

    if (list_fd < 0)
        list_fd = open(MOUNTINFO, O_RDONLY | O_CLOEXEC);
    event.fd = list_fd;
    if (list_fd >= 0 && poll(&event, 1, 0) != 0)
        forget_list(); /* it has changed, or that cannot be seen */
    if (list_fd < 0 || (list_text == NULL && !read_list()))
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot read " MOUNTINFO);
    return true;
}

static const char *
next_line(const char *line)
{
    const char *end = strchr(line, '\n');

    return end != NULL ? end + 1 : line + strlen(line);
}

/* What stands behind the optional fields of @line. */
static char *
describe_line(const char *line)
{
    g_autofree char *whole = g_strndup(line, strcspn(line, "\n"));
    const char *type = strstr(whole, " - ");

    return type != NULL ? g_strdup(type + strlen(" - ")) : NULL;
}

char *
banger_mount_describe(uint64_t id, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);

    if (!update_list(error))
        return NULL;
    for (const char *line = list_text->str; *line != '\0'; line = next_line(line))
        if (g_ascii_strtoull(line, NULL, 10) == id)
            return describe_line(line);
    return NULL;
}

/* How long the mount point of @line is, its fifth field, if @path lies below it; else 0. */
static size_t
match_point(const char *line, const char *path)
{
    g_autofree char *whole = g_strndup(line, strcspn(line, "\n"));
    g_auto(GStrv) fields = g_strsplit(whole, " ", 6);
    g_autofree char *point = g_strv_length(fields) == 6 ? g_strcompress(fields[4]) : g_strdup("");
    size_t length = strlen(point);

    if (g_str_equal(point, "/"))
        return path[0] == '/';
    return length > 0 && strncmp(path, point, length) == 0 &&
                   (path[length] == '/' || path[length] == '\0')
               ? length
               : 0;
}

char *
banger_mount_describe_path(const char *path, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    const char *found = NULL;
    size_t longest = 0;

    if (!update_list(error))
        return NULL;
    for (const char *line = list_text->str; *line != '\0'; line = next_line(line)) {
        size_t length = match_point(line, path);

        /* Of two at one place the later one covers the other. */
        if (length == 0 || length < longest)
            continue;
        longest = length;
        found = line;
    }
    return found != NULL ? describe_line(found) : NULL;
}

bool
banger_mount_is_of_user(const char *mount)
{
    static const char option[] = "user_id=";
    const char *user;

    if (!g_str_has_prefix(mount, "fuse"))
        return false;
    user = strstr(mount, option);
    return user != NULL && g_ascii_strtoull(user + strlen(option), NULL, 10) != 0;
}
