/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/progress.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bangerctl/agent.h"
#include "bangerctl/bus-value.h"
#include "util/sd-auto.h"
#include "util/settings.h"
#include "util/text.h"

#define SHOW_AFTER_USEC (200 * UINT64_C(1000)) /* what ends sooner has no line */
#define BAR_WIDTH 30
#define JOBS BANGER_OBJECT_PATH "/jobs"
#define FROM_HELPER "type='signal',sender='" BANGER_BUS_NAME "',"

typedef struct {
    sd_bus *bus;
    const char *op_id;
    sd_bus_message *reply;
    char *job; /* the path of the call's, once it is known */
    bool is_done, is_drawn, is_watched;
    bool is_subscribed; /* and what there was before was not looked at yet */
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

/* Draws what @properties, some of the job's, say. */
static void
draw_job(Waiting *waiting, struct json_object *properties)
{
    struct json_object *part = NULL;

    if (!json_object_object_get_ex(properties, "Progress", &part))
        return;
    draw_bar(json_object_get_double(part), client_member_text(properties, "Step"));
    waiting->is_drawn = true;
}

static int
on_added(sd_bus_message *signal, void *user_data, sd_bus_error *ret_error)
{
    Waiting *waiting = user_data;
    const char *path = NULL;
    struct json_object *job = client_read_object(signal, "Job", &path);

    (void)ret_error;
    if (waiting->job == NULL && g_str_equal(client_member_text(job, "OpId"), waiting->op_id)) {
        waiting->job = g_strdup(path);
        draw_job(waiting, job);
    }
    json_object_put(job);
    return 0;
}

static int
on_changed(sd_bus_message *signal, void *user_data, sd_bus_error *ret_error)
{
    Waiting *waiting = user_data;
    struct json_object *changed = NULL;

    (void)ret_error;
    if (g_strcmp0(sd_bus_message_get_path(signal), waiting->job) == 0 &&
        sd_bus_message_skip(signal, "s") >= 0)
        changed = bus_value_read(signal);
    if (changed != NULL)
        draw_job(waiting, changed);
    json_object_put(changed);
    return 0;
}

static int
on_subscribed(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    Waiting *waiting = user_data;

    (void)reply;
    (void)ret_error;
    waiting->is_subscribed = true;
    return 0;
}

/* Asks for the signals about jobs; without them there is no line. */
static void
watch_jobs(Waiting *waiting)
{
    waiting->is_watched = true;
    (void)sd_bus_add_match_async(waiting->bus, NULL,
                                 FROM_HELPER "member='InterfacesAdded',path='" BANGER_OBJECT_PATH
                                             "',arg0path='" JOBS "/'",
                                 on_added, NULL, waiting);
    (void)sd_bus_add_match_async(waiting->bus, NULL,
                                 FROM_HELPER "member='PropertiesChanged',path_namespace='" JOBS "'",
                                 on_changed, NULL, waiting);
    (void)sd_bus_call_method_async(waiting->bus, NULL, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                   BANGER_INTERFACE, "Subscribe", on_subscribed, waiting, "");
}

/* Finds the call's job, if it is not known yet; then its properties, or NULL. */
static struct json_object *
find_job(Waiting *waiting)
{
    struct json_object *job = NULL;

    if (waiting->job == NULL)
        waiting->job = client_find_job(waiting->bus, waiting->op_id, &job);
    return job;
}

/* The job that there was before its signals came. */
static void
look_for_job(Waiting *waiting)
{
    struct json_object *job = find_job(waiting);

    waiting->is_subscribed = false;
    if (job != NULL)
        draw_job(waiting, job);
    json_object_put(job);
}

static void
cancel_job(Waiting *waiting)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

    json_object_put(find_job(waiting));
    if (waiting->job != NULL)
        (void)sd_bus_call_method(waiting->bus, BANGER_BUS_NAME, waiting->job,
                                 BANGER_INTERFACE ".Job", "Cancel", &error, NULL, "");
}

static int
wait_for_reply(Waiting *waiting)
{
    const bool is_shown = isatty(STDERR_FILENO) == 1;

    while (!waiting->is_done) {
        const bool is_first = is_shown && !waiting->is_watched;
        int r = sd_bus_process(waiting->bus, NULL);
        bool is_late = false;

        if (r == 0 && !waiting->is_subscribed) {
            r = sd_bus_wait(waiting->bus, is_first ? SHOW_AFTER_USEC : UINT64_MAX);
            is_late = r == 0;
        }
        if (interrupted != 0) {
            interrupted = 0;
            cancel_job(waiting);
        } else if (r < 0 && r != -EINTR) {
            return r;
        } else if (is_first && is_late) {
            watch_jobs(waiting);
        } else if (waiting->is_subscribed && !waiting->is_done) {
            look_for_job(waiting);
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
    g_free(waiting.job);
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
