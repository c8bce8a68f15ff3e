/* SPDX-License-Identifier: GPL-2.0-or-later */
/* helper.conf and its drop-ins: defaults, values, and what is refused. */
#include <glib.h>
#include <glib/gstdio.h>

#include "helperd/config.h"
#include "lib/harness.h"
#include "network/network-settings.h"
#include "util/error.h"

/* Every Debian and every container has these two. */
#define SOME_USER "daemon"

static BangerSettings *
load(const char *contents, GError **error)
{
    g_autofree char *directory = g_dir_make_tmp("banger-config-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "helper.conf", NULL);
    BangerSettings *settings;

    ck_assert_ptr_nonnull(directory);
    ck_assert(g_file_set_contents(path, contents, -1, NULL));
    settings = banger_config_load(path, error);
    (void)g_unlink(path);
    (void)g_rmdir(directory);
    return settings;
}

START_TEST(defaults_and_values)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BangerSettings) settings = load("[Owner]\nUser=" SOME_USER "\n", &error);

    ck_assert_msg(settings != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_str_eq(settings->owner_user, SOME_USER);
    ck_assert_uint_ne(settings->owner_uid, 0);
    ck_assert(settings->jail);
    ck_assert(settings->console_to_journal);
    ck_assert_str_eq(settings->state_directory, BANGER_STATE_DIRECTORY);
    ck_assert_str_eq(settings->runtime_directory, BANGER_RUNTIME_DIRECTORY);
    ck_assert_uint_eq(settings->idle_timeout_sec, 60);
}
END_TEST

START_TEST(every_value)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BangerSettings) settings =
        load("# a comment\n[Owner]\nUser= " SOME_USER " \n[Paths]\nStateDirectory=/srv/vm/\n"
             "RuntimeDirectory=/run/"
             "vm\n[VMM]\nJail=no\nConsoleToJournal=no\n[Service]\nIdleTimeoutSec=0\n",
             &error);

    ck_assert_msg(settings != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_str_eq(settings->state_directory, "/srv/vm");
    ck_assert_str_eq(settings->runtime_directory, "/run/vm");
    ck_assert(!settings->jail);
    ck_assert(!settings->console_to_journal);
    ck_assert_uint_eq(settings->idle_timeout_sec, 0);
}
END_TEST

/* What stands in the files of version 1.0: its default becomes no jail, unless there is a Jail=. */
START_TEST(former_vmm_user)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BangerSettings) owner =
        load("[Owner]\nUser=" SOME_USER "\n[Firecracker]\nUser=owner\n", &error);
    g_autoptr(BangerSettings) both =
        load("[Owner]\nUser=" SOME_USER "\n[Firecracker]\nUser=owner\n[VMM]\nJail=yes\n", &error);

    ck_assert_ptr_nonnull(owner);
    ck_assert(!owner->jail);
    ck_assert_ptr_nonnull(both);
    ck_assert(both->jail);
}
END_TEST

