/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, servers and prefixes: what is parsed, what is refused, and the ends of networks. */
#include <glib.h>
#include <sys/socket.h>

#include "lib/harness.h"
#include "model/address.h"
#include "util/error.h"

static const struct {
    const char *text;
    const char *address; /* canonical; NULL: refused */
} addresses[] = {
    {"172.16.0.1", "172.16.0.1"},
    {"fd00:0:0::1", "fd00::1"},
    {"FE80::1", "fe80::1"},
    {"127.0.0.1", "127.0.0.1"},
    {"", NULL},
    {"172.16.0", NULL},
    {"172.16.0.256", NULL},
    {"172.16.0.01", NULL},
    {"172.16.0.1/24", NULL},
    {"172.16.0.1:53", NULL},
    {"fe80::1%eth0", NULL},
    {"[::1]", NULL},
    {"0.0.0.0", NULL},
    {"::", NULL},
    {"224.0.0.1", NULL},
    {"239.255.255.255", NULL},
    {"255.255.255.255", NULL},
    {"ff02::1", NULL},
    {"host", NULL},
    /* IPv4 addresses in other clothes; ::1:0:0 and ::ffff:0:a00:1 are none. */
    {"::ffff:10.0.0.1", NULL},
    {"::FFFF:a00:1", NULL},
    {"::10.0.0.1", NULL},
    {"::2", NULL},
    {"::1", "::1"},
    {"::1:0:0", "::1:0:0"},
    {"::ffff:0:a00:1", "::ffff:0:a00:1"},
};

START_TEST(parse_addresses)
{
    g_autoptr(GError) error = NULL;
    BangerAddress address;
    bool parsed = banger_address_parse(addresses[_i].text, &address, &error);

    ck_assert_msg(parsed == (addresses[_i].address != NULL), "%s", addresses[_i].text);
    if (parsed) {
        g_autofree char *text = banger_address_format(&address);

        ck_assert_str_eq(text, addresses[_i].address);
    } else {
        ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_BAD_PARAMS));
    }
}
END_TEST

static const struct {
    const char *text;
    const char *address; /* NULL: refused */
    unsigned int port;
} servers[] = {
    {"172.16.0.1", "172.16.0.1", 0},
    {"127.0.0.1:42069", "127.0.0.1", 42069},
    {"fd00::1", "fd00::1", 0},
    {"[::ffff:6.6.6.6]:53", NULL, 0},
    {"::ffff:606:606", NULL, 0},
    {"[fd00::1]:53", "fd00::1", 53},
    {"172.16.0.1:65535", "172.16.0.1", 65535},
    {"", NULL, 0},
    {"[", NULL, 0},
    {"]", NULL, 0},
    {":", NULL, 0},
    {":53", NULL, 0},
    {"[:53", NULL, 0},
    {"]:53", NULL, 0},
    {"[]:53", NULL, 0},
    {"[a:53", NULL, 0},
    {"[fd00::1]", NULL, 0},
    {"[fd00::1]:", NULL, 0},
    {"fd00::1]:53", NULL, 0},
    {"[172.16.0.1:53", NULL, 0},
    {"172.16.0.1]:53", NULL, 0},
    {"172.16.0.1:", NULL, 0},
    {"172.16.0.1:0", NULL, 0},
    {"172.16.0.1:053", NULL, 0},
    {"172.16.0.1:65536", NULL, 0},
    {"172.16.0.1:-1", NULL, 0},
    {"172.16.0.1:53:53", NULL, 0},
};

START_TEST(parse_servers)
{
    g_autoptr(GError) error = NULL;
    BangerServer server;
    bool parsed = banger_server_parse(servers[_i].text, &server, &error);

    ck_assert_msg(parsed == (servers[_i].address != NULL), "\"%s\"", servers[_i].text);
    if (parsed) {
        g_autofree char *text = banger_address_format(&server.address);

        ck_assert_str_eq(text, servers[_i].address);
        ck_assert_uint_eq(server.port, servers[_i].port);
        g_free(text);
        text = banger_server_format(&server);
        ck_assert(banger_server_parse(text, &server, NULL));
        ck_assert_uint_eq(server.port, servers[_i].port != 0 ? servers[_i].port : 53);
    } else {
        ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_BAD_PARAMS));
    }
}
END_TEST

