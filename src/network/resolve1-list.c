/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/resolve1-list.h"

#include <string.h>
#include <sys/socket.h>

#include "model/address.h"
#include "util/sd-auto.h"

#define NAME "org.freedesktop.resolve1"
#define ANSWER_TIMEOUT_USEC (G_USEC_PER_SEC / 2)

/* One (iiayqs) of DNSEx: link, family, address, port (0: the default one), name. */
static int
read_server(sd_bus_message *reply, GHashTable *servers)
{
    BangerServer server = {0};
    const void *bytes = NULL;
    size_t length = 0;
    int link = 0;
    int r = sd_bus_message_enter_container(reply, 'r', "iiayqs");

    if (r <= 0)
        return r;
    r = sd_bus_message_read(reply, "ii", &link, &server.address.family);
    if (r >= 0)
        r = sd_bus_message_read_array(reply, 'y', &bytes, &length);
    if (r >= 0)
        r = sd_bus_message_read(reply, "qs", &server.port, NULL);
    if (r >= 0)
        r = sd_bus_message_exit_container(reply);
    if (r < 0)
        return r;
    if (server.address.family != AF_INET && server.address.family != AF_INET6)
        return 1;
    if (link > 0 && length == banger_address_length(&server.address) &&
        !g_hash_table_contains(servers, GINT_TO_POINTER(link))) {
        memcpy(server.address.bytes, bytes, length);
        g_hash_table_insert(servers, GINT_TO_POINTER(link), banger_server_format(&server));
    }
    return 1;
}

static int
ask_resolved(sd_bus *bus, GHashTable *servers)
{
    g_autoptr(sd_bus_message) message = NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    int r = sd_bus_message_new_method_call(bus, &message, NAME, "/org/freedesktop/resolve1",
                                           "org.freedesktop.DBus.Properties", "Get");

    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "ss", NAME ".Manager", "DNSEx");
    if (r < 0)
        return r;
    r = sd_bus_message_set_auto_start(message, false);
    if (r < 0)
        return r;
    r = sd_bus_call(bus, message, ANSWER_TIMEOUT_USEC, NULL, &reply);
    if (r < 0)
        return r;
    r = sd_bus_message_enter_container(reply, 'v', "a(iiayqs)");
    if (r < 0)
        return r;
    r = sd_bus_message_enter_container(reply, 'a', "(iiayqs)");
    while (r > 0)
        r = read_server(reply, servers);
    return r;
}

GHashTable *
banger_resolve1_list(void)
{
    GHashTable *servers = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    sd_bus *bus = NULL;

    if (sd_bus_open_system_with_description(&bus, "banger-resolve1") < 0)
        return servers;
    (void)ask_resolved(bus, servers);
    sd_bus_flush_close_unref(bus);
    return servers;
}

/* Whether resolved is among the names that the bus lists by @member. */
static bool
is_listed(sd_bus *bus, const char *member)
{
    g_autoptr(sd_bus_message) reply = NULL;
    const char *name;
    bool found = false;

    if (sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", member, NULL, &reply, NULL) < 0 ||
        sd_bus_message_enter_container(reply, 'a', "s") < 0)
        return false;
    while (!found && sd_bus_message_read_basic(reply, 's', &name) > 0)
        found = g_str_equal(name, NAME);
    return found;
}

bool
banger_resolve1_is_there(void)
{
    sd_bus *bus = NULL;
    bool found;

    if (sd_bus_open_system_with_description(&bus, "banger-resolve1") < 0)
        return false;
    (void)sd_bus_set_method_call_timeout(bus, ANSWER_TIMEOUT_USEC);
    found = is_listed(bus, "ListNames") || is_listed(bus, "ListActivatableNames");
    sd_bus_flush_close_unref(bus);
    return found;
}
