/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON socket: who may connect, the older protocol, errors, records. */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/json/json-client.h"
#include "util/settings.h"

static pid_t bridge;

static void
set_up(void)
{
    bridge = client_start(NULL);
}

static void
tear_down(void)
{
    client_stop(bridge);
}

#define OP_ID "op-json-1"

/*
 * Makes the call as the owner by D-Bus and then by the socket, and requires the same outcome there,
 * byte by byte: @result if it succeeds, else the D-Bus error's own message.
 */
static void
check_method(const char *name, const char *params, const char *result, const char *member,
             const char *types, ...)
{
    g_autofree char *request = g_strdup_printf(
        "{\"version\":1,\"method\":\"%s\",\"params\":%s,\"op_id\":\"" OP_ID "\"}", name, params);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);
    sd_bus_message *message = rig_message_new(bus, member);
    g_autofree char *expected = NULL;
    va_list args;

    va_start(args, types);
    ck_assert_int_ge(sd_bus_message_appendv(message, types, args), 0);
    va_end(args);
    ck_assert_int_ge(sd_bus_message_append(message, "s", OP_ID), 0);
    message = rig_call_message(bus, message, &error);
    if (message != NULL) {
        expected = g_strdup_printf("{\"ok\":true,\"result\":%s}", result);
    } else {
        /* The helper's message has the op_id at its end, the socket's in a member of its own. */
        g_autofree char *reason =
            g_strndup(error.message, strlen(error.message) - strlen(" (" OP_ID ")"));
        g_autofree char *escaped = g_strescape(reason, "\x80\xff");
        const char *code = strcmp(error.name, "org.banger.Helper1.Error.BadParams") == 0
                               ? "bad_params"
                               : "operation_failed";

        expected = g_strdup_printf(
            "{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":\"%s\",\"op_id\":\"" OP_ID "\"}}",
            code, escaped);
    }
    client_check(request, expected);
    sd_bus_message_unref(message);
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
}

START_TEST(methods_of_the_network)
{
    check_method("priv.ensure_bridge",
                 "{\"bridge_name\":\"br-json\",\"bridge_ip\":\"10.98.0.1\",\"cidr\":\"24\"}", "{}",
                 "EnsureBridge", "sss", "br-json", "10.98.0.1", "24");
    check_method("priv.create_tap",
                 "{\"bridge_name\":\"br-json\",\"bridge_ip\":\"10.98.0.1\",\"cidr\":\"24\","
                 "\"tap_name\":\"tap-fc-json\"}",
                 "{}", "CreateTap", "ssss", "br-json", "10.98.0.1", "24", "tap-fc-json");
    check_method("priv.ensure_nat",
                 "{\"guest_ip\":\"10.98.0.2\",\"tap\":\"tap-fc-json\",\"enable\":true}", "{}",
                 "EnsureNAT", "ssb", "10.98.0.2", "tap-fc-json", 1);
    check_method("priv.ensure_nat",
                 "{\"guest_ip\":\"10.98.0.2\",\"tap\":\"tap-fc-json\",\"enable\":false}", "{}",
                 "EnsureNAT", "ssb", "10.98.0.2", "tap-fc-json", 0);
    check_method("priv.sync_resolver_routing", "{\"bridge_name\":\"\",\"server_addr\":\"\"}", "{}",
                 "SyncResolverRouting", "ss", "", "");
    check_method("priv.clear_resolver_routing", "{\"bridge_name\":\"\"}", "{}",
                 "ClearResolverRouting", "s", "");
    check_method("priv.delete_tap", "{\"tap_name\":\"tap-fc-json\"}", "{}", "DeleteTap", "s",
                 "tap-fc-json");
    check_method("priv.delete_tap", "{\"tap_name\":\"eth0\"}", "", "DeleteTap", "s", "eth0");
}
END_TEST

START_TEST(methods_of_snapshots)
{
    check_method("priv.create_dm_snapshot",
                 "{\"rootfs_path\":\"/var/lib/banger/no-a\",\"cow_path\":\"/var/lib/banger/no-b\","
                 "\"dm_name\":\"fc-rootfs-json\"}",
                 "", "CreateDMSnapshot", "sss", "/var/lib/banger/no-a", "/var/lib/banger/no-b",
                 "fc-rootfs-json");
    check_method("priv.cleanup_dm_snapshot",
                 "{\"base_loop\":\"/dev/sda\",\"cow_loop\":\"\",\"dm_name\":\"\",\"dm_dev\":\"\"}",
                 "", "CleanupDMSnapshot", "ssss", "/dev/sda", "", "", "");
    check_method("priv.remove_dm_snapshot", "{\"target\":\"fc-rootfs-json\"}", "{}",
                 "RemoveDMSnapshot", "s", "fc-rootfs-json");
    check_method("priv.fsck_snapshot", "{\"dm_dev\":\"/dev/mapper/fc-rootfs-json\"}", "",
                 "FsckSnapshot", "s", "/dev/mapper/fc-rootfs-json");
}
END_TEST

