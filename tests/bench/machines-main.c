/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "bench/compare.h"
#include "bench/machines.h"
#include "util/settings.h"

#define COUNT 1000 /* machines; BANGER_BENCH_MACHINES says another number */
#define ROUNDS 30
#define ROUNDS_QUICK 5

char *
machines_path(const Bench *bench, const char *name)
{
    return g_build_filename(bench->directory, name, NULL);
}

void
machines_names(const Bench *bench, const char *prefix, guint number, MachinesNames *ret_names)
{
    g_autofree char *id = g_strdup_printf("%s%u", prefix, number);
    const char *state = bench->directory;
    const char *run = bench->runtime_directory;

    *ret_names = (MachinesNames){
        .tap = g_strconcat("tap-fc-", id, NULL),
        .guest = g_strdup_printf("172.30.%u.%u", 1 + number / 250, 1 + number % 250),
        .api_sock = g_strdup_printf("%s/%s.sock", run, id),
        .vsock = g_strdup_printf("%s/%s.vsock", run, id),
        .log = g_strdup_printf("%s/%s.log", state, id),
        .metrics = g_strdup_printf("%s/%s.metrics", state, id),
        .drive = g_strdup_printf("%s/%s.ext4", state, id),
        .cow = g_strdup_printf("%s/%s.cow", state, id),
        .snapshot = g_strconcat("fc-rootfs-", id, NULL),
    };
    ret_names->id = g_steal_pointer(&id);
}

void
machines_names_clear(MachinesNames *names)
{
    char **texts[] = {&names->id,    &names->tap,     &names->guest,   &names->api_sock,
                      &names->vsock, &names->log,     &names->metrics, &names->drive,
                      &names->cow,   &names->snapshot};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_clear_pointer(texts[i], g_free);
}

bool
machines_have_snapshots(void)
{
    return access("/dev/mapper/control", F_OK) == 0;
}

static bool
make_shared(const Bench *bench, const char *name, const char *text)
{
    g_autofree char *path = machines_path(bench, name);

    return g_file_set_contents(path, text, -1, NULL) && chmod(path, 0644) == 0 &&
           chown(path, bench->owner_uid, bench->owner_gid) == 0;
}

bool
machines_set_up(Bench *bench)
{
    g_autofree char *base = machines_path(bench, "base.ext4");
    const char *built = g_getenv("BANGER_FAKE_FIRECRACKER");

    return built != NULL && bench_run("install", "-m", "755", built, MACHINES_BINARY, NULL) &&
           make_shared(bench, "kernel", "kernel") && make_shared(bench, "root", "root") &&
           make_shared(bench, "file", "a line of a file of the guest's configuration\n") &&
           bench_run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", base, "4G", NULL) &&
           chown(base, bench->owner_uid, bench->owner_gid) == 0 && bench_network_set_up(bench);
}

void
machines_tear_down(Bench *bench)
{
    (void)bench_call(bench->root, NULL, "DeleteBridge", "s", MACHINES_BRIDGE);
    (void)bench_run("rm", "-rf", bench->directory, NULL);
}

int
main(void)
{
    const char *folder = g_getenv("BANGER_RIG_DIR");
    const char *text = g_getenv("BANGER_BENCH_MACHINES");
    guint count = text != NULL ? (guint)strtoul(text, NULL, 10) : COUNT;
    g_autofree char *course = NULL;
    g_autofree char *json = NULL;
    Bench bench = {.rounds = count < COUNT ? ROUNDS_QUICK : ROUNDS};

    if (sd_booted() <= 0 || folder == NULL || count < 1) {
        g_printerr("machines: is run by tools/bench --machines, where systemd is PID 1\n");
        return 2;
    }
    if (!bench_set_up(&bench) || !machines_set_up(&bench)) {
        g_printerr("machines: what is to be measured cannot be made\n");
        return 1;
    }
    course = g_build_filename(folder, "machines.tsv", NULL);
    json = g_build_filename(folder, "machines.json", NULL);
    machines_compare(&bench);
    machines_launch_overhead(&bench);
    machines_rates(&bench);
    machines_fill(&bench, count, course);
    machines_tear_down(&bench);
    bench_report_print(&bench);
    if (!bench_report_write_json(&bench, json))
        return 1;
    return bench.failed ? 1 : 0;
}
