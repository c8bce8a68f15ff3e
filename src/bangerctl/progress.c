/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/progress.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bangerctl/agent.h"
#include "util/sd-auto.h"
#include "util/settings.h"
#include "util/text.h"

#define STEP_USEC (200 * UINT64_C(1000))
#define BAR_WIDTH 30

typedef struct {
    sd_bus *bus;
    const char *op_id;
    sd_bus_message *reply;
    bool is_done, is_drawn;
} Waiting;

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static int
on_reply(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    Waiting *waiting = user_data;

    (void)ret_error;
    waiting->reply = sd_bus_message_ref(reply);
    waiting->is_done = true;
    return 0;
}

static void
draw_bar(double part, const char *step)
{
    g_autofree char *printable = banger_text_make_printable(step, -1);
    char bar[BAR_WIDTH + 1] = {0};
    struct winsize size = {0};
    int room = 80;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        room = size.ws_col;
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = part >= 0 && i < (int)(part * BAR_WIDTH) ? '#' : '.';
    room -= BAR_WIDTH + 9;
    if (part < 0)
        g_printerr("\r\033[K[%s]  ... %.*s", bar, MAX(room, 0), printable);
    else
        g_printerr("\r\033[K[%s] %3d%% %.*s", bar, (int)(part * 100), MAX(room, 0), printable);
}

/* Draws how far the job is, if there is one. */
static void
show_job(Waiting *waiting)
{
    struct json_object *job = NULL, *part = NULL;
    g_autofree char *path = client_find_job(waiting->bus, waiting->op_id, &job);

    if (path == NULL)
        return;
    (void)json_object_object_get_ex(job, "Progress", &part);
    draw_bar(json_object_get_double(part), client_member_text(job, "Step"));
    waiting->is_drawn = true;
    json_object_put(job);
}

static void
cancel_job(Waiting *waiting)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    struct json_object *job = NULL;
    g_autofree char *path = client_find_job(waiting->bus, waiting->op_id, &job);

    json_object_put(job);
    if (path != NULL)
        (void)sd_bus_call_method(waiting->bus, BANGER_BUS_NAME, path, BANGER_INTERFACE ".Job",
                                 "Cancel", &error, NULL, "");
}

static int
wait_for_reply(Waiting *waiting)
{
    const bool is_shown = isatty(STDERR_FILENO) == 1;

    while (!waiting->is_done) {
        int r = sd_bus_process(waiting->bus, NULL);

        if (r == 0)
            r = sd_bus_wait(waiting->bus, is_shown ? STEP_USEC : UINT64_MAX);
        if (interrupted != 0) {
            interrupted = 0;
            cancel_job(waiting);
        } else if (r < 0 && r != -EINTR) {
            return r;
        } else if (r == 0 && is_shown && !waiting->is_done) {
            show_job(waiting);
        }
    }
    return 0;
}

ClientStatus
progress_call(sd_bus *bus, sd_bus_message *message, const char *op_id, sd_bus_message **ret_reply)
{
    g_autoptr(sd_bus_message) owned = message;
    g_autoptr(sd_bus_message) reply = NULL;
    const struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    Waiting waiting = {.bus = bus, .op_id = op_id};
    struct sigaction before;
    int r;

    agent_start();
    (void)sigaction(SIGINT, &action, &before);
    r = sd_bus_call_async(bus, NULL, owned, on_reply, &waiting, CLIENT_CALL_TIMEOUT_USEC);
    if (r >= 0)
        r = wait_for_reply(&waiting);
    (void)sigaction(SIGINT, &before, NULL);
    if (waiting.is_drawn)
        g_printerr("\r\033[K");
    reply = waiting.reply;
    if (r < 0)
        return client_fail(sd_bus_message_get_member(owned), NULL, r);
    if (sd_bus_message_is_method_error(reply, NULL))
        return client_fail(sd_bus_message_get_member(owned), sd_bus_message_get_error(reply), -EIO);
    if (ret_reply != NULL)
        *ret_reply = g_steal_pointer(&reply);
    return CLIENT_OK;
}