/* What is wrong must stop the service, with the culprit in the message. */
static const struct {
    const char *contents;
    const char *named;
} wrong[] = {
    {"no key file", "helper.conf"},
    {"[Owner]\nUser=nobody-has-this-name\n", "nobody-has-this-name"},
    {"[Owner]\nUser=\n", "[Owner] User"},
    {"[Owner]\nUser=" SOME_USER "\nGroup=x\n", "[Owner] has no key Group"},
    {"[owner]\nUser=" SOME_USER "\n", "no group [owner]"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nA=b\n", "[Network] has no key A"},
    {"[Owner]\nUser=" SOME_USER "\n[Networks]\nA=b\n", "no group [Networks]"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nSubnets=10.0.0.0/8 10.1.2.3/8\n",
     "[Network] Subnets: \"10.1.2.3/8\" has bits set"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nSubnets=10.0.0.0/33\n", "[Network] Subnets"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nMinimumPrefix=16\n", "[Network] MinimumPrefix"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nMinimumPrefix=0 48\n", "[Network] MinimumPrefix"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nBridges=br/*\n", "[Network] Bridges: \"br/*\""},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nAdoptBridges=a-name-that-is-too-long\n",
     "[Network] AdoptBridges"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nGuestsReachHost=maybe\n",
     "[Network] GuestsReachHost: \"maybe\""},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nDenyDestinations=metadata\n",
     "[Network] DenyDestinations"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nAllowFrom=wg0 10.0.0.0/99\n",
     "[Network] AllowFrom: \"10.0.0.0/99\""},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nRoutedGuests=x\n", "[Network] RoutedGuests"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nForwardPorts=80 90-80\n",
     "[Network] ForwardPorts: \"90-80\""},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nForwardPorts=0\n", "[Network] ForwardPorts"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nMaxBridges=0\n", "[Network] MaxBridges"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nMaxTaps=70000\n", "[Network] MaxTaps"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nMaxGuests=many\n", "[Network] MaxGuests"},
    {"[Owner]\nUser=" SOME_USER "\n[Paths]\nStateDirectory=var/lib\n", "StateDirectory"},
    {"[Owner]\nUser=" SOME_USER "\n[Paths]\nStateDirectory=/\n", "StateDirectory"},
    {"[Owner]\nUser=" SOME_USER "\n[Paths]\nStateDirectory=\n", "StateDirectory"},
    {"[Owner]\nUser=" SOME_USER "\n[Paths]\nRuntimeDirectory=/run/../etc\n", "RuntimeDirectory"},
    {"[Owner]\nUser=" SOME_USER "\n[Paths]\nRuntimeDirectory=/run//x\n", "RuntimeDirectory"},
    {"[Owner]\nUser=" SOME_USER "\n[Firecracker]\nUser=daemon\n", "[Firecracker] User"},
    {"[Owner]\nUser=" SOME_USER "\n[Firecracker]\nUser=root\n", "is no longer possible"},
    {"[Owner]\nUser=" SOME_USER "\n[VMM]\nJail=maybe\n", "[VMM] Jail"},
    {"[Owner]\nUser=" SOME_USER "\n[VMM]\nConsoleToJournal=\n", "[VMM] ConsoleToJournal"},
    {"[Owner]\nUser=" SOME_USER "\n[VMM]\nUser=root\n", "[VMM] has no key User"},
    {"[Owner]\nUser=" SOME_USER "\n[Service]\nIdleTimeoutSec=-1\n", "IdleTimeoutSec"},
    {"[Owner]\nUser=" SOME_USER "\n[Service]\nIdleTimeoutSec=60s\n", "IdleTimeoutSec"},
    {"[Owner]\nUser=" SOME_USER "\n[Service]\nIdleTimeoutSec=\n", "IdleTimeoutSec"},
    {"[Owner]\nUser=" SOME_USER "\n[Service]\nIdleTimeoutSec=999999999\n", "IdleTimeoutSec"},
};

START_TEST(wrong_values)
{
    g_autoptr(GError) error = NULL;
    BangerSettings *settings = load(wrong[_i].contents, &error);

    ck_assert_msg(settings == NULL, "accepted: %s", wrong[_i].contents);
    ck_assert(error->domain == BANGER_ERROR);
    ck_assert_msg(strstr(error->message, wrong[_i].named) != NULL, "\"%s\" lacks \"%s\"",
                  error->message, wrong[_i].named);
    ck_assert_ptr_null(strchr(error->message, '\n'));
}
END_TEST

START_TEST(network_defaults)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BangerSettings) settings = load("[Owner]\nUser=" SOME_USER "\n", &error);
    const BangerNetworkSettings *network;
    BangerSubnet subnet;

    ck_assert_msg(settings != NULL, "%s", error != NULL ? error->message : "");
    network = settings->network;
    ck_assert_uint_eq(network->subnets->len, 5);
    ck_assert(banger_subnet_parse("172.31.0.0/16", &subnet, NULL));
    ck_assert(banger_subnet_in_list(&subnet, network->subnets));
    ck_assert(banger_subnet_parse("172.32.0.0/16", &subnet, NULL));
    ck_assert(!banger_subnet_in_list(&subnet, network->subnets));
    ck_assert(banger_subnet_parse("fd00:ec2::254", &subnet, NULL));
    ck_assert(banger_subnet_in_list(&subnet, network->deny_destinations));
    ck_assert_uint_eq(network->minimum_prefix4, 16);
    ck_assert_uint_eq(network->minimum_prefix6, 48);
    ck_assert(banger_name_matches("br-fc0", network->bridges));
    ck_assert(!banger_name_matches("br0", network->bridges));
    ck_assert(!banger_name_matches("br0", network->adopt_bridges));
    ck_assert_int_eq(network->guests_reach_host, BANGER_REACH_BRIDGE);
    ck_assert_uint_eq(network->allow_from->len, 0);
    ck_assert_uint_eq(network->routed_guests->len, 0);
    ck_assert(!banger_port_in_ranges(80, network->forward_ports));
}
END_TEST

