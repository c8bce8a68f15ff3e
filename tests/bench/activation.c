/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bench/bench.h"
#include "util/sd-auto.h"
#include "util/settings.h"

#define BUS "org.freedesktop.DBus"

/* When a process of the activation did what can be seen on the bus. */
typedef struct {
    double connected; /* a connection said Hello: started, linked, configuration read */
    double named;     /* and took the helper's name: object exported, ready */
} Moments;

typedef struct {
    BenchSeries *start, *service, *call, *whole;
} Stages;

static int
on_name(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    Moments *moments = user_data;
    const char *name, *old, *new;

    (void)ret_error;
    if (sd_bus_message_read(message, "sss", &name, &old, &new) < 0 || new[0] == '\0')
        return 0;
    if (strcmp(name, BANGER_BUS_NAME) == 0)
        moments->named = bench_now();
    else if (moments->named == 0)
        moments->connected = bench_now();
    return 0;
}

typedef struct {
    bool answered, ok;
} Answer;

static int
on_answer(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    Answer *answer = user_data;

    (void)ret_error;
    answer->answered = true;
    answer->ok = !sd_bus_message_is_method_error(reply, NULL);
    return 0;
}

/* One call while the helper's name has no owner: the bus starts it. */
static bool
activate(Bench *bench, Moments *moments, Stages *stages)
{
    double start, end;
    Answer answer = {0};
    int r;

    *moments = (Moments){0};
    if (!bench_helper_stop(bench->root))
        return false;
    while (sd_bus_process(bench->root, NULL) > 0)
        continue;
    *moments = (Moments){0};
    start = bench_now();
    r = sd_bus_call_method_async(bench->root, NULL, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                 BANGER_INTERFACE, "ProcessRunning", on_answer, &answer, "uss", 1u,
                                 "", "");
    while (r >= 0 && !answer.answered) {
        r = sd_bus_process(bench->root, NULL);
        if (r == 0)
            r = sd_bus_wait(bench->root, BENCH_CALL_USEC);
    }
    end = bench_now();
    if (r < 0 || !answer.ok || moments->connected == 0 || moments->named == 0)
        return false;
    bench_series_add(stages->start, moments->connected - start);
    bench_series_add(stages->service, moments->named - moments->connected);
    bench_series_add(stages->call, end - moments->named);
    bench_series_add(stages->whole, end - start);
    return true;
}

static void
enter(Bench *bench, const Stages *stages)
{
    bench_enter(
        bench,
        &(BenchBar){
            .name = "activation",
            .text = "from a call to a helper that does not run to its reply",
            .bar = 6,
            .at_most = true,
            .figure = bench_series_median(stages->whole) / 1000,
            .unit = "ms",
            .note = g_strdup_printf(
                "medians: process, dynamic linking, configuration, Hello %.1f ms; object, match, "
                "name %.1f ms; credentials, operation, reply %.1f ms",
                bench_series_median(stages->start) / 1000,
                bench_series_median(stages->service) / 1000,
                bench_series_median(stages->call) / 1000),
        });
}

void
bench_activation(Bench *bench)
{
    Stages stages = {bench_series_new(), bench_series_new(), bench_series_new(),
                     bench_series_new()};
    Moments moments = {0};
    sd_bus_slot *slot = NULL;
    bool ok;

    if (bench_wanted(bench, "activation")) {
        ok = sd_bus_match_signal(bench->root, &slot, BUS, "/org/freedesktop/DBus", BUS,
                                 "NameOwnerChanged", on_name, &moments) >= 0;
        for (guint i = 0; i < MIN(bench->rounds, 10) && ok; i++)
            ok = activate(bench, &moments, &stages);
        if (ok)
            enter(bench, &stages);
        else
            (void)bench_fail(bench, "activation: not measured");
        sd_bus_slot_unref(slot);
    }
    bench_series_free(stages.start);
    bench_series_free(stages.service);
    bench_series_free(stages.call);
    bench_series_free(stages.whole);
}
