/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects of TAPs and bridges, against the real kernel: properties, introspection, refusals,
 * bounds. Machines are in test-machine-objects.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "bus/objects/objects-client.h"
#include "lib/interface-xml.h"
#include "util/settings.h"

#define BRIDGE BANGER_OBJECT_PATH "/bridges/br_2dfc"
#define TAP BANGER_OBJECT_PATH "/taps/tap_2dfc_2d1"
#define UNKNOWN_OBJECT "org.freedesktop.DBus.Error.UnknownObject"

static sd_bus *bus;      /* of root */
static sd_bus *stranger; /* reading is open to everybody */

static void
set_up(void)
{
    bus = network_set_up();
    stranger = rig_bus_open(RIG_UID_STRANGER);
}

static void
tear_down(void)
{
    sd_bus_flush_close_unref(stranger);
    network_tear_down(bus);
}

static const char *
lookup(GHashTable *table, const char *key)
{
    const char *value = g_hash_table_lookup(table, key);

    ck_assert_msg(value != NULL, "there is no %s", key);
    return value;
}

START_TEST(links_are_objects)
{
    GHashTable *table;

    network_bridge_and_tap(bus, "tap-fc-1");
    network_bridge_and_tap(bus, "tap-fc-a.b_c");
    network_do("ip link set tap-fc-1 mtu 1400");
    table = objects_managed(stranger);
    ck_assert_str_eq(lookup(table, TAP " " OBJECT_TAP ".Name"), "tap-fc-1");
    ck_assert_str_eq(lookup(table, TAP " " OBJECT_TAP ".Bridge"), "br-fc");
    ck_assert_str_eq(lookup(table, TAP " " OBJECT_TAP ".OwnerUID"), "64001");
    ck_assert_str_eq(lookup(table, TAP " " OBJECT_TAP ".Mtu"), "1400");
    ck_assert_str_eq(lookup(table, TAP " " OBJECT_TAP ".Attached"), "false");
    ck_assert_str_eq(
        lookup(table, BANGER_OBJECT_PATH "/taps/tap_2dfc_2da_2eb_5fc " OBJECT_TAP ".Name"),
        "tap-fc-a.b_c");
    ck_assert_str_eq(lookup(table, BRIDGE " " OBJECT_BRIDGE ".Addresses"), "172.16.0.1/24");
    ck_assert_str_eq(lookup(table, BRIDGE " " OBJECT_BRIDGE ".Ports"), "2");
    ck_assert_str_eq(lookup(table, BRIDGE " " OBJECT_BRIDGE ".Resolver"), "");
    g_hash_table_unref(table);

    objects_assert(stranger, TAP, OBJECT_TAP, "Mtu", "1400");
    objects_assert(stranger, BRIDGE, OBJECT_BRIDGE, "Ports", "2");
    network_do("ip address add fd00::1/64 dev br-fc nodad");
    objects_assert(stranger, BRIDGE, OBJECT_BRIDGE, "Addresses", "172.16.0.1/24 fd00::1/64");
    network_do("ip link set tap-fc-1 nomaster");
    objects_assert(stranger, TAP, OBJECT_TAP, "Bridge", "");
    objects_assert(stranger, TAP, OBJECT_TAP, "GuestIps", "");
    objects_assert(stranger, TAP, OBJECT_TAP, "Nat", "false");
    objects_assert(stranger, TAP, OBJECT_TAP, "Machine", "");
    network_do("ip link set tap-fc-1 alias 'org.banger.Helper1 vm=a-1 172.16.0.2! fd00::2'");
    objects_assert(stranger, TAP, OBJECT_TAP, "GuestIps", "172.16.0.2 fd00::2");
    objects_assert(stranger, TAP, OBJECT_TAP, "Nat", "true");
    objects_assert(stranger, TAP, OBJECT_TAP, "Machine", "a-1");
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    objects_assert(stranger, TAP, OBJECT_TAP, "Name", NULL);
}
END_TEST

/* Links of others are no objects, whatever their names. */
START_TEST(other_links_are_none)
{
    GHashTable *table;

    network_do("ip link add br-fc type bridge");
    network_do("ip tuntap add tap-fc-1 mode tap user 64001");
    network_do("ip link add tap-fc-2 type veth peer name veth-peer");
    network_do("ip link set tap-fc-2 alias org.banger.Helper1");
    table = objects_managed(stranger);
    ck_assert_uint_eq(g_hash_table_size(table), 0);
    g_hash_table_unref(table);
    objects_assert(stranger, TAP, OBJECT_TAP, "Name", NULL);
    objects_assert(stranger, BRIDGE, OBJECT_BRIDGE, "Name", NULL);
}
END_TEST

