/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Random operations of many callers, on few machines, so that they meet: machines are created and
 * destroyed, VMMs are killed, and the helper is killed or restarted at any moment. In the end
 * Reconcile leaves a clean host.
 *
 * $BANGER_CAMPAIGN_CALLS is how many operations there are, $BANGER_CAMPAIGN_SEED where they begin.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/machine/composite-fixture.h"
#include "util/settings.h"

#define CALLS 1000
#define CALLERS 16
#define MACHINES 32
#define CALL_USEC (60 * G_USEC_PER_SEC)
#define LIMIT_USEC (420 * G_USEC_PER_SEC) /* after that no operation is begun */
#define COW_BYTES ((uint64_t)1 << 20)

typedef enum {
    CREATE,
    DESTROY,
    KILL,
    RESTART,
    N_OPERATIONS,
} Operation;

/* Of a hundred operations. */
static const guint weights[N_OPERATIONS] = {42, 34, 20, 4};

typedef struct {
    sd_bus *bus;
    GRand *random;
    guint calls;
    gint64 end_usec;
    guint done[N_OPERATIONS];
    guint well[N_OPERATIONS]; /* that succeeded */
    GString *complaints;      /* what must not happen */
    GThread *thread;
} Caller;

static char *before;

static bool
has_snapshots(void)
{
    return access("/dev/mapper/control", F_OK) == 0;
}

static void
set_up(void)
{
    network_do("i=0; while [ $i -lt %u ]; do cp " COMPOSITE_IMAGE " " MACHINE_STATE
               "m$i.ext4; chown %u:%u " MACHINE_STATE "m$i.ext4; i=$((i + 1)); done",
               MACHINES, RIG_UID_OWNER, RIG_UID_OWNER);
    before = composite_state();
}

static void
tear_down(void)
{
    network_do("rm -f " MACHINE_STATE "m*.ext4");
    g_clear_pointer(&before, g_free);
}

static int
append_root(sd_bus_message *message, guint number)
{
    g_autofree char *image = g_strdup_printf(MACHINE_STATE "m%u.ext4", number);
    g_autofree char *cow = g_strdup_printf(MACHINE_STATE "m%u.cow", number);
    g_autofree char *name = g_strdup_printf("fc-rootfs-m%u", number);

    if (!has_snapshots())
        return sd_bus_message_append(message, "{sv}", "drives", "a(ssbb)", 1, "rootfs", image, 0,
                                     1);
    return sd_bus_message_append(message, "{sv}{sv}{sv}{sv}", "rootfs_path", "s", COMPOSITE_IMAGE,
                                 "cow_path", "s", cow, "cow_size", "t", COW_BYTES, "dm_name", "s",
                                 name);
}

static int
append_network(sd_bus_message *message, guint number)
{
    g_autofree char *tap = g_strdup_printf("tap-fc-m%u", number);
    g_autofree char *guest = g_strdup_printf("172.16.0.%u", 10 + number);

    return sd_bus_message_append(message, "{sv}{sv}{sv}{sv}{sv}{sv}", "tap_device", "s", tap,
                                 "network", "(sss)", "br-fc", "172.16.0.1", "24", "guest_ip", "s",
                                 guest, "nat", "b", 1, "port_forwards", "a(sqq)", 1, "tcp",
                                 8100 + number, 80, "egress", "as", 1, "10.0.0.0/8");
}

static int
append_rest(sd_bus_message *message, guint number)
{
    g_autofree char *id = g_strdup_printf("m%u", number);
    g_autofree char *api = g_strdup_printf(MACHINE_RUN "m%u.sock", number);
    g_autofree char *vsock = g_strdup_printf(MACHINE_RUN "m%u.vsock", number);
    g_autofree char *log = g_strdup_printf(MACHINE_STATE "m%u.log", number);
    g_autofree char *metrics = g_strdup_printf(MACHINE_STATE "m%u.metrics", number);

    return sd_bus_message_append(
        message, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "binary_path", "s",
        MACHINE_BINARY, "vm_id", "s", id, "socket_path", "s", api, "vsock_path", "s", vsock,
        "vsock_cid", "u", 3u, "log_path", "s", log, "metrics_path", "s", metrics,
        "kernel_image_path", "s", MACHINE_STATE "kernel", "kernel_args", "s", "console=ttyS0",
        "vcpu_count", "u", 1u, "memory_mib", "u", 128u, "fsck", "b", 1, "files", "a(sayu)", 1,
        "/name", 1, 'm', 0600u);
}