static const struct {
    const char *cidr;
    const char *address;
    unsigned int prefix; /* 0: refused */
} prefixes[] = {
    {"24", "172.16.0.1", 24},
    {"1", "172.16.0.1", 1},
    {"32", "172.16.0.1", 32},
    {"172.16.0.0/24", "172.16.0.1", 24},
    {"172.16.0.0/30", "172.16.0.1", 30},
    {"64", "fd00::1", 64},
    {"128", "fd00::1", 128},
    {"fd00::/8", "fd00::1", 8},
    {"0", "172.16.0.1", 0},
    {"33", "172.16.0.1", 0},
    {"129", "fd00::1", 0},
    {"", "172.16.0.1", 0},
    {"/24", "172.16.0.1", 0},
    {"024", "172.16.0.1", 0},
    {"+24", "172.16.0.1", 0},
    {"24 ", "172.16.0.1", 0},
    {"255.255.255.0", "172.16.0.1", 0},
    {"172.16.0.0/", "172.16.0.1", 0},
    {"172.16.0.0/24/24", "172.16.0.1", 0},
    {"172.16.0.0/33", "172.16.0.1", 0},
    {"172.16.1.0/24", "172.16.0.1", 0},
    {"172.16.0.4/30", "172.16.0.1", 0},
    {"fd00::/8", "172.16.0.1", 0},
    {"172.16.0.0/24", "fd00::1", 0},
};

START_TEST(parse_prefixes)
{
    g_autoptr(GError) error = NULL;
    BangerAddress address;
    BangerPrefix prefix = {0};
    bool goes;

    ck_assert(banger_address_parse(prefixes[_i].address, &address, NULL));
    goes = banger_prefix_parse(prefixes[_i].cidr, &prefix, &error) &&
           banger_prefix_check(&prefix, &address, &error);
    ck_assert_msg(goes == (prefixes[_i].prefix != 0), "\"%s\"", prefixes[_i].cidr);
    if (goes)
        ck_assert_uint_eq(prefix.length, prefixes[_i].prefix);
    else
        ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_BAD_PARAMS));
}
END_TEST

static const struct {
    const char *address;
    unsigned int prefix;
    bool is;
} ends[] = {
    {"172.16.0.0", 24, true},    {"172.16.0.255", 24, true}, {"172.16.0.1", 24, false},
    {"172.16.0.255", 16, false}, {"172.16.0.3", 30, true},   {"172.16.0.2", 30, false},
    {"172.16.0.0", 31, false},   {"172.16.0.1", 31, false},  {"172.16.0.0", 32, false},
    {"128.0.0.0", 1, true},      {"fd00::", 64, false},
};

START_TEST(ends_of_networks)
{
    BangerAddress address;

    ck_assert(banger_address_parse(ends[_i].address, &address, NULL));
    ck_assert(banger_address_is_network_or_broadcast(&address, ends[_i].prefix) == ends[_i].is);
}
END_TEST

static const struct {
    const char *address;
    bool is;
} link_locals[] = {
    {"fe80::1", true},  {"febf::1", true},  {"fec0::1", false},
    {"fd00::1", false}, {"fe7f::1", false}, {"169.254.0.1", false},
};

START_TEST(link_local)
{
    BangerAddress address;

    ck_assert(banger_address_parse(link_locals[_i].address, &address, NULL));
    ck_assert(banger_address_is_link_local(&address) == link_locals[_i].is);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("address");
    TCase *tcase = tcase_create("address");

    tcase_add_loop_test(tcase, parse_addresses, 0, G_N_ELEMENTS(addresses));
    tcase_add_loop_test(tcase, parse_servers, 0, G_N_ELEMENTS(servers));
    tcase_add_loop_test(tcase, parse_prefixes, 0, G_N_ELEMENTS(prefixes));
    tcase_add_loop_test(tcase, ends_of_networks, 0, G_N_ELEMENTS(ends));
    tcase_add_loop_test(tcase, link_local, 0, G_N_ELEMENTS(link_locals));
    suite_add_tcase(suite, tcase);
    return harness_run("unit/address", suite);
}
