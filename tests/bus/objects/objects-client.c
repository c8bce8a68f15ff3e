/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/objects/objects-client.h"

#include <inttypes.h>
#include <string.h>

#include "util/settings.h"

/* Appends the value that is next in @message. */
static void
append_value(sd_bus_message *message, GString *text)
{
    const char *contents;
    char type;
    union {
        const char *text;
        uint32_t number;
        uint64_t large;
        int flag;
        double fraction;
    } value;

    ck_assert_int_gt(sd_bus_message_peek_type(message, &type, &contents), 0);
    if (type == 'a') {
        ck_assert_int_gt(sd_bus_message_enter_container(message, 'a', "s"), 0);
        while (sd_bus_message_read_basic(message, 's', &value) > 0)
            g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", value.text);
        ck_assert_int_ge(sd_bus_message_exit_container(message), 0);
        return;
    }
    ck_assert_int_gt(sd_bus_message_read_basic(message, type, &value), 0);
    if (type == 's' || type == 'o')
        g_string_append(text, value.text);
    else if (type == 'u')
        g_string_append_printf(text, "%u", value.number);
    else if (type == 't')
        g_string_append_printf(text, "%" PRIu64, value.large);
    else if (type == 'd')
        g_string_append_printf(text, "%.2f", value.fraction);
    else if (type == 'b')
        g_string_append(text, value.flag ? "true" : "false");
    else
        ck_abort_msg("a value of the type %c", type);
}

/* Reads a variant. */
static char *
read_variant(sd_bus_message *message)
{
    g_autoptr(GString) text = g_string_new("");
    const char *contents;

    ck_assert_int_gt(sd_bus_message_peek_type(message, NULL, &contents), 0);
    ck_assert_int_gt(sd_bus_message_enter_container(message, 'v', contents), 0);
    append_value(message, text);
    ck_assert_int_ge(sd_bus_message_exit_container(message), 0);
    return g_strdup(text->str);
}

/* Reads the a{sv} of one interface. */
static void
read_properties(sd_bus_message *message, const char *path, const char *interface, GHashTable *table)
{
    const char *name;

    if (g_str_has_prefix(interface, BANGER_INTERFACE))
        g_hash_table_insert(table, g_strdup_printf("%s %s", path, interface), g_strdup(""));
    ck_assert_int_ge(sd_bus_message_enter_container(message, 'a', "{sv}"), 0);
    while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        ck_assert_int_gt(sd_bus_message_read_basic(message, 's', &name), 0);
        g_hash_table_insert(table, g_strdup_printf("%s %s.%s", path, interface, name),
                            read_variant(message));
        ck_assert_int_ge(sd_bus_message_exit_container(message), 0);
    }
    ck_assert_int_ge(sd_bus_message_exit_container(message), 0);
}

GHashTable *
objects_read(sd_bus_message *reply)
{
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const char *path, *interface;

    ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"), 0);
    while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
        ck_assert_int_gt(sd_bus_message_read_basic(reply, 'o', &path), 0);
        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "{sa{sv}}"), 0);
        while (sd_bus_message_enter_container(reply, 'e', "sa{sv}") > 0) {
            ck_assert_int_gt(sd_bus_message_read_basic(reply, 's', &interface), 0);
            read_properties(reply, path, interface, table);
            ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
    }
    return table;
}

GHashTable *
objects_managed(sd_bus *bus)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    GHashTable *table;
    int r = sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                               "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &error,
                               &reply, "");

    ck_assert_msg(r >= 0, "GetManagedObjects: %s: %s", error.name, error.message);
    table = objects_read(reply);
    sd_bus_message_unref(reply);
    return table;
}

char *
objects_get(sd_bus *bus, const char *path, const char *interface, const char *name)
{
    sd_bus_message *reply = NULL;
    char *text;

    if (sd_bus_call_method(bus, BANGER_BUS_NAME, path, "org.freedesktop.DBus.Properties", "Get",
                           NULL, &reply, "ss", interface, name) < 0)
        return NULL;
    text = read_variant(reply);
    sd_bus_message_unref(reply);
    return text;
}

void
objects_assert(sd_bus *bus, const char *path, const char *interface, const char *name,
               const char *expected)
{
    g_autofree char *text = objects_get(bus, path, interface, name);

    ck_assert_msg(g_strcmp0(text, expected) == 0, "%s %s.%s is \"%s\", not \"%s\"", path, interface,
                  name, text, expected);
}

char *
objects_list(sd_bus *bus, const char *id)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    const char *its_id, *state, *object;
    char *found = NULL;
    uint32_t leader;
    int r = sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH, BANGER_INTERFACE,
                               "ListMachines", &error, &reply, "");

    ck_assert_msg(r >= 0, "ListMachines: %s: %s", error.name, error.message);
    ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "(ssuo)"), 0);
    while (sd_bus_message_read(reply, "(ssuo)", &its_id, &state, &leader, &object) > 0)
        if (strcmp(its_id, id) == 0) {
            ck_assert_ptr_null(found);
            found = g_strdup_printf("%s %u %s", state, leader, object);
        }
    sd_bus_message_unref(reply);
    return found;
}

char *
objects_introspect(sd_bus *bus, const char *path)
{
    sd_bus_message *reply = NULL;
    const char *xml;
    char *copy;

    ck_assert_int_ge(sd_bus_call_method(bus, BANGER_BUS_NAME, path,
                                        "org.freedesktop.DBus.Introspectable", "Introspect", NULL,
                                        &reply, ""),
                     0);
    ck_assert_int_ge(sd_bus_message_read(reply, "s", &xml), 0);
    copy = g_strdup(xml);
    sd_bus_message_unref(reply);
    return copy;
}