static sd_bus_message *
new_message(sd_bus *bus, const char *method, guint number)
{
    sd_bus_message *message = NULL;
    int r = sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                           BANGER_INTERFACE, method);

    if (r >= 0)
        r = sd_bus_message_open_container(message, 'a', "{sv}");
    if (r >= 0)
        r = append_root(message, number);
    if (r >= 0)
        r = append_network(message, number);
    if (r >= 0)
        r = append_rest(message, number);
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    if (r >= 0)
        r = sd_bus_message_append(message, "s", "");
    g_assert(r >= 0);
    return message;
}

/* What a call may fail with here: another caller was first, or the helper or the VMM was killed. */
static bool
may_fail_with(const sd_bus_error *error)
{
    static const char *const names[] = {
        RIG_ERROR("AlreadyExists"),
        RIG_ERROR("Busy"),
        RIG_ERROR("OperationFailed"),
        "org.freedesktop.DBus.Error.NoReply",
        NULL,
    };

    return g_strv_contains(names, error->name);
}

/* Whether the call succeeded. */
static bool
call_with_machine(Caller *caller, const char *method, guint number)
{
    sd_bus_message *message = new_message(caller->bus, method, number);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_call(caller->bus, message, CALL_USEC, &error, NULL);

    if (r < 0 && !may_fail_with(&error))
        g_string_append_printf(caller->complaints, "%s m%u: %s: %s\n", method, number,
                               error.name != NULL ? error.name : "-", error.message);
    sd_bus_error_free(&error);
    sd_bus_message_unref(message);
    return r >= 0;
}

/* Kills the VMM of the machine, as who has no part in any of it. */
static bool
kill_machine(guint number)
{
    g_autofree char *path =
        g_strdup_printf("/sys/fs/cgroup/banger.slice/banger-vm-m%u.service/cgroup.procs", number);
    g_autofree char *text = NULL;
    int pid;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    pid = atoi(text);
    return pid > 1 && kill(pid, SIGKILL) == 0;
}

static bool
restart_helper(Caller *caller)
{
    sd_bus_creds *creds = NULL;
    pid_t pid = 0;

    if (sd_bus_get_name_creds(caller->bus, BANGER_BUS_NAME, SD_BUS_CREDS_PID, &creds) >= 0)
        (void)sd_bus_creds_get_pid(creds, &pid);
    sd_bus_creds_unref(creds);
    return pid > 1 && kill(pid, g_rand_boolean(caller->random) ? SIGKILL : SIGTERM) == 0;
}

static Operation
choose_operation(GRand *random)
{
    guint of_hundred = (guint)g_rand_int_range(random, 0, 100);
    Operation operation = CREATE;

    while (of_hundred >= weights[operation])
        of_hundred -= weights[operation++];
    return operation;
}

static gpointer
run_caller(gpointer data)
{
    Caller *caller = data;

    for (guint i = 0; i < caller->calls && g_get_monotonic_time() < caller->end_usec; i++) {
        Operation operation = choose_operation(caller->random);
        guint number = (guint)g_rand_int_range(caller->random, 0, MACHINES);
        bool well = false;

        switch (operation) {
        case CREATE:
            well = call_with_machine(caller, "CreateMachine", number);
            break;
        case DESTROY:
            well = call_with_machine(caller, "DestroyMachine", number);
            break;
        case KILL:
            well = kill_machine(number);
            break;
        case RESTART:
        case N_OPERATIONS:
            well = restart_helper(caller);
            break;
        }
        caller->done[operation]++;
        caller->well[operation] += well;
    }
    return NULL;
}

