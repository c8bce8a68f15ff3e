/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SIGKILL of the helper at random instants, with one to all of the composite operations in flight.
 * After each, the objects that the calls named can be removed by the matching calls, and nothing
 * else is left. Runs in the guest of the VM tier (tests/vm/guest/80-faults), which makes the files
 * and installs firecracker's double; BANGER_KILLS and BANGER_SEED say how often, and where to
 * begin.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig/rig-client.h"
#include "util/settings.h"

#define STATE BANGER_STATE_DIRECTORY "/"
#define RUN BANGER_RUNTIME_DIRECTORY "/"
/*
 * So many, if BANGER_KILLS does not say; where a kill takes long, what time there is for, but not
 * fewer.
 */
#define KILLS_DEFAULT 200
#define KILLS_AT_LEAST 50
#define KILLS_TIME_USEC (G_GINT64_CONSTANT(240) * G_USEC_PER_SEC)
#define GUEST_FILE_SIZE (256 * 1024)

enum { TAP, SNAPSHOT, MACHINE, FILES, NAT, N_OPERATIONS };
#define ALL ((1u << N_OPERATIONS) - 1)

static sd_bus_message *
machine_message(sd_bus *bus)
{
    sd_bus_message *message = rig_message_new(bus, "LaunchFirecracker");

    ck_assert_int_ge(sd_bus_message_append(
                         message, "a{sv}s", 11, "binary_path", "s", "/usr/local/bin/firecracker",
                         "vm_id", "s", "fault", "socket_path", "s", RUN "fault.sock", "log_path",
                         "s", STATE "fault.log", "metrics_path", "s", STATE "fault.metrics",
                         "kernel_image_path", "s", STATE "kernel", "kernel_args", "s", "", "drives",
                         "a(ssbb)", 1, "rootfs", STATE "drive.img", 0, 1, "tap_device", "s",
                         "tap-fc-machine", "vcpu_count", "u", 1, "memory_mib", "u", 128, ""),
                     0);
    return message;
}

static sd_bus_message *
files_message(sd_bus *bus)
{
    sd_bus_message *message = rig_message_new(bus, "WriteExt4Files");
    g_autofree char *data = g_malloc0(GUEST_FILE_SIZE);

    ck_assert_int_ge(sd_bus_message_append(message, "s", STATE "files.img"), 0);
    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "(sayu)"), 0);
    for (int i = 0; i < 4; i++) {
        g_autofree char *path = g_strdup_printf("/deep/directory/file-%d", i);

        ck_assert_int_ge(sd_bus_message_open_container(message, 'r', "sayu"), 0);
        ck_assert_int_ge(sd_bus_message_append(message, "s", path), 0);
        ck_assert_int_ge(sd_bus_message_append_array(message, 'y', data, GUEST_FILE_SIZE), 0);
        ck_assert_int_ge(sd_bus_message_append(message, "u", 0600), 0);
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    }
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", ""), 0);
    return message;
}

