/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SyncResolverRouting and ClearResolverRouting against a mock of org.freedesktop.resolve1 that
 * records its calls; the real one is in the VM tier.
 */
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"

#define RESOLVE1 "org.freedesktop.resolve1"

/* The mock: a thread with a connection of its own. */
typedef struct {
    sd_bus *bus;
    GThread *thread;
    int stop;
    GMutex lock;
    GString *calls; /* one line a call: member, link and arguments */

    /* How it behaves; set before it starts. */
    int unknown_link_calls; /* so many SetLinkDNS say NoSuchLink; -1: all calls do */
    const char *fail_member;
    const char *fail_name;
    const char *mute_member; /* never answered */
} Mock;

#define MODES                                                                                      \
    "SetLinkDNSSEC br-fc no\nSetLinkDNSOverTLS br-fc no\nSetLinkLLMNR br-fc no\n"                  \
    "SetLinkMulticastDNS br-fc no\n"

static sd_bus *bus;
static Mock mock;

static void
append_servers(sd_bus_message *message, bool extended, GString *line)
{
    ck_assert_int_ge(sd_bus_message_enter_container(message, 'a', extended ? "(iayqs)" : "(iay)"),
                     0);
    while (sd_bus_message_enter_container(message, 'r', extended ? "iayqs" : "iay") > 0) {
        const uint8_t *bytes;
        size_t length;
        int family;

        ck_assert_int_ge(sd_bus_message_read(message, "i", &family), 0);
        ck_assert_int_ge(sd_bus_message_read_array(message, 'y', (const void **)&bytes, &length),
                         0);
        g_string_append_printf(line, " %d:", family);
        for (size_t i = 0; i < length; i++)
            g_string_append_printf(line, "%02x", bytes[i]);
        if (extended) {
            const char *name;
            uint16_t port;

            ck_assert_int_ge(sd_bus_message_read(message, "qs", &port, &name), 0);
            g_string_append_printf(line, ":%u:%s", port, name);
        }
        ck_assert_int_ge(sd_bus_message_exit_container(message), 0);
    }
}

static void
append_arguments(sd_bus_message *message, const char *member, GString *line)
{
    const char *text;
    int flag;

    if (g_str_equal(member, "SetLinkDNS") || g_str_equal(member, "SetLinkDNSEx"))
        append_servers(message, g_str_has_suffix(member, "Ex"), line);
    else if (g_str_equal(member, "SetLinkDomains")) {
        ck_assert_int_ge(sd_bus_message_enter_container(message, 'a', "(sb)"), 0);
        while (sd_bus_message_read(message, "(sb)", &text, &flag) > 0)
            g_string_append_printf(line, " %s:%d", text, flag);
    } else if (g_str_equal(member, "SetLinkDefaultRoute")) {
        ck_assert_int_ge(sd_bus_message_read(message, "b", &flag), 0);
        g_string_append_printf(line, " %d", flag);
    } else if (g_str_equal(member, "SetLinkDNSSEC") || g_str_equal(member, "SetLinkDNSOverTLS") ||
               g_str_equal(member, "SetLinkLLMNR") || g_str_equal(member, "SetLinkMulticastDNS")) {
        ck_assert_int_ge(sd_bus_message_read(message, "s", &text), 0);
        g_string_append_printf(line, " %s", text);
    } else
        ck_assert_str_eq(member, "RevertLink");
}

static int
on_call(sd_bus_message *message, void *data, sd_bus_error *error)
{
    const char *member = sd_bus_message_get_member(message);
    g_autoptr(GString) line = NULL;
    char name[IF_NAMESIZE];
    int link;

    (void)data;
    if (!sd_bus_message_is_method_call(message, RESOLVE1 ".Manager", NULL))
        return 0;
    line = g_string_new(member);
    ck_assert_int_ge(sd_bus_message_read(message, "i", &link), 0);
    g_string_append_printf(line, " %s", if_indextoname((unsigned int)link, name));
    append_arguments(message, member, line);
    g_mutex_lock(&mock.lock);
    g_string_append_printf(mock.calls, "%s\n", line->str);
    g_mutex_unlock(&mock.lock);
    if (g_strcmp0(member, mock.mute_member) == 0)
        return 1;
    if (mock.unknown_link_calls != 0) {
        mock.unknown_link_calls -= mock.unknown_link_calls > 0;
        return sd_bus_error_set(error, RESOLVE1 ".NoSuchLink", "Link not known");
    }
    if (g_strcmp0(member, mock.fail_member) == 0)
        return sd_bus_error_set(error, mock.fail_name, "as told");
    return sd_bus_reply_method_return(message, "");
}