START_TEST(attached_while_a_program_has_it)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    network_bridge_and_tap(bus, "tap-fc-1");
    g_strlcpy(request.ifr_name, "tap-fc-1", sizeof request.ifr_name);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ioctl(fd, TUNSETIFF, &request), 0);
    objects_assert(stranger, TAP, OBJECT_TAP, "Attached", "true");
    ck_assert_int_eq(close(fd), 0);
    objects_assert(stranger, TAP, OBJECT_TAP, "Attached", "false");
}
END_TEST

/* What the helper says of itself at each level is the contract. */
START_TEST(introspection)
{
    static const char *const folders[] = {"machines", "snapshots", "taps", "bridges"};
    g_autofree char *root = objects_introspect(stranger, BANGER_OBJECT_PATH);
    g_autofree char *taps = NULL, *tap = NULL, *bridge = NULL, *expected = NULL, *actual = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *node = g_strdup_printf("<node name=\"%s\"/>", folders[i]);

        network_assert_contains(root, node);
    }
    network_assert_contains(root, "org.freedesktop.DBus.ObjectManager");
    network_bridge_and_tap(bus, "tap-fc-1");
    taps = objects_introspect(stranger, BANGER_OBJECT_PATH "/taps");
    network_assert_contains(taps, "<node name=\"tap_2dfc_2d1\"/>");
    tap = objects_introspect(stranger, TAP);
    expected = interface_contract(OBJECT_TAP);
    actual = interface_of_xml(tap, OBJECT_TAP);
    ck_assert_str_eq(actual, expected);
    g_free(expected);
    g_free(actual);
    bridge = objects_introspect(stranger, BRIDGE);
    expected = interface_contract(OBJECT_BRIDGE);
    actual = interface_of_xml(bridge, OBJECT_BRIDGE);
    ck_assert_str_eq(actual, expected);
}
END_TEST

START_TEST(refusals)
{
    static const struct {
        const char *path, *interface, *property, *error;
    } gets[] = {
        {BANGER_OBJECT_PATH "/taps/tap_2dfc_2d2", OBJECT_TAP, "Name", "UnknownObject"},
        {BANGER_OBJECT_PATH "/taps/_2a", OBJECT_TAP, "Name", "UnknownObject"},
        {BANGER_OBJECT_PATH "/machines/_2a", OBJECT_MACHINE, "Id", "UnknownObject"},
        {BANGER_OBJECT_PATH "/machines/a/b", OBJECT_MACHINE, "Id", "UnknownObject"},
        {BANGER_OBJECT_PATH "/snapshots/x", OBJECT_SNAPSHOT, "Name", "UnknownObject"},
        {BANGER_OBJECT_PATH "/networks/x", OBJECT_TAP, "Name", "UnknownObject"},
        {BANGER_OBJECT_PATH "X/taps/tap_2dfc_2d1", OBJECT_TAP, "Name", "UnknownObject"},
        {TAP, OBJECT_TAP, "Ports", "UnknownProperty"},
        {TAP, OBJECT_BRIDGE, "Name", "UnknownProperty"},
    };

    network_bridge_and_tap(bus, "tap-fc-1");
    for (size_t i = 0; i < G_N_ELEMENTS(gets); i++) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        g_autofree char *name = g_strconcat("org.freedesktop.DBus.Error.", gets[i].error, NULL);

        ck_assert_int_lt(sd_bus_call_method(stranger, BANGER_BUS_NAME, gets[i].path,
                                            "org.freedesktop.DBus.Properties", "Get", &error, NULL,
                                            "ss", gets[i].interface, gets[i].property),
                         0);
        ck_assert_msg(g_strcmp0(error.name, name) == 0, "%s %s.%s: %s", gets[i].path,
                      gets[i].interface, gets[i].property, error.name);
        sd_bus_error_free(&error);
    }
    ck_assert_int_lt(
        sd_bus_set_property(bus, BANGER_BUS_NAME, TAP, OBJECT_TAP, "Mtu", NULL, "u", 9000), 0);
    objects_assert(stranger, TAP, OBJECT_TAP, "Mtu", "1500");
}
END_TEST

typedef struct {
    unsigned int answered, refused;
} Burst;

static int
on_answer(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    Burst *burst = user_data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    (void)ret_error;
    burst->answered++;
    if (error != NULL) {
        ck_assert_str_eq(error->name, "org.freedesktop.DBus.Error.LimitsExceeded");
        burst->refused++;
    }
    return 0;
}

static bool
is_answered(void *data)
{
    const Burst *burst = data;

    rig_bus_handle(stranger);
    return burst->answered == 40;
}

/*
 * A name server that never answers delays the answers by half a second. Meanwhile one connection
 * has so many messages waiting and no more, and no other connection waits for them.
 */
