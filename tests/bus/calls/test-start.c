/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first moments of the helper: the first call is answered although SIGTERM comes with it, and
 * the record of an arrival at the debug level. The helper runs under strace(1), which delays it for
 * a while after everything that it receives, the bus's message that the name is its own included.
 */
#include <signal.h>

#include "bus/calls/call-samples.h"
#include "util/settings.h"

#define STRACE "/usr/bin/strace"
#define HOLD_USEC "200000"

static RigPending *
start_clear(sd_bus *bus, const char *op_id)
{
    sd_bus_message *message = rig_message_new(bus, "ClearResolverRouting");

    ck_assert_int_ge(sd_bus_message_append(message, "ss", "", op_id), 0);
    return rig_call_start(bus, message);
}

static bool
has_strace(void)
{
    if (g_file_test(STRACE, G_FILE_TEST_IS_EXECUTABLE))
        return true;
    harness_skip("no strace");
    return false;
}

typedef struct {
    sd_bus *bus;
    uint32_t pid;
} Helper;

/* On one connection: the bus would report each that ends to the helper, and that is slow here. */
static bool
has_the_name(void *data)
{
    Helper *helper = data;
    sd_bus_message *reply = NULL;

    if (sd_bus_call_method(helper->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "GetConnectionUnixProcessID", NULL, &reply, "s",
                           BANGER_BUS_NAME) >= 0)
        ck_assert_int_ge(sd_bus_message_read(reply, "u", &helper->pid), 0);
    sd_bus_message_unref(reply);
    return helper->pid != 0;
}

/*
 * As soon as it has the name the call that it was started for is its own, and SIGTERM is too late.
 */
START_TEST(sigterm_drops_not_the_first_call)
{
    sd_bus *bus = rig_bus_open(0);
    Helper helper = {bus, 0};
    RigPending *pending;

    if (!has_strace())
        return;
    pending = start_clear(bus, "first-1");
    rig_wait_for(has_the_name, &helper, "a helper");
    ck_assert_int_eq(kill((pid_t)helper.pid, SIGTERM), 0);
    rig_pending_wait(bus, pending);
    ck_assert_msg(pending->error_name == NULL, "%s: %s", pending->error_name,
                  pending->error_message);
    rig_wait_pid_gone((pid_t)helper.pid);
    g_hash_table_unref(rig_journal_wait("first-1"));
    rig_pending_free(pending);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* At the debug level a call is in the journal twice: when it arrives, and when it is answered. */
START_TEST(arrival_is_recorded)
{
    sd_bus *bus = rig_bus_open(0);
    g_autoptr(GPtrArray) records = NULL;
    GHashTable *arrival;

    if (!has_strace())
        return;
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-debug", "debug-1");
    g_hash_table_unref(rig_journal_wait("debug-1"));
    records = rig_journal_find("OP_ID", "debug-1");
    ck_assert_uint_eq(records->len, 2);
    arrival = g_ptr_array_index(records, 0);
    ck_assert_str_eq(g_hash_table_lookup(arrival, "MESSAGE"), "helper rpc");
    ck_assert_str_eq(g_hash_table_lookup(arrival, "PRIORITY"), "7");
    ck_assert_str_eq(g_hash_table_lookup(arrival, "METHOD"), "DeleteTap");
    ck_assert_str_eq(g_hash_table_lookup(arrival, "TAP_NAME"), "tap-fc-debug");
    ck_assert_ptr_nonnull(g_hash_table_lookup(arrival, "SENDER"));
    sd_bus_flush_close_unref(bus);
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const options[] = {"--wrap",
                                          STRACE
                                          " -f -E BANGER_DEBUG=1 -o /dev/null -e trace=recvmsg -e "
                                          "inject=recvmsg:delay_exit=" HOLD_USEC,
                                          NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/start", argv, options);
    suite = suite_create("start");
    tcase = tcase_create("start");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, sigterm_drops_not_the_first_call);
    tcase_add_test(tcase, arrival_is_recorded);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/start", suite);
}
