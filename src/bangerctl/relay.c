/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/relay.h"

#include <fcntl.h>
#include <glib.h>
#include <sys/stat.h>

#include "util/fd.h"

#define CHUNK_BYTES (64u << 10)

struct Relay {
    GThread *thread; /* NULL: the descriptor is the standard one */
    int ours;        /* the copying end */
    int theirs;
    int errnum;
    bool is_input;
};

static bool
write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
    return true;
}

static void *
copy_all(void *data)
{
    Relay *relay = data;
    const int from = relay->is_input ? STDIN_FILENO : relay->ours;
    const int to = relay->is_input ? relay->ours : STDOUT_FILENO;
    g_autofree char *chunk = g_malloc(CHUNK_BYTES);
    ssize_t n;

    while ((n = read(from, chunk, CHUNK_BYTES)) != 0)
        if ((n < 0 && errno != EINTR) || (n > 0 && !write_all(to, chunk, (size_t)n))) {
            relay->errnum = errno;
            break;
        }
    banger_close_fd(&relay->ours);
    return NULL;
}

Relay *
relay_new(bool is_input)
{
    const int standard = is_input ? STDIN_FILENO : STDOUT_FILENO;
    g_autofree Relay *relay = g_new0(Relay, 1);
    struct stat st;
    int ends[2];

    relay->is_input = is_input;
    relay->ours = -1;
    relay->theirs = -1;
    if (fstat(standard, &st) < 0)
        return NULL;
    if (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode)) {
        relay->theirs = fcntl(standard, F_DUPFD_CLOEXEC, 3);
        return relay->theirs < 0 ? NULL : g_steal_pointer(&relay);
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return NULL;
    relay->ours = ends[is_input ? 1 : 0];
    relay->theirs = ends[is_input ? 0 : 1];
    relay->thread = g_thread_new("relay", copy_all, relay);
    return g_steal_pointer(&relay);
}

int
relay_fd(const Relay *relay)
{
    return relay->theirs;
}

bool
relay_finish(Relay *relay, bool wait)
{
    banger_close_fd(&relay->theirs);
    if (relay->thread != NULL && !wait) {
        /* It may wait for a terminal's input, and is gone with the process. */
        g_thread_unref(relay->thread);
        return true;
    }
    if (relay->thread != NULL)
        (void)g_thread_join(relay->thread);
    errno = relay->errnum;
    g_free(relay);
    return errno == 0;
}
