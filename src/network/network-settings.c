/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/network-settings.h"

#include <string.h>

#include "model/names.h"
#include "util/error.h"
#include "util/number.h"

#define MAX_OF_A_KIND 65536 /* bridges, TAPs, guests */

static const char default_subnets[] =
    "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7";
static const char default_bridges[] = "br-fc* br-vm* br-banger* banger*";
static const char default_deny[] =
    "169.254.0.0/16 100.100.100.200 168.63.129.16 fd00:ec2::254 fd20:ce::254";

const char *const banger_network_keys[] = {
    "Subnets",          "MinimumPrefix", "Bridges",      "AdoptBridges", "GuestsReachHost",
    "DenyDestinations", "AllowFrom",     "RoutedGuests", "ForwardPorts", "MaxBridges",
    "MaxTaps",          "MaxGuests",     NULL,
};

bool
banger_subnet_in_list(const BangerSubnet *subnet, const GArray *list)
{
    for (unsigned int i = 0; i < list->len; i++)
        if (banger_subnet_contains(&g_array_index(list, BangerSubnet, i), subnet))
            return true;
    return false;
}

bool
banger_name_matches(const char *name, GStrv patterns)
{
    for (char **pattern = patterns; *pattern != NULL; pattern++)
        if (g_pattern_match_simple(*pattern, name))
            return true;
    return false;
}

bool
banger_port_in_ranges(uint16_t port, const GArray *ranges)
{
    for (unsigned int i = 0; i < ranges->len; i++) {
        const BangerPortRange *range = &g_array_index(ranges, BangerPortRange, i);

        if (port >= range->first && port <= range->last)
            return true;
    }
    return false;
}

/* The items of @value. */
static GStrv
split_list(const char *value)
{
    g_auto(GStrv) parts = g_strsplit_set(value, " \t", -1);
    GPtrArray *words = g_ptr_array_new();

    for (char **part = parts; *part != NULL; part++)
        if (**part != '\0')
            g_ptr_array_add(words, g_strdup(*part));
    g_ptr_array_add(words, NULL);
    return (GStrv)g_ptr_array_free(words, FALSE);
}

static bool
set_subnets(GArray **list, const char *value, GError **error)
{
    g_auto(GStrv) words = split_list(value);
    g_autoptr(GArray) subnets = g_array_new(FALSE, FALSE, sizeof(BangerSubnet));

    for (char **word = words; *word != NULL; word++) {
        BangerSubnet subnet;

        if (!banger_subnet_parse(*word, &subnet, error))
            return false;
        g_array_append_val(subnets, subnet);
    }
    g_clear_pointer(list, g_array_unref);
    *list = g_steal_pointer(&subnets);
    return true;
}

static bool
set_patterns(GStrv *patterns, const char *value, GError **error)
{
    g_auto(GStrv) words = split_list(value);

    for (char **word = words; *word != NULL; word++) {
        g_autofree char *name = g_strdelimit(g_strdup(*word), "*?", 'x');

        if (!banger_name_check_link(name, NULL))
            return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                    "\"%s\" is not a pattern of link names", *word);
    }
    g_strfreev(*patterns);
    *patterns = g_steal_pointer(&words);
    return true;
}

static bool
set_minimum_prefix(BangerNetworkSettings *settings, const char *value, GError **error)
{
    g_auto(GStrv) words = split_list(value);
    unsigned int prefix4, prefix6;

    if (g_strv_length(words) != 2 || !banger_number_parse(words[0], 1, 32, &prefix4) ||
        !banger_number_parse(words[1], 1, 128, &prefix6))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "\"%s\" is not two prefix lengths, of IPv4 and of IPv6", value);
    settings->minimum_prefix4 = (uint8_t)prefix4;
    settings->minimum_prefix6 = (uint8_t)prefix6;
    return true;
}

static bool
set_reach(BangerReach *reach, const char *value, GError **error)
{
    if (g_str_equal(value, "bridge"))
        *reach = BANGER_REACH_BRIDGE;
    else if (g_str_equal(value, "yes"))
        *reach = BANGER_REACH_ALL;
    else if (g_str_equal(value, "no"))
        *reach = BANGER_REACH_NOTHING;
    else
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "\"%s\" is none of \"bridge\", \"yes\" and \"no\"", value);
    return true;
}

/* Interfaces or networks: what has a colon, or begins with a number and a dot, is no name. */
static bool
set_allow_from(BangerNetworkSettings *settings, const char *value, GError **error)
{
    g_auto(GStrv) words = split_list(value);
    g_autoptr(GArray) subnets = g_array_new(FALSE, FALSE, sizeof(BangerSubnet));
    GPtrArray *links = g_ptr_array_new_with_free_func(g_free);

    for (char **word = words; *word != NULL; word++) {
        BangerSubnet subnet;

        if (banger_subnet_parse(*word, &subnet, NULL))
            g_array_append_val(subnets, subnet);
        else if (banger_name_check_link(*word, NULL))
            g_ptr_array_add(links, g_strdup(*word));
        else {
            g_ptr_array_unref(links);
            return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                    "\"%s\" is neither a network nor the name of a link", *word);
        }
    }
    g_clear_pointer(&settings->allow_from, g_array_unref);
    settings->allow_from = g_steal_pointer(&subnets);
    g_ptr_array_add(links, NULL);
    g_strfreev(settings->allow_from_links);
    settings->allow_from_links = (GStrv)g_ptr_array_free(links, FALSE);
    return true;
}