static void
call_plain(sd_bus *bus, const char *member)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;

    ck_assert_msg(sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH, BANGER_INTERFACE,
                                     member, &error, NULL, "") >= 0,
                  "%s: %s: %s", member, error.name, error.message);
}

void
objects_subscribe(sd_bus *bus)
{
    call_plain(bus, "Subscribe");
}

void
objects_unsubscribe(sd_bus *bus)
{
    call_plain(bus, "Unsubscribe");
}

struct ObjectSignals {
    sd_bus *bus;
    sd_bus_slot *match;
    GPtrArray *lines;
    const char *wanted;
};

static void
add_interface(ObjectSignals *signals, const char *member, const char *path, const char *interface)
{
    if (g_str_has_prefix(interface, BANGER_INTERFACE))
        g_ptr_array_add(signals->lines, g_strdup_printf("%s %s %s", member, path, interface));
}

static void
read_added(ObjectSignals *signals, sd_bus_message *message)
{
    const char *path, *interface;

    ck_assert_int_gt(sd_bus_message_read_basic(message, 'o', &path), 0);
    ck_assert_int_ge(sd_bus_message_enter_container(message, 'a', "{sa{sv}}"), 0);
    while (sd_bus_message_enter_container(message, 'e', "sa{sv}") > 0) {
        ck_assert_int_gt(sd_bus_message_read_basic(message, 's', &interface), 0);
        add_interface(signals, "InterfacesAdded", path, interface);
        ck_assert_int_ge(sd_bus_message_skip(message, "a{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_exit_container(message), 0);
    }
}

static void
read_removed(ObjectSignals *signals, sd_bus_message *message)
{
    const char *path, *interface;

    ck_assert_int_gt(sd_bus_message_read_basic(message, 'o', &path), 0);
    ck_assert_int_ge(sd_bus_message_enter_container(message, 'a', "s"), 0);
    while (sd_bus_message_read_basic(message, 's', &interface) > 0)
        add_interface(signals, "InterfacesRemoved", path, interface);
}

static void
read_changed(ObjectSignals *signals, sd_bus_message *message)
{
    g_autoptr(GString) line = g_string_new("PropertiesChanged ");
    const char *name;

    g_string_append(line, sd_bus_message_get_path(message));
    ck_assert_int_ge(sd_bus_message_skip(message, "s"), 0);
    ck_assert_int_ge(sd_bus_message_enter_container(message, 'a', "{sv}"), 0);
    while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        g_autofree char *value = NULL;

        ck_assert_int_gt(sd_bus_message_read_basic(message, 's', &name), 0);
        value = read_variant(message);
        g_string_append_printf(line, " %s=%s", name, value);
        ck_assert_int_ge(sd_bus_message_exit_container(message), 0);
    }
    g_ptr_array_add(signals->lines, g_strdup(line->str));
}

static int
on_signal(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    ObjectSignals *signals = user_data;
    const char *member = sd_bus_message_get_member(message);
    const char *name, *result;
    uint64_t used, size;
    int32_t status;

    (void)ret_error;
    if (strcmp(member, "InterfacesAdded") == 0) {
        read_added(signals, message);
    } else if (strcmp(member, "InterfacesRemoved") == 0) {
        read_removed(signals, message);
    } else if (strcmp(member, "PropertiesChanged") == 0) {
        read_changed(signals, message);
    } else if (strcmp(member, "MachineExited") == 0) {
        ck_assert_int_gt(sd_bus_message_read(message, "ssi", &name, &result, &status), 0);
        g_ptr_array_add(signals->lines,
                        g_strdup_printf("MachineExited %s %s %d", name, result, status));
    } else if (strcmp(member, "SnapshotFilling") == 0) {
        ck_assert_int_gt(sd_bus_message_read(message, "stt", &name, &used, &size), 0);
        g_ptr_array_add(signals->lines, g_strdup_printf("SnapshotFilling %s %" PRIu64 " %" PRIu64,
                                                        name, used, size));
    }
    return 0;
}

ObjectSignals *
objects_signals_new(sd_bus *bus)
{
    ObjectSignals *signals = g_new0(ObjectSignals, 1);

    signals->bus = bus;
    signals->lines = g_ptr_array_new_with_free_func(g_free);
    ck_assert_int_ge(sd_bus_match_signal(bus, &signals->match, BANGER_BUS_NAME, NULL, NULL, NULL,
                                         on_signal, signals),
                     0);
    return signals;
}

void
objects_signals_free(ObjectSignals *signals)
{
    sd_bus_slot_unref(signals->match);
    g_ptr_array_unref(signals->lines);
    g_free(signals);
}

static bool
has_line(void *data)
{
    const ObjectSignals *signals = data;

    rig_bus_handle(signals->bus);
    for (unsigned int i = 0; i < signals->lines->len; i++)
        if (strcmp(g_ptr_array_index(signals->lines, i), signals->wanted) == 0)
            return true;
    return false;
}

void
objects_signals_wait(ObjectSignals *signals, const char *line)
{
    signals->wanted = line;
    rig_wait_for(has_line, signals, line);
}

unsigned int
objects_signals_count(ObjectSignals *signals, const char *part)
{
    unsigned int n = 0;

    rig_bus_handle(signals->bus);
    for (unsigned int i = 0; i < signals->lines->len; i++)
        n += strstr(g_ptr_array_index(signals->lines, i), part) != NULL;
    return n;
}
