/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/test-step.h"

#ifdef BANGER_TEST_HOOKS
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"

#define DONE BANGER_TEST_STEPS "/done"
#define ORDER BANGER_TEST_STEPS "/order"
#define LOOK_MSEC 10
#define TERM_LOOKS 200
#define WAIT_LOOKS 6000

static void
note_step(const char *step)
{
    g_autofree char *line = g_strconcat(step, "\n", NULL);
    banger_autofd int fd = open(DONE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd >= 0 && write(fd, line, strlen(line)) < 0)
        g_error("cannot write to " DONE);
}

/* What is ordered at @step, such as "fail"; NULL: nothing. Free with g_free(). */
static char *
find_order(const char *step)
{
    g_autofree char *text = NULL;
    const char *named;

    if (!g_file_get_contents(ORDER, &text, NULL, NULL))
        return NULL;
    g_strchomp(text);
    named = strchr(text, ' ');
    return named != NULL && g_str_equal(named + 1, step) ? g_strndup(text, (gsize)(named - text))
                                                         : NULL;
}

/* Waits until the operation is cancelled or the order is gone, but for at most @looks. */
static void
wait_for_cancel(int cancel_fd, int looks)
{
    struct pollfd end = {.fd = cancel_fd, .events = POLLIN};

    while (looks-- > 0 && access(ORDER, F_OK) == 0 && poll(&end, 1, LOOK_MSEC) <= 0)
        ;
}

bool
banger_test_step(const char *step, int cancel_fd, GError **error)
{
    g_autofree char *order = NULL;

    if (access(BANGER_TEST_STEPS, F_OK) < 0)
        return true;
    order = find_order(step);
    note_step(step);
    if (order == NULL)
        return true;
    if (g_str_equal(order, "fail"))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "a test ordered a failure after the step %s", step);
    if (g_str_equal(order, "kill"))
        (void)kill(getpid(), SIGKILL);
    if (g_str_equal(order, "term"))
        (void)kill(getpid(), SIGTERM);
    wait_for_cancel(cancel_fd, g_str_equal(order, "term") ? TERM_LOOKS : WAIT_LOOKS);
    return true;
}
#endif
