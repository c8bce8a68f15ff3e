/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/process-use.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"

#define INFO_MAX 1024 /* bytes of a file of fdinfo; those of a TAP are fewer */

typedef bool Matcher(int directory, const char *name, const void *wanted);

/* Whether one of the descriptors of @process, by their files in @directory, matches. */
static bool
has_descriptor(const BangerProcess *process, const char *directory, Matcher *matches,
               const void *wanted)
{
    banger_autofd int fd =
        openat(process->directory, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autoptr(GDir) names = fd >= 0 ? g_dir_open(banger_fd_path(fd).text, 0, NULL) : NULL;
    const char *name;

    while (names != NULL && (name = g_dir_read_name(names)) != NULL)
        if (matches(fd, name, wanted))
            return true;
    return false;
}

static bool
is_tap(int directory, const char *name, const void *wanted)
{
    banger_autofd int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    char text[INFO_MAX];
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

    if (length <= 0)
        return false;
    text[length] = '\0';
    return strstr(text, wanted) != NULL;
}

bool
banger_process_has_tap(const BangerProcess *process, const char *tap)
{
    g_autofree char *line = g_strconcat("\niff:\t", tap, "\n", NULL);

    return has_descriptor(process, "fdinfo", is_tap, line);
}

static bool
is_device(int directory, const char *name, const void *wanted)
{
    const dev_t *number = wanted;
    struct stat st;

    return fstatat(directory, name, &st, 0) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == *number;
}

bool
banger_process_has_device(const BangerProcess *process, dev_t number)
{
    return has_descriptor(process, "fd", is_device, &number);
}
