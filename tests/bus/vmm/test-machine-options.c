/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The optional keys of LaunchFirecracker: what reaches the VMM's API; and StopMachine. */

#include <string.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "util/settings.h"

static void
set_up(void)
{
    (void)unlink(MACHINE_RUN "opt.record");
}

/* Each key once. */
static int
append_all(sd_bus_message *message)
{
    int r = sd_bus_message_append(message, "{sv}{sv}{sv}", "guest_mac", "s", "06:00:AC:10:00:02",
                                  "mtu", "u", 1400u, "rx_rate_limiter", "a{sv}", 1, "bandwidth",
                                  "(ttt)", (uint64_t)1000, (uint64_t)2000, (uint64_t)100);

    if (r >= 0)
        r = sd_bus_message_append(message, "{sv}", "network_interfaces", "a(ssa{sv})", 1, "eth1",
                                  "tap-fc-more", 1, "tx_rate_limiter", "a{sv}", 1, "ops", "(ttt)",
                                  (uint64_t)5, (uint64_t)0, (uint64_t)1000);
    if (r >= 0)
        r = sd_bus_message_append(message, "{sv}", "drive_options", "a{sa{sv}}", 1, "rootfs", 3,
                                  "cache_type", "s", "Writeback", "io_engine", "s", "Async",
                                  "partuuid", "s", "0eaa91a0-01");
    if (r >= 0)
        r = sd_bus_message_append(message, "{sv}", "mmds", "a{sv}", 4, "interfaces", "as", 1,
                                  "eth1", "version", "s", "V2", "ipv4_address", "s",
                                  "169.254.170.2", "data", "s", "{\"token\": \"s3cret\"}");
    if (r >= 0)
        r = sd_bus_message_append(message, "{sv}", "balloon", "a{sv}", 2, "amount_mib", "u", 64u,
                                  "deflate_on_oom", "b", 1);
    if (r >= 0)
        r = sd_bus_message_append(message, "{sv}{sv}{sv}{sv}{sv}{sv}", "huge_pages", "s", "2M",
                                  "cpu_template", "s", "T2S", "cpu_config", "s", "{}", "entropy",
                                  "b", 1, "smt", "b", 1, "track_dirty_pages", "b", 1);
    if (r >= 0)
        r = sd_bus_message_append(message, "{sv}{sv}{sv}{sv}{sv}", "memory_max", "t",
                                  (uint64_t)1 << 30, "tasks_max", "t", (uint64_t)50, "cpu_weight",
                                  "t", (uint64_t)200, "cpu_quota_usec", "t", (uint64_t)500000,
                                  "io_weight", "t", (uint64_t)300);
    return r;
}

/* Whether the source check has this Ethernet address for the TAP of the machine. */
static bool
has_mac(const char *mac)
{
    g_autofree char *element = g_strdup_printf("\"tap-fc-opt\" . %s", mac);
    g_autofree char *set = NULL;

    ck_assert(g_spawn_command_line_sync("nft list set bridge banger macs", &set, NULL, NULL, NULL));
    return strstr(set, element) != NULL;
}

START_TEST(all_are_passed_on)
{
    static const char *const expected[] = {
        "PUT /machine-config {\"vcpu_count\":2,\"mem_size_mib\":256,\"smt\":true,"
        "\"cpu_template\":\"T2S\",\"huge_pages\":\"2M\",\"track_dirty_pages\":true}\n",
        "PUT /cpu-config {}\n",
        "\"is_read_only\":false,\"cache_type\":\"Writeback\",\"io_engine\":\"Async\","
        "\"partuuid\":\"0eaa91a0-01\"}\n",
        "PUT /network-interfaces/eth0 {\"iface_id\":\"eth0\",\"host_dev_name\":\"tap-fc-opt\","
        "\"guest_mac\":\"06:00:ac:10:00:02\",\"mtu\":1400,\"rx_rate_limiter\":{\"bandwidth\":"
        "{\"size\":1000,\"one_time_burst\":2000,\"refill_time\":100}}}\n",
        "PUT /network-interfaces/eth1 {\"iface_id\":\"eth1\",\"host_dev_name\":\"tap-fc-more\","
        "\"guest_mac\":\"06:",
        "\"tx_rate_limiter\":{\"ops\":{\"size\":5,\"one_time_burst\":0,\"refill_time\":1000}}}\n",
        "PUT /mmds/config {\"version\":\"V2\",\"ipv4_address\":\"169.254.170.2\","
        "\"network_interfaces\":[\"eth1\"]}\n",
        "PUT /mmds {\"token\": \"s3cret\"}\n",
        "PUT /entropy {}\n",
        "PUT /balloon {\"amount_mib\":64,\"deflate_on_oom\":true,\"stats_polling_interval_s\":0}\n",
    };
    Machine *machine = machine_new("opt");
    g_autofree char *record = NULL;
    g_autofree char *log = NULL;
    pid_t pid;

    machine->more = append_all;
    machine_order("opt", "record " MACHINE_RUN "opt.record\n");
    pid = machine_launch(machine_bus, machine);
    record = machine_record("opt");
    ck_assert_ptr_nonnull(record);
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
        ck_assert_msg(strstr(record, expected[i]) != NULL, "no %s in %s", expected[i], record);
    ck_assert(g_file_get_contents(MACHINE_STATE "opt.log", &log, NULL, NULL));
    ck_assert_ptr_null(strstr(log, "s3cret"));
    ck_assert(has_mac("06:00:ac:10:00:02"));
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    machine_order("opt", NULL);
    machine_free(machine);
}
END_TEST