START_TEST(methods_of_images)
{
    check_method("priv.check_image", "{\"image_path\":\"/var/lib/banger/no\",\"repair\":true}", "",
                 "CheckImage", "sb", "/var/lib/banger/no", 1);
    check_method("priv.read_ext4_file",
                 "{\"image_path\":\"/var/lib/banger/no\",\"guest_path\":\"/etc/hostname\"}", "",
                 "ReadExt4File", "ss", "/var/lib/banger/no", "/etc/hostname");
    check_method("priv.write_ext4_files",
                 "{\"image_path\":\"/var/lib/banger/no\",\"files\":[{\"guest_path\":\"/a\","
                 "\"data\":\"AAE=\",\"mode\":420}]}",
                 "", "WriteExt4Files", "sa(sayu)", "/var/lib/banger/no", 1, "/a", 2, 0, 1, 420);
}
END_TEST

START_TEST(methods_of_processes)
{
    check_method("priv.resolve_firecracker_binary", "{\"requested\":\"/usr/bin/true\"}",
                 "{\"path\":\"/usr/bin/true\"}", "ResolveFirecrackerBinary", "s", "/usr/bin/true");
    check_method("priv.ensure_socket_access",
                 "{\"socket_path\":\"/run/banger/no.sock\",\"label\":\"api\"}", "",
                 "EnsureSocketAccess", "ss", "/run/banger/no.sock", "api");
    check_method("priv.find_firecracker_pid", "{\"api_sock\":\"/run/banger/no.sock\"}", "",
                 "FindFirecrackerPID", "s", "/run/banger/no.sock");
    check_method("priv.kill_process", "{\"pid\":1}", "", "KillProcess", "u", 1);
    check_method("priv.signal_process", "{\"pid\":1,\"signal\":\"TERM\"}", "", "SignalProcess",
                 "us", 1, "TERM");
    check_method("priv.process_running", "{\"pid\":4194303,\"api_sock\":\"\"}",
                 "{\"running\":false}", "ProcessRunning", "us", 4194303, "");
    check_method("priv.launch_firecracker",
                 "{\"binary_path\":\"/usr/bin/true\",\"vm_id\":\"json\",\"socket_path\":\"/etc/x\","
                 "\"vcpu_count\":1,\"memory_mib\":128,\"drives\":[{\"id\":\"a\",\"path\":\"/d\","
                 "\"read_only\":true,\"is_root\":true}]}",
                 "", "LaunchFirecracker", "a{sv}", 11, "binary_path", "s", "/usr/bin/true", "vm_id",
                 "s", "json", "socket_path", "s", "/etc/x", "log_path", "s", "", "metrics_path",
                 "s", "", "kernel_image_path", "s", "", "kernel_args", "s", "", "drives", "a(ssbb)",
                 1, "a", "/d", 1, 1, "tap_device", "s", "", "vcpu_count", "u", 1, "memory_mib", "u",
                 128);
}
END_TEST

#define DELETE "{\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":\"tap-fc-none\"}"
#define DONE "{\"ok\":true,\"result\":{}}"

/* The older clients write one object and a newline, read one object, and close. */
START_TEST(ways_of_writing)
{
    static const char *const requests[] = {
        DELETE "}\n",
        DELETE "}",
        " \t\r\n" DELETE " } \n\n",
        "{\"op_id\":\"\",\"Version\":1,\"METHOD\":\"priv.delete_tap\",\"future\":"
        "[{}],\"Params\":{\"TaP_NaMe\":\"tap-fc-none\",\"more\":null}}",
        "{\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":\"no\","
        "\"tap_name\":\"\\u0074ap-fc-none\"}}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        int fd = client_connect(RIG_UID_OWNER);

        for (const char *byte = requests[i]; *byte != '\0'; byte++)
            ck_assert(client_try_send(fd, byte, 1));
        client_expect_line(fd, DONE);
        (void)close(fd);
        client_check(requests[i], DONE);
    }
}
END_TEST