static gpointer
serve(gpointer data)
{
    struct pollfd events[2] = {{.events = POLLIN}, {.events = POLLIN}};

    (void)data;
    events[0].fd = sd_bus_get_fd(mock.bus);
    events[1].fd = mock.stop;
    for (;;) {
        int r;

        while ((r = sd_bus_process(mock.bus, NULL)) > 0)
            ;
        ck_assert_int_ge(r, 0);
        (void)poll(events, G_N_ELEMENTS(events), 1000);
        if (events[1].revents != 0)
            return NULL;
    }
}

static void
start_mock(void)
{
    mock.bus = rig_bus_open(0);
    mock.stop = eventfd(0, EFD_CLOEXEC);
    mock.calls = g_string_new(NULL);
    ck_assert_int_ge(sd_bus_add_object(mock.bus, NULL, "/org/freedesktop/resolve1", on_call, NULL),
                     0);
    ck_assert_int_ge(sd_bus_request_name(mock.bus, RESOLVE1, 0), 0);
    mock.thread = g_thread_new("resolve1", serve, NULL);
}

static void
setup(void)
{
    network_clear_network();
    mock = (Mock){0};
    bus = rig_bus_open(0);
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "172.16.0.1", "24", "");
}

static void
teardown(void)
{
    const uint64_t one = 1;

    if (mock.thread != NULL) {
        ck_assert_int_eq(write(mock.stop, &one, sizeof one), sizeof one);
        (void)g_thread_join(mock.thread);
        sd_bus_flush_close_unref(mock.bus);
        (void)close(mock.stop);
        (void)g_string_free(mock.calls, TRUE);
    }
    sd_bus_flush_close_unref(bus);
    network_forget();
}

/* What the mock was called with since the last time. */
static void
assert_calls(const char *expected)
{
    g_mutex_lock(&mock.lock);
    ck_assert_str_eq(mock.calls->str, expected);
    (void)g_string_truncate(mock.calls, 0);
    g_mutex_unlock(&mock.lock);
}

static void
sync_routing(const char *bridge, const char *server)
{
    rig_call_ok(bus, "SyncResolverRouting", "sss", bridge, server, "");
}

static void
clear_routing(const char *bridge)
{
    rig_call_ok(bus, "ClearResolverRouting", "ss", bridge, "");
}

START_TEST(names_are_routed)
{
    start_mock();
    sync_routing("br-fc", "172.16.0.1");
    assert_calls("SetLinkDNS br-fc 2:ac100001\nSetLinkDomains br-fc vm:1\nSetLinkDefaultRoute "
                 "br-fc 0\n" MODES);
    sync_routing("br-fc", "172.16.0.1:5353");
    assert_calls("SetLinkDNSEx br-fc 2:ac100001:5353:\nSetLinkDomains br-fc vm:1\n"
                 "SetLinkDefaultRoute br-fc 0\n" MODES);
    sync_routing("br-fc", "fd00::1");
    assert_calls("SetLinkDNS br-fc 10:fd000000000000000000000000000001\nSetLinkDomains br-fc vm:1\n"
                 "SetLinkDefaultRoute br-fc 0\n" MODES);
    sync_routing("br-fc", "[fd00::1]:53");
    assert_calls(
        "SetLinkDNSEx br-fc 10:fd000000000000000000000000000001:53:\nSetLinkDomains br-fc vm:1\n"
        "SetLinkDefaultRoute br-fc 0\n" MODES);
    clear_routing("br-fc");
    assert_calls("RevertLink br-fc\n");
}
END_TEST

START_TEST(nothing_to_do_is_nothing_done)
{
    start_mock();
    sync_routing("", "172.16.0.1");
    sync_routing("br-fc", "");
    sync_routing("br-fc", "  ");
    clear_routing("");
    clear_routing("br-gone");
    assert_calls("");
}
END_TEST

START_TEST(host_without_resolved)
{
    sync_routing("br-fc", "172.16.0.1");
    sync_routing("br-gone", "172.16.0.1");
    clear_routing("br-fc");
    clear_routing("br-gone");
}
END_TEST

START_TEST(foreign_links_keep_their_servers)
{
    network_do("ip link add eth0 type veth peer eth0p; ip link add br0 type bridge");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "SyncResolverRouting", "sss", "eth0", "172.16.0.1",
                   "");
    start_mock();
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "SyncResolverRouting", "sss", "eth0", "172.16.0.1",
                   "");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "SyncResolverRouting", "sss", "br0", "172.16.0.1",
                   "");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "ClearResolverRouting", "ss", "eth0", "");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "ClearResolverRouting", "ss", "lo", "");
    rig_call_fails(bus, RIG_ERROR("NotFound"), "SyncResolverRouting", "sss", "br-gone",
                   "172.16.0.1", "");
    assert_calls("");
}
END_TEST