START_TEST(messages_that_wait_are_bounded)
{
    sd_bus *resolved = rig_bus_open(0);
    Burst burst = {0};

    network_bridge_and_tap(bus, "tap-fc-1");
    ck_assert_int_ge(sd_bus_request_name(resolved, "org.freedesktop.resolve1", 0), 0);
    for (int i = 0; i < 40; i++)
        ck_assert_int_ge(sd_bus_call_method_async(stranger, NULL, BANGER_BUS_NAME,
                                                  BANGER_OBJECT_PATH,
                                                  "org.freedesktop.DBus.ObjectManager",
                                                  "GetManagedObjects", on_answer, &burst, ""),
                         0);
    ck_assert_int_ge(sd_bus_flush(stranger), 0);
    objects_assert(bus, TAP, OBJECT_TAP, "Name", "tap-fc-1");
    rig_wait_for(is_answered, &burst, "answers to all messages");
    ck_assert_uint_gt(burst.refused, 0);
    ck_assert_uint_le(burst.refused, 8);
    sd_bus_flush_close_unref(resolved);
}
END_TEST

/* DNSEx of the link 1000 has two servers, of each bridge one. */
static int
get_dns(sd_bus *its_bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    int link = (int)if_nametoindex("br-fc");

    (void)its_bus, (void)path, (void)interface, (void)property, (void)user_data, (void)ret_error;
    return sd_bus_message_append(reply, "a(iiayqs)", 3, 1000, 2, 4, 9, 9, 9, 9, 0, "", link, 2, 4,
                                 172, 16, 0, 53, 5353, "", link, 2, 4, 172, 16, 0, 54, 0, "");
}

typedef struct {
    sd_bus *bus;
    int stop;
} Server;

static void *
serve(void *data)
{
    Server *server = data;

    while (!g_atomic_int_get(&server->stop))
        if (sd_bus_process(server->bus, NULL) == 0)
            (void)sd_bus_wait(server->bus, 20000);
    return NULL;
}

START_TEST(resolver_of_a_bridge)
{
    static const sd_bus_vtable table[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("DNSEx", "a(iiayqs)", get_dns, 0, 0),
        SD_BUS_VTABLE_END,
    };
    Server server = {.bus = rig_bus_open(0)};
    GThread *thread;

    network_bridge_and_tap(bus, "tap-fc-1");
    ck_assert_int_ge(sd_bus_add_object_vtable(server.bus, NULL, "/org/freedesktop/resolve1",
                                              "org.freedesktop.resolve1.Manager", table, NULL),
                     0);
    ck_assert_int_ge(sd_bus_request_name(server.bus, "org.freedesktop.resolve1", 0), 0);
    thread = g_thread_new("resolved", serve, &server);
    objects_assert(stranger, BRIDGE, OBJECT_BRIDGE, "Resolver", "172.16.0.53:5353");
    g_atomic_int_set(&server.stop, 1);
    g_thread_join(thread);
    sd_bus_flush_close_unref(server.bus);
}
END_TEST

/* What the host can do and what is in the way is looked at when asked. */
START_TEST(host)
{
    g_autofree char *features = NULL;
    g_autofree char *warnings = NULL;
    g_autofree char *later = NULL;
    sd_bus_message *reply = NULL;

    features = objects_get(stranger, BANGER_OBJECT_PATH, BANGER_INTERFACE, "Features");
    network_assert_contains(features, "nat-ipv4 nat-ipv6");
    ck_assert(g_file_test("/dev/kvm", G_FILE_TEST_EXISTS) == (strstr(features, "kvm") != NULL));
    network_assert_lacks(features, "resolved");
    network_assert_lacks(features, "jail"); /* there is no systemd */
    warnings = objects_get(stranger, BANGER_OBJECT_PATH, BANGER_INTERFACE, "Warnings");
    network_assert_lacks(warnings, "chain");
    network_do("nft 'table inet other { chain f { type filter hook forward priority 0; "
               "policy drop; }; }'");
    later = objects_get(stranger, BANGER_OBJECT_PATH, BANGER_INTERFACE, "Warnings");
    network_assert_contains(later, "inet other f drops by policy");
    objects_assert(stranger, BANGER_OBJECT_PATH, BANGER_INTERFACE, "OperationsInFlight", "0");
    ck_assert_int_ge(sd_bus_call_method(stranger, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                        "org.freedesktop.DBus.Properties", "GetAll", NULL, &reply,
                                        "s", BANGER_INTERFACE),
                     0);
    sd_bus_message_unref(reply);
    network_do("nft delete table inet other");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/objects", argv, NULL);
    suite = suite_create("objects");
    tcase = tcase_create("objects");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, links_are_objects);
    tcase_add_test(tcase, other_links_are_none);
    tcase_add_test(tcase, attached_while_a_program_has_it);
    tcase_add_test(tcase, introspection);
    tcase_add_test(tcase, refusals);
    tcase_add_test(tcase, messages_that_wait_are_bounded);
    tcase_add_test(tcase, resolver_of_a_bridge);
    tcase_add_test(tcase, host);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/objects", suite);
}