static sd_bus_message *
simple_message(sd_bus *bus, const char *member, const char *first, const char *second,
               const char *third, const char *fourth)
{
    sd_bus_message *message = rig_message_new(bus, member);
    const char *arguments[] = {first, second, third, fourth};

    for (size_t i = 0; i < G_N_ELEMENTS(arguments) && arguments[i] != NULL; i++)
        ck_assert_int_ge(sd_bus_message_append(message, "s", arguments[i]), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", ""), 0);
    return message;
}

static sd_bus_message *
nat_message(sd_bus *bus, bool enable)
{
    sd_bus_message *message = rig_message_new(bus, "EnsureNAT");

    ck_assert_int_ge(
        sd_bus_message_append(message, "ssbs", "172.16.93.2", "tap-fc-machine", enable, ""), 0);
    return message;
}

/* The image that is written to begins each round as the same file system. */
static void
restore_image(void)
{
    g_autofree char *content = NULL;
    gsize length;

    ck_assert(g_file_get_contents("/root/files.img", &content, &length, NULL));
    ck_assert(g_file_set_contents_full(STATE "files.img", content, (gssize)length,
                                       G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    ck_assert_int_eq(chown(STATE "files.img", RIG_UID_OWNER, RIG_UID_OWNER), 0);
}

static sd_bus_message *
operation_message(sd_bus *bus, int operation)
{
    switch (operation) {
    case TAP:
        return simple_message(bus, "CreateTap", "br-fault", "172.16.93.1", "24", "tap-fc-fault");
    case SNAPSHOT:
        return simple_message(bus, "CreateDMSnapshot", STATE "base.img", STATE "fault.cow",
                              "fc-rootfs-fault", NULL);
    case MACHINE:
        return machine_message(bus);
    case FILES:
        restore_image();
        return files_message(bus);
    default:
        return nat_message(bus, true);
    }
}

/* Starts those of the operations whose bits are in @chosen. */
static void
start(sd_bus *bus, unsigned int chosen, RigPending *pending[N_OPERATIONS])
{
    sd_bus_message *messages[N_OPERATIONS];

    for (int i = 0; i < N_OPERATIONS; i++)
        messages[i] = chosen & 1u << i ? operation_message(bus, i) : NULL;
    for (int i = 0; i < N_OPERATIONS; i++)
        pending[i] = messages[i] == NULL ? NULL : rig_call_start(bus, messages[i]);
}

/* Waits for all of them; whether one of them had no answer but an error. */
static bool
wait_for(sd_bus *bus, RigPending *pending[N_OPERATIONS], bool must_succeed)
{
    bool failed = false;

    for (int i = 0; i < N_OPERATIONS; i++) {
        if (pending[i] == NULL)
            continue;
        rig_pending_wait(bus, pending[i]);
        ck_assert_msg(!must_succeed || pending[i]->error_name == NULL, "operation %d: %s: %s", i,
                      pending[i]->error_name, pending[i]->error_message);
        failed |= pending[i]->error_name != NULL;
        rig_pending_free(pending[i]);
    }
    return failed;
}

static void
kill_machine(sd_bus *bus)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = rig_call(bus, "FindFirecrackerPID", &error, "ss", RUN "fault.sock", "");
    uint32_t pid;

    if (reply == NULL) {
        ck_assert_msg(g_strcmp0(error.name, "org.banger.Helper1.Error.NotFound") == 0, "%s: %s",
                      error.name, error.message);
        sd_bus_error_free(&error);
        return;
    }
    ck_assert_int_ge(sd_bus_message_read(reply, "u", &pid), 0);
    sd_bus_message_unref(reply);
    rig_call_ok(bus, "KillProcess", "us", pid, "");
    rig_wait_pid_gone((pid_t)pid);
}

static bool
is_off_the_bus(void *data)
{
    return rig_pid_of(BANGER_BUS_NAME) != *(const pid_t *)data;
}

/* The calls that match those of start(). Each must succeed whatever became of its object. */
static void
remove_again(sd_bus *bus, unsigned int chosen)
{
    RigPending *pending[N_OPERATIONS] = {NULL};

    if (chosen & 1u << TAP)
        pending[TAP] =
            rig_call_start(bus, simple_message(bus, "DeleteTap", "tap-fc-fault", NULL, NULL, NULL));
    if (chosen & 1u << SNAPSHOT)
        pending[SNAPSHOT] = rig_call_start(
            bus, simple_message(bus, "RemoveDMSnapshot", "fc-rootfs-fault", NULL, NULL, NULL));
    if (chosen & 1u << NAT)
        pending[NAT] = rig_call_start(bus, nat_message(bus, false));
    (void)wait_for(bus, pending, true);
    if (chosen & 1u << MACHINE)
        kill_machine(bus);
    (void)unlink(RUN "fault.sock");
    (void)unlink(STATE "fault.log");
    (void)unlink(STATE "fault.metrics");
}

/* The names in @directory that match @pattern, but for those that match @known, in one string. */
static void
list_matching(GString *found, const char *directory, const char *pattern, const char *known)
{
    DIR *stream = opendir(directory);
    const struct dirent *entry;

    if (stream == NULL)
        return;
    while ((entry = readdir(stream)) != NULL)
        if (entry->d_name[0] != '.' && fnmatch(pattern, entry->d_name, FNM_EXTMATCH) == 0 &&
            fnmatch(known, entry->d_name, FNM_EXTMATCH) != 0)
            g_string_append_printf(found, " %s/%s", directory, entry->d_name);
    (void)closedir(stream);
}

static void
list_loops(GString *found)
{
    for (int i = 0; i < 64; i++) {
        g_autofree char *path = g_strdup_printf("/sys/block/loop%d/loop/backing_file", i);
        g_autofree char *backing = NULL;

        if (g_file_get_contents(path, &backing, NULL, NULL))
            g_string_append_printf(found, " loop%d=%s", i, g_strstrip(backing));
    }
}

/* Whether the process @name, @pid is a child of @helper that serves libext2fs. */
static bool
is_worker_of(const char *pid, const char *name, pid_t helper)
{
    g_autofree char *path = g_strdup_printf("/proc/%s/stat", pid);
    g_autofree char *stat = NULL;
    const char *after_name;
    int parent;

    return g_str_has_prefix(name, "banger-image") && g_file_get_contents(path, &stat, NULL, NULL) &&
           (after_name = strrchr(stat, ')')) != NULL &&
           sscanf(after_name, ") %*c %d", &parent) == 1 && parent == helper;
}

/* One worker may wait for the next request of the helper that runs now. */
static void
list_processes(GString *found, pid_t helper)
{
    DIR *stream = opendir("/proc");
    const struct dirent *entry;
    unsigned int n_workers = 0;

    ck_assert_ptr_nonnull(stream);
    while ((entry = readdir(stream)) != NULL) {
        g_autofree char *path = g_strdup_printf("/proc/%s/comm", entry->d_name);
        g_autofree char *name = NULL;

        if (!g_ascii_isdigit(entry->d_name[0]) || !g_file_get_contents(path, &name, NULL, NULL) ||
            (!g_str_has_prefix(name, "firecracker") && !g_str_has_prefix(name, "banger-image") &&
             !g_str_has_prefix(name, "e2fsck")))
            continue;
        if (is_worker_of(entry->d_name, name, helper) && n_workers++ == 0)
            continue;
        g_string_append_printf(found, " process %s %s", entry->d_name, g_strstrip(name));
    }
    (void)closedir(stream);
}

/* What there is that no call named. */
static char *
left_over(pid_t helper)
{
    GString *found = g_string_new("");

    list_loops(found);
    list_processes(found, helper);
    list_matching(found, "/sys/block", "dm-*", "none");
    list_matching(found, "/dev/mapper", "*", "control");
    list_matching(found, "/sys/class/net", "tap-*", "tap-fc-machine");
    list_matching(found, "/sys/fs/cgroup/banger.slice", "*.service", "none");
    list_matching(found, BANGER_STATE_DIRECTORY, "*",
                  "@(base.img|drive.img|files.img|fault.cow|kernel)");
    list_matching(found, BANGER_RUNTIME_DIRECTORY, "*", "none");
    if (system("nft list set inet banger guests4 2>/dev/null | grep -q '\"br-'") == 0)
        g_string_append(found, " a registered guest");
    return g_string_free(found, FALSE);
}

/* Loops go with the last close of the device, and units when systemd has collected them. */
static void
check_nothing_is_left(unsigned int round)
{
    gint64 deadline = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
    pid_t helper = rig_pid_of(BANGER_BUS_NAME);
    g_autofree char *found = left_over(helper);

    while (found[0] != '\0' && g_get_monotonic_time() < deadline) {
        g_usleep(50 * 1000);
        g_free(found);
        found = left_over(helper);
    }
    ck_assert_msg(found[0] == '\0', "after kill %u there is left:%s", round, found);
}

/*
 * How long each of the operations takes, in @ret_durations; that of the second time, when the
 * helper runs.
 */
static void
measure(sd_bus *bus, gint64 ret_durations[N_OPERATIONS])
{
    RigPending *pending[N_OPERATIONS];

    for (int i = 0; i < 2 * N_OPERATIONS; i++) {
        unsigned int chosen = 1u << i / 2;
        gint64 begin = g_get_monotonic_time();

        start(bus, chosen, pending);
        (void)wait_for(bus, pending, true);
        ret_durations[i / 2] = g_get_monotonic_time() - begin;
        remove_again(bus, chosen);
    }
}

/* The longest of the durations of the @chosen operations. */
static gint64
longest_of(const gint64 durations[N_OPERATIONS], unsigned int chosen)
{
    gint64 longest = 0;

    for (int i = 0; i < N_OPERATIONS; i++)
        if (chosen & 1u << i)
            longest = MAX(longest, durations[i]);
    return longest;
}

/*
 * Kills the helper with the @chosen operations in flight; whether that came before all was
 * answered.
 */
static bool
kill_once(sd_bus *bus, unsigned int chosen, gulong after_usec)
{
    RigPending *pending[N_OPERATIONS];
    pid_t helper;
    bool unanswered;

    rig_call_ok(bus, "ProcessRunning", "uss", 4194303u, "", ""); /* it runs */
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_gt(helper, 0);
    start(bus, chosen, pending);
    g_usleep(after_usec);
    ck_assert_int_eq(kill(helper, SIGKILL), 0);
    unanswered = wait_for(bus, pending, false);
    /* When all was answered before, the bus may not yet know that it is gone. */
    rig_wait_for(is_off_the_bus, &helper, "the bus to notice the helper's end");
    return unanswered;
}

START_TEST(kill_at_random_instants)
{
    unsigned int kills = (unsigned int)harness_number("BANGER_KILLS", 0);
    unsigned int seed = (unsigned int)harness_number("BANGER_SEED", 1);
    gint64 end = g_get_monotonic_time() + KILLS_TIME_USEC;
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    sd_bus *bus = rig_bus_open(0);
    gint64 durations[N_OPERATIONS];
    unsigned int n_unanswered = 0;
    unsigned int round;

    rig_call_ok(bus, "CreateTap", "sssss", "br-fault", "172.16.93.1", "24", "tap-fc-machine", "");
    measure(bus, durations);
    for (round = 0; round < (kills > 0 ? kills : KILLS_DEFAULT); round++) {
        unsigned int chosen = (unsigned int)g_rand_int_range(random, 1, ALL + 1);
        double longest = (double)longest_of(durations, chosen);

        if (kills == 0 && round >= KILLS_AT_LEAST && g_get_monotonic_time() > end)
            break;
        if (kill_once(bus, chosen, (gulong)g_rand_double_range(random, 0, longest)))
            n_unanswered++;
        remove_again(bus, chosen);
        check_nothing_is_left(round);
    }
    (void)printf("seed %u: %u of %u kills came before all was answered\n", seed, n_unanswered,
                 round);
    /* Half of them, were the host as busy as when the durations were measured. */
    ck_assert_uint_ge(n_unanswered, round / 4);
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-machine", "");
    sd_bus_flush_close_unref(bus);
}
END_TEST

int
main(int argc, char *argv[])
{
    Suite *suite = suite_create("kill");
    TCase *tcase = tcase_create("kill");

    (void)argc;
    rig_enter("vm/kill", argv, NULL);
    tcase_set_timeout(tcase, 400);
    tcase_add_test(tcase, kill_at_random_instants);
    suite_add_tcase(suite, tcase);
    return harness_run("vm/kill", suite);
}
