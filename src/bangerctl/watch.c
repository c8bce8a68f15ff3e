/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/watch.h"

#include <stdio.h>

#include "bangerctl/bus-value.h"
#include "bangerctl/text-domain.h"
#include "util/sd-auto.h"
#include "util/settings.h"

static int
on_signal(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    const OutputOptions *options = user_data;
    struct json_object *arguments = json_object_new_array();
    struct json_object *value;

    (void)ret_error;
    /* Of InterfacesAdded the path is enough: its properties are for bangerctl show. */
    while (sd_bus_message_at_end(message, true) == 0) {
        const char *contents;
        char type;

        if (sd_bus_message_peek_type(message, &type, &contents) <= 0 ||
            (type == 'a' && contents[0] == '{') || (value = bus_value_read(message)) == NULL)
            break;
        (void)json_object_array_add(arguments, value);
    }
    if (options->json) {
        struct json_object *line = json_object_new_object();

        (void)json_object_object_add(line, "signal",
                                     json_object_new_string(sd_bus_message_get_member(message)));
        (void)json_object_object_add(line, "path",
                                     json_object_new_string(sd_bus_message_get_path(message)));
        (void)json_object_object_add(line, "arguments", json_object_get(arguments));
        output_json(line);
        json_object_put(line);
    } else {
        g_print("%s", sd_bus_message_get_member(message));
        if (g_str_equal(sd_bus_message_get_member(message), "PropertiesChanged"))
            g_print(" %s", sd_bus_message_get_path(message));
        for (size_t i = 0; i < json_object_array_length(arguments); i++) {
            g_autofree char *text = output_format(json_object_array_get_idx(arguments, i));

            g_print(" %s", text);
        }
        g_print("\n");
    }
    json_object_put(arguments);
    (void)fflush(stdout);
    return 0;
}

static ClientStatus
subscribe_again(sd_bus *bus)
{
    return client_call(bus, client_message(bus, "Subscribe"), NULL);
}

/* The helper ended: what it knew of subscriptions went with it. The call starts the next one. */
static int
on_owner_changed(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    bool *lost = user_data;
    const char *owner = NULL;

    (void)ret_error;
    if (sd_bus_message_read(message, "sss", NULL, NULL, &owner) >= 0)
        *lost = true;
    return 0;
}

ClientStatus
watch_run(sd_bus *bus, const OutputOptions *options)
{
    OutputOptions copy = *options;
    bool lost = false;
    ClientStatus status;
    int r = sd_bus_match_signal(bus, NULL, BANGER_BUS_NAME, NULL, NULL, NULL, on_signal, &copy);

    if (r >= 0)
        r = sd_bus_add_match(bus, NULL,
                             "type='signal',sender='org.freedesktop.DBus',"
                             "member='NameOwnerChanged',arg0='" BANGER_BUS_NAME "'",
                             on_owner_changed, &lost);
    if (r < 0)
        return client_fail(_("cannot watch the helper"), NULL, r);
    status = subscribe_again(bus);
    lost = false;
    if (status == CLIENT_OK && !options->no_legend)
        g_printerr("%s\n", _("Watching; nothing is missed from here on."));
    while (status == CLIENT_OK) {
        r = sd_bus_process(bus, NULL);
        if (r == 0 && lost) {
            status = subscribe_again(bus);
            lost = false;
        } else if (r == 0) {
            r = sd_bus_wait(bus, UINT64_MAX);
        }
        if (r < 0)
            return client_fail(_("the connection to the bus is lost"), NULL, r);
    }
    return status;
}