START_TEST(malformed_arguments)
{
    static const char *const servers[] = {"dns.example", "172.16.0.1:0", "172.16.0.1:65536",
                                          "[fd00::1]",   "0.0.0.0",      "172.16.0.1:53 x"};

    start_mock();
    for (size_t i = 0; i < G_N_ELEMENTS(servers); i++)
        rig_call_fails(bus, RIG_ERROR("BadParams"), "SyncResolverRouting", "sss", "br-fc",
                       servers[i], "");
    rig_call_fails(bus, RIG_ERROR("BadParams"), "SyncResolverRouting", "sss", "br/fc", "172.16.0.1",
                   "");
    rig_call_fails(bus, RIG_ERROR("BadParams"), "ClearResolverRouting", "ss", "br/fc", "");
    assert_calls("");
}
END_TEST

START_TEST(new_link_is_retried)
{
    mock.unknown_link_calls = 3;
    start_mock();
    sync_routing("br-fc", "172.16.0.1");
    assert_calls(
        "SetLinkDNS br-fc 2:ac100001\nSetLinkDNS br-fc 2:ac100001\nSetLinkDNS br-fc 2:ac100001\n"
        "SetLinkDNS br-fc 2:ac100001\nSetLinkDomains br-fc vm:1\nSetLinkDefaultRoute br-fc "
        "0\n" MODES);
}
END_TEST

START_TEST(unknown_link_is_given_up)
{
    mock.unknown_link_calls = -1;
    start_mock();
    rig_call_fails(bus, RIG_ERROR("NotFound"), "SyncResolverRouting", "sss", "br-fc", "172.16.0.1",
                   "");
    ck_assert_msg(g_str_has_prefix(mock.calls->str, "SetLinkDNS "), "%s", mock.calls->str);
    ck_assert_ptr_null(strstr(mock.calls->str, "SetLinkDomains"));
    clear_routing("br-fc");
}
END_TEST

START_TEST(half_done_is_reverted)
{
    mock.fail_member = "SetLinkDefaultRoute";
    mock.fail_name = "org.freedesktop.DBus.Error.Failed";
    start_mock();
    rig_call_fails(bus, RIG_ERROR("OperationFailed"), "SyncResolverRouting", "sss", "br-fc",
                   "172.16.0.1", "");
    assert_calls(
        "SetLinkDNS br-fc 2:ac100001\nSetLinkDomains br-fc vm:1\nSetLinkDefaultRoute br-fc 0\n"
        "RevertLink br-fc\n");
}
END_TEST

START_TEST(unanswered_is_reverted)
{
    mock.mute_member = "SetLinkDNS";
    start_mock();
    rig_call_fails(bus, RIG_ERROR("Timeout"), "SyncResolverRouting", "sss", "br-fc", "172.16.0.1",
                   "");
    /* It may have been done all the same, and alone it would make this the server of all names. */
    assert_calls("SetLinkDNS br-fc 2:ac100001\nRevertLink br-fc\n");
}
END_TEST

START_TEST(link_of_another_is_busy)
{
    mock.fail_member = "SetLinkDNS";
    mock.fail_name = RESOLVE1 ".LinkBusy";
    start_mock();
    rig_call_fails(bus, RIG_ERROR("Busy"), "SyncResolverRouting", "sss", "br-fc", "172.16.0.1", "");
    assert_calls("SetLinkDNS br-fc 2:ac100001\n");
}
END_TEST

START_TEST(hanging_resolved_times_out)
{
    mock.mute_member = "RevertLink";
    start_mock();
    rig_call_fails(bus, RIG_ERROR("Timeout"), "ClearResolverRouting", "ss", "br-fc", "");
    sync_routing("br-fc", "172.16.0.1");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/resolver", argv, NULL);
    suite = suite_create("resolver");
    tcase = tcase_create("resolver");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, names_are_routed);
    tcase_add_test(tcase, nothing_to_do_is_nothing_done);
    tcase_add_test(tcase, host_without_resolved);
    tcase_add_test(tcase, foreign_links_keep_their_servers);
    tcase_add_test(tcase, malformed_arguments);
    tcase_add_test(tcase, new_link_is_retried);
    tcase_add_test(tcase, unknown_link_is_given_up);
    tcase_add_test(tcase, half_done_is_reverted);
    tcase_add_test(tcase, unanswered_is_reverted);
    tcase_add_test(tcase, link_of_another_is_busy);
    tcase_add_test(tcase, hanging_resolved_times_out);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/resolver", suite);
}
