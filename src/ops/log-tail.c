/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ops/log-tail.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/path.h"
#include "util/fd.h"

#define TAIL_MAX 4096
#define SHOWN_MAX 1024
#define LINES_MAX 5

/* Reads the end of the file, its part after @start; NULL if there is none. */
static char *
read_end(int fd, off_t start)
{
    g_autofree char *text = g_malloc0(TAIL_MAX + 1);
    struct stat st;
    ssize_t length;

    if (fstat(fd, &st) < 0 || st.st_size <= start)
        return NULL;
    length = pread(fd, text, TAIL_MAX, MAX(start, st.st_size - TAIL_MAX));
    return length > 0 ? g_utf8_make_valid(text, length) : NULL;
}

static bool
is_shown(const char *line)
{
    return line[0] != '\0' && strstr(line, "boot_args") == NULL &&
           strstr(line, "/boot-source") == NULL;
}

char *
banger_log_tail(const BangerSettings *settings, const char *path, off_t start)
{
    banger_autofd int fd =
        banger_path_open_file(settings, BANGER_PATH_STATE, path, O_RDONLY | O_NONBLOCK, NULL, NULL);
    g_autofree char *text = fd >= 0 ? read_end(fd, start) : NULL;
    g_autoptr(GPtrArray) shown = g_ptr_array_new();
    g_auto(GStrv) lines = NULL;
    g_autofree char *joined = NULL;

    if (text == NULL)
        return NULL;
    lines = g_strsplit(text, "\n", -1);
    for (guint i = g_strv_length(lines); i > 0 && shown->len < LINES_MAX; i--)
        if (is_shown(g_strstrip(lines[i - 1])))
            g_ptr_array_insert(shown, 0, lines[i - 1]);
    if (shown->len == 0)
        return NULL;
    g_ptr_array_add(shown, NULL);
    joined = g_strjoinv(" | ", (char **)shown->pdata);
    for (char *c = joined; *c != '\0'; c++)
        if ((guchar)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    if (strlen(joined) > SHOWN_MAX) {
        g_autofree char *last = g_utf8_make_valid(joined + strlen(joined) - SHOWN_MAX, -1);

        return g_strconcat("…", last, NULL);
    }
    return g_steal_pointer(&joined);
}