/* Until there are no units, and nothing to reconcile: what was being started comes up late. */
static bool
is_reconciled(void *data)
{
    sd_bus_message *reply = NULL;
    int r;

    (void)data;
    (void)network_true("systemctl kill --signal=KILL 'banger-vm-m*'");
    if (network_true("systemctl list-units --all --plain --no-legend 'banger-vm-*' | grep -q ."))
        return false;
    reply = rig_call(composite_bus, "Reconcile", NULL, "asasbs", 0, 1, "*", 0, "");
    ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "(sss)"), 0);
    r = sd_bus_message_at_end(reply, false);
    sd_bus_message_unref(reply);
    return r != 0;
}

static void
start_callers(Caller *callers, guint calls, guint seed)
{
    for (guint i = 0; i < CALLERS; i++) {
        callers[i] = (Caller){
            .bus = rig_bus_open(RIG_UID_OWNER),
            .random = g_rand_new_with_seed(seed + i),
            .calls = calls / CALLERS + (i < calls % CALLERS),
            .end_usec = g_get_monotonic_time() + LIMIT_USEC,
            .complaints = g_string_new(NULL),
        };
    }
    for (guint i = 0; i < CALLERS; i++)
        callers[i].thread = g_thread_new("caller", run_caller, &callers[i]);
}

/* What must not have happened, and of each operation how many there were. */
static void
end_callers(Caller *callers, GString *complaints, guint *done, guint *well)
{
    for (guint i = 0; i < CALLERS; i++) {
        (void)g_thread_join(callers[i].thread);
        g_string_append(complaints, callers[i].complaints->str);
        for (guint operation = 0; operation < N_OPERATIONS; operation++) {
            done[operation] += callers[i].done[operation];
            well[operation] += callers[i].well[operation];
        }
        g_string_free(callers[i].complaints, TRUE);
        g_rand_free(callers[i].random);
        sd_bus_flush_close_unref(callers[i].bus);
    }
}

START_TEST(random_operations)
{
    static Caller callers[CALLERS];
    guint seed = (guint)harness_number("BANGER_CAMPAIGN_SEED", (guint)g_get_real_time());
    g_autoptr(GString) complaints = g_string_new(NULL);
    g_autofree char *after = NULL;
    guint done[N_OPERATIONS] = {0};
    guint well[N_OPERATIONS] = {0};

    (void)printf("campaign: BANGER_CAMPAIGN_SEED=%u\n", seed);
    start_callers(callers, (guint)harness_number("BANGER_CAMPAIGN_CALLS", CALLS), seed);
    end_callers(callers, complaints, done, well);
    (void)printf("campaign: %u of %u machines created, %u of %u destroyed, %u VMMs killed, the "
                 "helper ended %u times\n",
                 well[CREATE], done[CREATE], well[DESTROY], done[DESTROY], well[KILL],
                 well[RESTART]);
    ck_assert_msg(complaints->len == 0, "%s", complaints->str);
    ck_assert_uint_gt(well[CREATE], 0);
    ck_assert_uint_gt(well[DESTROY], 0);
    rig_wait_for(is_reconciled, NULL, "Reconcile to find nothing more");
    network_do("rm -f " MACHINE_STATE "m*.log " MACHINE_STATE "m*.metrics " MACHINE_STATE "m*.cow");
    after = composite_state();
    composite_assert_same(after, before);
    ck_assert(!network_true("ls /dev/mapper | grep -q ^fc-rootfs-"));
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("container/campaign", argv, NULL);
    suite = suite_create("campaign");
    tcase = composite_add_tcase(suite, "campaign");
    tcase_set_timeout(tcase, 0); /* LIMIT_USEC is one */
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, random_operations);
    return harness_run("container/campaign", suite);
}