START_TEST(one_after_the_other)
{
    int fd = client_connect(RIG_UID_OWNER);

    client_send(fd,
                DELETE ",\"op_id\":\"op-a\"}{\"method\":\"nope\",\"op_id\":\"op-b\"}" DELETE "}");
    client_expect_line(fd, DONE);
    client_expect_line(fd, "{\"ok\":false,\"error\":{\"code\":\"unknown_method\","
                           "\"message\":\"unknown method nope\",\"op_id\":"
                           "\"op-b\"}}");
    client_expect_line(fd, DONE);
    client_send(fd, DELETE "}");
    client_expect_line(fd, DONE);
    (void)shutdown(fd, SHUT_WR);
    client_expect_end(fd);
    (void)close(fd);
}
END_TEST

/* As `nc -N` and `socat -` do: the answer is for the other half. */
START_TEST(half_closed)
{
    int fd = client_connect(RIG_UID_OWNER);
    GString *many = g_string_new(NULL);

    for (int i = 0; i < 100; i++)
        g_string_append(many, DELETE "}");
    client_send(fd, many->str);
    (void)shutdown(fd, SHUT_WR);
    for (int i = 0; i < 100; i++)
        client_expect_line(fd, DONE);
    client_expect_end(fd);
    (void)close(fd);
    g_string_free(many, TRUE);
}
END_TEST

static void
check_record(const char *op_id, const char *identifier, const char *caller_uid,
             const char *const *fields)
{
    g_autoptr(GPtrArray) records = NULL;
    g_autoptr(GHashTable) any = rig_journal_wait(op_id);
    gint64 end = g_get_monotonic_time() + rig_timeout_usec();

    do {
        g_clear_pointer(&records, g_ptr_array_unref);
        records = rig_journal_find("OP_ID", op_id);
        for (guint i = 0; i < records->len; i++) {
            GHashTable *record = g_ptr_array_index(records, i);

            if (g_strcmp0(g_hash_table_lookup(record, "SYSLOG_IDENTIFIER"), identifier) != 0)
                continue;
            ck_assert_str_eq(g_hash_table_lookup(record, "CALLER_UID"), caller_uid);
            for (const char *const *field = fields; *field != NULL; field += 2)
                ck_assert_pstr_eq(g_hash_table_lookup(record, field[0]), field[1]);
            return;
        }
        g_usleep(10000);
    } while (g_get_monotonic_time() < end);
    ck_abort_msg("%s wrote no record of %s", identifier, op_id);
}

/*
 * One record here and one of the helper's, with the same op_id: the caller's, or one minted here.
 */
START_TEST(records)
{
    static const char *const completed[] = {"METHOD", "DeleteTap", "CODE", NULL, NULL};
    static const char *const failed[] = {"METHOD",     "EnsureNAT",
                                         "CODE",       "operation_failed",
                                         "ERROR_NAME", "org.banger.Helper1.Error.NotFound",
                                         NULL};
    g_autofree char *pid = g_strdup_printf("%d", getpid());
    const char *const peer[] = {"CALLER_PID", pid, NULL};
    g_autofree char *answer =
        client_ask("{\"jsonrpc\":\"2.0\",\"method\":\"priv.ensure_nat\",\"params\":[\"10.1.2.3\","
                   "\"tap-fc-none\",true],\"id\":1}");
    const char *minted = strstr(answer, "\"op_id\":\"");
    g_autofree char *op_id = NULL;

    client_check(DELETE ",\"op_id\":\"op-recorded\"}", DONE);
    check_record("op-recorded", "banger-helper-bridge", "0", completed);
    check_record("op-recorded", "banger-helper-bridge", "0", peer);
    check_record("op-recorded", "banger-helperd", "64001", completed);
    ck_assert_ptr_nonnull(minted);
    op_id = g_strndup(minted + strlen("\"op_id\":\""), strlen("op-123456789abc"));
    check_record(op_id, "banger-helper-bridge", "0", failed);
    check_record(op_id, "banger-helperd", "64001", failed);
}
END_TEST

/* One error, and the end, before anything is read: the answer does not wait for a request. */
START_TEST(other_uids)
{
    static const uid_t uids[] = {RIG_UID_STRANGER, RIG_UID_MEMBER, RIG_UID_WORKER};

    ck_assert_int_eq(chmod(BRIDGE_SOCKET, 0666), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(uids); i++) {
        int fd = client_connect(uids[i]);
        g_autofree char *answer = client_read_line(fd);
        g_autofree char *expected = g_strdup_printf(
            "{\"ok\":false,\"error\":{\"code\":\"unauthorized\",\"message\":\"uid %u may not use "
            "this socket\"}}",
            uids[i]);

        ck_assert_msg(g_str_has_prefix(answer, expected), "%s", answer);
        client_expect_end(fd);
        (void)close(fd);
    }
}
END_TEST