START_TEST(network_values)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BangerSettings) settings =
        load("[Owner]\nUser=" SOME_USER "\n[Network]\nSubnets= 10.1.0.0/16\tfd00::/8 \n"
             "MinimumPrefix=20 64\nBridges=guests?\nAdoptBridges=br0 lan*\nGuestsReachHost=no\n"
             "DenyDestinations=\nAllowFrom=wg0 10.9.0.0/24 fd09::/64 10.9.1.1\n"
             "RoutedGuests=10.1.5.0/24\nForwardPorts=80 8000-8080\nMaxBridges=3\nMaxTaps=20\n"
             "MaxGuests=30\n",
             &error);
    const BangerNetworkSettings *network;

    ck_assert_msg(settings != NULL, "%s", error != NULL ? error->message : "");
    network = settings->network;
    ck_assert_uint_eq(network->subnets->len, 2);
    ck_assert_uint_eq(network->minimum_prefix4, 20);
    ck_assert_uint_eq(network->minimum_prefix6, 64);
    ck_assert(banger_name_matches("guests1", network->bridges));
    ck_assert(!banger_name_matches("br-fc", network->bridges));
    ck_assert(banger_name_matches("lan7", network->adopt_bridges));
    ck_assert_int_eq(network->guests_reach_host, BANGER_REACH_NOTHING);
    ck_assert_uint_eq(network->deny_destinations->len, 0);
    ck_assert_uint_eq(network->allow_from->len, 3);
    ck_assert_uint_eq(g_strv_length(network->allow_from_links), 1);
    ck_assert_str_eq(network->allow_from_links[0], "wg0");
    ck_assert_uint_eq(network->routed_guests->len, 1);
    ck_assert(banger_port_in_ranges(80, network->forward_ports));
    ck_assert(!banger_port_in_ranges(81, network->forward_ports));
    ck_assert(banger_port_in_ranges(8080, network->forward_ports));
    ck_assert_uint_eq(network->max_bridges, 3);
    ck_assert_uint_eq(network->max_taps, 20);
    ck_assert_uint_eq(network->max_guests, 30);
}
END_TEST

/* The files of helper.conf.d, in the order of their names; others are not read. */
START_TEST(drop_ins)
{
    static const struct {
        const char *name;
        const char *contents;
    } files[] = {
        {"helper.conf", "[Owner]\nUser=" SOME_USER "\n[Service]\nIdleTimeoutSec=1\n"},
        {"helper.conf.d/20-b.conf", "[Service]\nIdleTimeoutSec=3\n[Network]\nMaxTaps=4\n"},
        {"helper.conf.d/10-a.conf", "[Service]\nIdleTimeoutSec=2\n[Network]\nMaxGuests=5\n"},
        {"helper.conf.d/30-c.conf.bak", "[Service]\nIdleTimeoutSec=4\n"},
        {"helper.conf.d/99-wrong.conf", "[Network]\nMaxTaps=none\n"},
    };
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = g_dir_make_tmp("banger-config-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "helper.conf", NULL);
    g_autofree char *drop_in_directory = g_build_filename(directory, "helper.conf.d", NULL);
    g_autofree char *wrong_path = g_build_filename(directory, files[4].name, NULL);

    ck_assert_int_eq(g_mkdir(drop_in_directory, 0700), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *file = g_build_filename(directory, files[i].name, NULL);

        ck_assert(g_file_set_contents(file, files[i].contents, -1, NULL));
    }
    /* The one that is wrong is named. */
    ck_assert_ptr_null(banger_config_load(path, &error));
    ck_assert_msg(g_str_has_prefix(error->message, wrong_path), "%s", error->message);
    g_clear_error(&error);
    (void)g_unlink(wrong_path);

    g_autoptr(BangerSettings) settings = banger_config_load(path, &error);

    ck_assert_msg(settings != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_uint_eq(settings->idle_timeout_sec, 3);
    ck_assert_uint_eq(settings->network->max_taps, 4);
    ck_assert_uint_eq(settings->network->max_guests, 5);
    for (size_t i = 0; i + 1 < G_N_ELEMENTS(files); i++) {
        g_autofree char *file = g_build_filename(directory, files[i].name, NULL);

        (void)g_unlink(file);
    }
    (void)g_rmdir(drop_in_directory);
    (void)g_rmdir(directory);
}
END_TEST

/* A directory instead of a file: there, and not readable as one. */
START_TEST(unreadable_file)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(banger_config_load("/", &error));
    ck_assert_ptr_nonnull(error);
}
END_TEST

/* A missing file means the defaults, and so an error only if the default owner is missing here. */
START_TEST(missing_file)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BangerSettings) settings = banger_config_load("/nonexistent/helper.conf", &error);

    if (settings != NULL)
        ck_assert_str_eq(settings->owner_user, BANGER_OWNER);
    else
        ck_assert_msg(strstr(error->message, "[Owner] User: there is no user " BANGER_OWNER) !=
                          NULL,
                      "%s", error->message);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("config");

    tcase_add_test(tcase, defaults_and_values);
    tcase_add_test(tcase, every_value);
    tcase_add_test(tcase, former_vmm_user);
    tcase_add_loop_test(tcase, wrong_values, 0, G_N_ELEMENTS(wrong));
    tcase_add_test(tcase, network_defaults);
    tcase_add_test(tcase, network_values);
    tcase_add_test(tcase, drop_ins);
    tcase_add_test(tcase, unreadable_file);
    tcase_add_test(tcase, missing_file);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/config", suite);
}
