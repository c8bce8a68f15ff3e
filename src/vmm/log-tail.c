/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/log-tail.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/path.h"
#include "util/text.h"

#define TAIL_MAX 4096
#define SHOWN_MAX 1024
#define LINES_MAX 5
#define WORD_MIN 4 /* shorter ones, "ro" or "1", are in any text */

bool
banger_log_tells(const char *text, const char *kernel_args)
{
    g_auto(GStrv) words = g_strsplit_set(kernel_args, " \t\"", -1);

    for (char **word = words; *word != NULL; word++) {
        const char *value = strchr(*word, '=');

        if (strlen(*word) >= WORD_MIN && strstr(text, *word) != NULL)
            return true;
        if (value != NULL && strlen(value + 1) >= WORD_MIN && strstr(text, value + 1) != NULL)
            return true;
    }
    return false;
}

/* Reads the end of the file, its part after @start; NULL if there is none. Whole lines only. */
static char *
read_end(int fd, off_t start)
{
    g_autofree char *text = g_malloc0(TAIL_MAX + 1);
    const char *lines = text;
    struct stat st;
    off_t from;
    ssize_t length;

    if (fstat(fd, &st) < 0 || st.st_size <= start)
        return NULL;
    from = MAX(start, st.st_size - TAIL_MAX);
    length = pread(fd, text, TAIL_MAX, from);
    if (length <= 0)
        return NULL;
    /* What is left of a line that began before does not say what it is of. */
    if (from > start)
        lines = memchr(text, '\n', (size_t)length);
    return lines != NULL ? g_utf8_make_valid(lines, length - (lines - text)) : NULL;
}

static bool
is_shown(const char *line, const char *kernel_args)
{
    return line[0] != '\0' && strstr(line, "boot_args") == NULL &&
           strstr(line, "/boot-source") == NULL && !banger_log_tells(line, kernel_args);
}

char *
banger_log_tail(int log_fd, const char *kernel_args, off_t start)
{
    banger_autofd int fd = banger_path_reopen(log_fd, "the log", O_RDONLY | O_NONBLOCK, NULL);
    g_autofree char *text = fd >= 0 ? read_end(fd, start) : NULL;
    g_autoptr(GPtrArray) shown = g_ptr_array_new();
    g_auto(GStrv) lines = NULL;
    g_autofree char *joined = NULL;

    if (text == NULL)
        return NULL;
    lines = g_strsplit(text, "\n", -1);
    for (unsigned int i = g_strv_length(lines); i > 0 && shown->len < LINES_MAX; i--)
        if (is_shown(g_strstrip(lines[i - 1]), kernel_args))
            g_ptr_array_insert(shown, 0, lines[i - 1]);
    if (shown->len == 0)
        return NULL;
    g_ptr_array_add(shown, NULL);
    joined = g_strjoinv(" | ", (char **)shown->pdata);
    if (strlen(joined) > SHOWN_MAX) {
        g_autofree char *last = banger_text_make_printable(joined + strlen(joined) - SHOWN_MAX, -1);

        return g_strconcat("…", last, NULL);
    }
    return banger_text_make_printable(joined, -1);
}