START_TEST(socket_is_private)
{
    struct stat status;

    ck_assert_int_eq(lstat(BRIDGE_SOCKET, &status), 0);
    ck_assert_uint_eq(status.st_mode, S_IFSOCK | 0600);
    ck_assert_uint_eq(status.st_uid, RIG_UID_OWNER);
    ck_assert_uint_eq(status.st_gid, RIG_UID_OWNER);
}
END_TEST

/*
 * The helper is not running: the bus starts it. It dies in the middle: that call fails, the next
 * one works.
 */
START_TEST(helper_dies)
{
    int fd = client_connect(RIG_UID_OWNER);
    g_autofree char *answer = NULL;
    RigMonitor *monitor;
    pid_t helper;

    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    ck_assert_int_eq(rig_pid_of(BANGER_BUS_NAME), 0);
    client_send(fd, DELETE "}");
    client_expect_line(fd, DONE);
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_gt(helper, 0);
    ck_assert_int_eq(kill(helper, SIGSTOP), 0);
    monitor = rig_monitor_new();
    client_send(fd, DELETE ",\"op_id\":\"op-dies\"}");
    rig_monitor_wait_calls(monitor, "DeleteTap", 1);
    rig_monitor_free(monitor);
    ck_assert_int_eq(kill(helper, SIGKILL), 0);
    answer = client_read_line(fd);
    ck_assert_msg(g_str_has_prefix(answer, "{\"ok\":false,\"error\":{\"code\":\"operation_failed\","
                                           "\"message\":\"") &&
                      g_str_has_suffix(answer, "\",\"op_id\":\"op-dies\"}}"),
                  "%s", answer);
    client_send(fd, DELETE "}");
    client_expect_line(fd, DONE);
    (void)close(fd);
}
END_TEST

/* A peer that leaves before its answer: the call is made all the same, and no one else notices. */
START_TEST(peer_leaves)
{
    pid_t helper;
    int fds[40];

    client_check(DELETE "}", DONE);
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_eq(kill(helper, SIGSTOP), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        g_autofree char *request = g_strdup_printf(DELETE ",\"op_id\":\"op-left-%zu\"}", i);

        fds[i] = client_connect(0);
        client_send(fds[i], request);
        (void)close(fds[i]);
    }
    ck_assert_int_eq(kill(helper, SIGCONT), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        g_autofree char *op_id = g_strdup_printf("op-left-%zu", i);
        static const char *const completed[] = {"CODE", NULL, NULL};

        check_record(op_id, "banger-helper-bridge", "0", completed);
    }
    client_check(DELETE "}", DONE);
}
END_TEST

/* Root's request is the owner's for polkit too: the bridge has no right of its own. */
START_TEST(denied_by_polkit)
{
    rig_polkit_set_rules("10-no.rules",
                         "polkit.addRule(function(action, subject) {"
                         "  if (action.id == \"org.banger.helper1.delete-tap\" &&"
                         "      subject.user == \"banger\") return polkit.Result.NO; });");
    for (int i = 0; i < 2; i++) {
        int fd = client_connect(i == 0 ? 0 : RIG_UID_OWNER);
        g_autofree char *answer = NULL;

        client_send(fd, "{\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":"
                        "\"tap-fc-none\"},\"op_id\":\"op-denied\"}");
        answer = client_read_line(fd);
        ck_assert_msg(
            g_str_has_prefix(answer, "{\"ok\":false,\"error\":{\"code\":\"unauthorized\",") &&
                g_str_has_suffix(answer, "\",\"op_id\":\"op-denied\"}}"),
            "%s", answer);
        (void)close(fd);
    }
    rig_polkit_set_rules("10-no.rules", NULL);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/bridge", argv, NULL);
    suite = suite_create("bridge");
    tcase = tcase_create("bridge");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, methods_of_the_network);
    tcase_add_test(tcase, methods_of_snapshots);
    tcase_add_test(tcase, methods_of_images);
    tcase_add_test(tcase, methods_of_processes);
    tcase_add_test(tcase, ways_of_writing);
    tcase_add_test(tcase, one_after_the_other);
    tcase_add_test(tcase, half_closed);
    tcase_add_test(tcase, records);
    tcase_add_test(tcase, other_uids);
    tcase_add_test(tcase, denied_by_polkit);
    tcase_add_test(tcase, socket_is_private);
    tcase_add_test(tcase, helper_dies);
    tcase_add_test(tcase, peer_leaves);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/bridge", suite);
}
