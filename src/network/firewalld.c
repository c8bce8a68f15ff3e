/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/firewalld.h"

#include "util/sd-auto.h"

#define NAME "org.fedoraproject.FirewallD1"
#define PATH "/org/fedoraproject/FirewallD1"
#define INTERFACE NAME ".zone"

#define CALL_TIMEOUT_USEC 3000000L

static sd_bus *
connect_bus(void)
{
    g_autoptr(sd_bus) bus = NULL;

    if (sd_bus_open_system_with_description(&bus, "banger-firewalld") < 0 ||
        sd_bus_set_method_call_timeout(bus, CALL_TIMEOUT_USEC) < 0)
        return NULL;
    return g_steal_pointer(&bus);
}

/* Calls @member with @first and, if it is not NULL, @second. */
static int
call_firewalld(sd_bus *bus, const char *member, const char *first, const char *second,
               sd_bus_error *failure, sd_bus_message **ret_reply)
{
    g_autoptr(sd_bus_message) message = NULL;
    int r = sd_bus_message_new_method_call(bus, &message, NAME, PATH, INTERFACE, member);

    if (r < 0)
        return r;
    r = sd_bus_message_set_auto_start(message, false);
    if (r >= 0 && first != NULL)
        r = sd_bus_message_append_basic(message, 's', first);
    if (r >= 0 && second != NULL)
        r = sd_bus_message_append_basic(message, 's', second);
    return r < 0 ? r : sd_bus_call(bus, message, 0, failure, ret_reply);
}

/* One "interfaces" or "sources" of @zone. */
static int
read_members(sd_bus_message *reply, const char *zone, GHashTable *zones)
{
    const char *kind, *name;
    int r = sd_bus_message_enter_container(reply, 'e', "sas");

    if (r <= 0)
        return r;
    r = sd_bus_message_read_basic(reply, 's', &kind);
    if (r < 0)
        return r;
    r = sd_bus_message_enter_container(reply, 'a', "s");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_read_basic(reply, 's', &name)) > 0)
        if (g_str_equal(kind, "interfaces"))
            g_hash_table_insert(zones, g_strdup(name), g_strdup(zone));
    if (r < 0)
        return r;
    r = sd_bus_message_exit_container(reply);
    if (r < 0)
        return r;
    r = sd_bus_message_exit_container(reply);
    return r < 0 ? r : 1;
}

static int
read_zone(sd_bus_message *reply, GHashTable *zones)
{
    const char *zone;
    int r = sd_bus_message_enter_container(reply, 'e', "sa{sas}");

    if (r <= 0)
        return r;
    r = sd_bus_message_read_basic(reply, 's', &zone);
    if (r < 0)
        return r;
    r = sd_bus_message_enter_container(reply, 'a', "{sas}");
    if (r < 0)
        return r;
    do
        r = read_members(reply, zone, zones);
    while (r > 0);
    if (r < 0)
        return r;
    r = sd_bus_message_exit_container(reply);
    if (r < 0)
        return r;
    r = sd_bus_message_exit_container(reply);
    return r < 0 ? r : 1;
}

/* The zone of each interface that is in one, or NULL. */
static GHashTable *
list_zones(sd_bus *bus)
{
    g_autoptr(GHashTable) zones = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(sd_bus_message) reply = NULL;
    int r = call_firewalld(bus, "getActiveZones", NULL, NULL, NULL, &reply);

    if (r >= 0)
        r = sd_bus_message_enter_container(reply, 'a', "{sa{sas}}");
    while (r > 0)
        r = read_zone(reply, zones);
    return r < 0 ? NULL : g_steal_pointer(&zones);
}

/* Puts the bridge @name, which is in no zone, into ours. */
static bool
add_bridge(sd_bus *bus, const char *name, GString *warnings)
{
    g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;
    int r = call_firewalld(bus, "addInterface", BANGER_FIREWALLD_ZONE, name, &failure, NULL);

    if (r >= 0)
        return true;
    g_string_append_printf(warnings,
                           "firewalld drops what guests of %s send: it did not put it into the "
                           "zone " BANGER_FIREWALLD_ZONE ": %s",
                           name, failure.message != NULL ? failure.message : g_strerror(-r));
    if (failure.message != NULL && g_str_has_prefix(failure.message, "INVALID_ZONE"))
        g_string_append(warnings, " (it knows the zone after firewall-cmd --reload)");
    g_string_append_c(warnings, '\n');
    return false;
}

/* Whether the bridge @name, which is in @zone (NULL: in none), is in ours then. */
static bool
look_at_bridge(sd_bus *bus, const char *name, const char *zone, bool enter, GString *warnings)
{
    if (zone != NULL && g_str_equal(zone, BANGER_FIREWALLD_ZONE))
        return true;
    if (zone != NULL)
        g_string_append_printf(warnings,
                               "the bridge %s is in the zone %s of firewalld, which decides what "
                               "its guests reach\n",
                               name, zone);
    else if (enter)
        return add_bridge(bus, name, warnings);
    else
        g_string_append_printf(warnings,
                               "the bridge %s is not in the zone " BANGER_FIREWALLD_ZONE
                               " of firewalld any more; the next call of a network method puts it "
                               "there\n",
                               name);
    return false;
}

bool
banger_firewalld_look(const GPtrArray *bridges, bool enter, GPtrArray *zoned, GString *warnings)
{
    g_autoptr(sd_bus) bus = connect_bus();
    g_autoptr(GHashTable) zones = bus != NULL ? list_zones(bus) : NULL;

    if (zones == NULL)
        return false;
    for (unsigned int i = 0; i < bridges->len; i++) {
        const char *name = g_ptr_array_index(bridges, i);

        if (look_at_bridge(bus, name, g_hash_table_lookup(zones, name), enter, warnings))
            g_ptr_array_add(zoned, g_strdup(name));
    }
    return true;
}

void
banger_firewalld_leave(const char *name)
{
    g_autoptr(sd_bus) bus = connect_bus();

    if (bus != NULL)
        (void)call_firewalld(bus, "removeInterface", BANGER_FIREWALLD_ZONE, name, NULL, NULL);
}