static int
append_no_start(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "start", "b", 0);
}

/* The machine is there, configured, and its guest waits for its owner. */
START_TEST(is_not_started)
{
    Machine *machine = machine_new("opt");
    g_autofree char *record = NULL;
    pid_t pid;

    machine->more = append_no_start;
    machine_order("opt", "record " MACHINE_RUN "opt.record\n");
    pid = machine_launch(machine_bus, machine);
    record = machine_record("opt");
    ck_assert_ptr_nonnull(strstr(record, "PUT /vsock"));
    ck_assert_ptr_null(strstr(record, "InstanceStart"));
    ck_assert(!has_mac("06:"));
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    machine_order("opt", NULL);
    machine_free(machine);
}
END_TEST

static int
append_unknown(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "balloon", "a{sv}", 2, "amount_mib", "u", 64u,
                                 "deflate", "b", 1);
}

static int
append_absent_tap(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "network_interfaces", "a(ssa{sv})", 1, "eth1",
                                 "tap-fc-absent", 0);
}

static int
append_mac_and_absent_tap(sd_bus_message *message)
{
    int r = append_absent_tap(message);

    return r < 0 ? r
                 : sd_bus_message_append(message, "{sv}", "guest_mac", "s", "06:00:ac:10:00:03");
}

START_TEST(refused)
{
    Machine *machine = machine_new("opt");

    machine->more = append_unknown;
    machine_launch_fails(machine_bus, machine, "BadParams", "\"deflate\"");
    machine->more = append_absent_tap;
    machine_launch_fails(machine_bus, machine, "NotFound", "tap-fc-absent");
    machine->more = append_mac_and_absent_tap;
    machine_launch_fails(machine_bus, machine, "NotFound", "tap-fc-absent");
    ck_assert(!has_mac("06:"));
    machine_free(machine);
}
END_TEST

static int
append_mac(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "guest_mac", "s", "06:00:ac:10:00:04");
}

/* The TAP's label alone has the address, as when a launch before ended between that and the set. */
START_TEST(mac_is_entered_again)
{
    static const char flush[] =
        "nft delete element bridge banger macs { '\"tap-fc-opt\" . 06:00:ac:10:00:04' }";
    Machine *machine = machine_new("opt");

    machine->more = append_mac;
    for (int i = 0; i < 2; i++) {
        pid_t pid = machine_launch(machine_bus, machine);

        ck_assert(has_mac("06:00:ac:10:00:04"));
        rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
        ck_assert(i == 1 || g_spawn_command_line_sync(flush, NULL, NULL, NULL, NULL));
        ck_assert(i == 1 || !has_mac("06:00:ac:10:00:04"));
    }
    machine_free(machine);
}
END_TEST

/* What StopMachine says. */
static char *
stop_machine(const char *vm_id, uint32_t timeout_s)
{
    sd_bus_message *reply = rig_call(machine_bus, "StopMachine", NULL, "sus", vm_id, timeout_s, "");
    const char *how;
    char *copy;

    ck_assert_int_ge(sd_bus_message_read(reply, "s", &how), 0);
    copy = g_strdup(how);
    sd_bus_message_unref(reply);
    return copy;
}

static void
check_stop(const char *orders, uint32_t timeout_s, const char *expected)
{
    Machine *machine = machine_new("opt");
    g_autofree char *how = NULL;
    pid_t pid;

    machine_order("opt", orders);
    pid = machine_launch(machine_bus, machine);
    how = stop_machine("opt", timeout_s);
    ck_assert_str_eq(how, expected);
    rig_wait_pid_gone(pid);
    ck_assert_int_ne(access(MACHINE_RUN ".vm/opt", F_OK), 0);
    machine_order("opt", NULL);
    machine_free(machine);
}

/* The double ends by itself on Ctrl-Alt-Del, also before it has answered. */
START_TEST(stop_by_the_guest)
{
    check_stop(_i == 0 ? NULL : "leave /actions", 20, "guest");
}
END_TEST

START_TEST(stop_without_asking)
{
    check_stop(NULL, 0, "term");
}
END_TEST

/* A guest that ignores its keyboard, and then a VMM that ignores SIGTERM. */
START_TEST(stop_by_force)
{
    check_stop("ignore /actions KEYS", 1, "term");
    check_stop("ignore /actions TERM", 0, "kill");
}
END_TEST

START_TEST(stop_nothing)
{
    g_autofree char *how = stop_machine("not-there", 5);

    ck_assert_str_eq(how, "gone");
    rig_call_fails(machine_bus, "org.banger.Helper1.Error.BadParams", "StopMachine", "sus", "a/b",
                   1u, "");
    rig_call_fails(machine_bus, "org.banger.Helper1.Error.BadParams", "StopMachine", "sus", "opt",
                   601u, "");
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const names[] = {"opt", "more", NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/machine-options", argv, NULL);
    suite = suite_create("machine-options");
    tcase = machine_add_tcase(suite, "machine-options", names, set_up, NULL);
    tcase_add_test(tcase, all_are_passed_on);
    tcase_add_test(tcase, is_not_started);
    tcase_add_test(tcase, refused);
    tcase_add_test(tcase, mac_is_entered_again);
    tcase_add_loop_test(tcase, stop_by_the_guest, 0, 2);
    tcase_add_test(tcase, stop_without_asking);
    tcase_add_test(tcase, stop_by_force);
    tcase_add_test(tcase, stop_nothing);
    return harness_run("bus/machine-options", suite);
}