static bool
set_ports(GArray **list, const char *value, GError **error)
{
    g_auto(GStrv) words = split_list(value);
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(BangerPortRange));

    for (char **word = words; *word != NULL; word++) {
        g_auto(GStrv) ends = g_strsplit(*word, "-", 2);
        unsigned int first, last;

        if (!banger_number_parse(ends[0], 1, UINT16_MAX, &first) ||
            !banger_number_parse(ends[1] != NULL ? ends[1] : ends[0], first, UINT16_MAX, &last))
            return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                    "\"%s\" is neither a port nor a range of ports", *word);
        g_array_append_val(ranges, ((BangerPortRange){(uint16_t)first, (uint16_t)last}));
    }
    g_clear_pointer(list, g_array_unref);
    *list = g_steal_pointer(&ranges);
    return true;
}

static bool
set_maximum(unsigned int *maximum, const char *value, GError **error)
{
    if (!banger_number_parse(value, 1, MAX_OF_A_KIND, maximum))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "\"%s\" is not a number from 1 to %d", value, MAX_OF_A_KIND);
    return true;
}

static bool
set_value(BangerNetworkSettings *settings, const char *key, const char *value, GError **error)
{
    if (g_str_equal(key, "Subnets")) {
        settings->subnets_are_configured = true;
        return set_subnets(&settings->subnets, value, error);
    }
    if (g_str_equal(key, "MinimumPrefix"))
        return set_minimum_prefix(settings, value, error);
    if (g_str_equal(key, "Bridges"))
        return set_patterns(&settings->bridges, value, error);
    if (g_str_equal(key, "AdoptBridges"))
        return set_patterns(&settings->adopt_bridges, value, error);
    if (g_str_equal(key, "GuestsReachHost"))
        return set_reach(&settings->guests_reach_host, value, error);
    if (g_str_equal(key, "DenyDestinations"))
        return set_subnets(&settings->deny_destinations, value, error);
    if (g_str_equal(key, "AllowFrom"))
        return set_allow_from(settings, value, error);
    if (g_str_equal(key, "RoutedGuests"))
        return set_subnets(&settings->routed_guests, value, error);
    if (g_str_equal(key, "ForwardPorts"))
        return set_ports(&settings->forward_ports, value, error);
    if (g_str_equal(key, "MaxBridges"))
        return set_maximum(&settings->max_bridges, value, error);
    if (g_str_equal(key, "MaxTaps"))
        return set_maximum(&settings->max_taps, value, error);
    g_assert(g_str_equal(key, "MaxGuests"));
    return set_maximum(&settings->max_guests, value, error);
}

bool
banger_network_settings_set(BangerNetworkSettings *settings, const char *key, const char *value,
                            GError **error)
{
    g_autoptr(GError) reason = NULL;

    if (set_value(settings, key, value, &reason))
        return true;
    /* Whatever a parser calls it: a configuration is no caller's parameter. */
    return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "%s", reason->message);
}

BangerNetworkSettings *
banger_network_settings_new(void)
{
    BangerNetworkSettings *settings = g_new0(BangerNetworkSettings, 1);

    settings->minimum_prefix4 = 16;
    settings->minimum_prefix6 = 48;
    settings->guests_reach_host = BANGER_REACH_BRIDGE;
    settings->max_bridges = 256;
    settings->max_taps = 16384;
    settings->max_guests = 16384;
    if (!set_subnets(&settings->subnets, default_subnets, NULL) ||
        !set_patterns(&settings->bridges, default_bridges, NULL) ||
        !set_patterns(&settings->adopt_bridges, "", NULL) ||
        !set_subnets(&settings->deny_destinations, default_deny, NULL) ||
        !set_allow_from(settings, "", NULL) || !set_subnets(&settings->routed_guests, "", NULL) ||
        !set_ports(&settings->forward_ports, "", NULL))
        g_assert_not_reached();
    return settings;
}

void
banger_network_settings_free(BangerNetworkSettings *settings)
{
    if (settings == NULL)
        return;
    g_array_unref(settings->subnets);
    g_strfreev(settings->bridges);
    g_strfreev(settings->adopt_bridges);
    g_array_unref(settings->deny_destinations);
    g_array_unref(settings->allow_from);
    g_strfreev(settings->allow_from_links);
    g_array_unref(settings->routed_guests);
    g_array_unref(settings->forward_ports);
    g_free(settings);
}
