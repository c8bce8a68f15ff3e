/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/introspection.h"

#include "bangerctl/text-domain.h"
#include "util/sd-auto.h"
#include "util/settings.h"

/* How far the parser is. */
typedef struct {
    const char *member;
    bool in_interface, in_method, is_found;
    MethodArguments arguments;
} Search;

static void
clear_argument(void *data)
{
    MethodArgument *argument = data;

    g_free(argument->name);
    g_free(argument->type);
}

static GArray *
make_array(void)
{
    GArray *array = g_array_new(FALSE, FALSE, sizeof(MethodArgument));

    g_array_set_clear_func(array, clear_argument);
    return array;
}

static const char *
find_attribute(const char **names, const char **values, const char *name)
{
    for (size_t i = 0; names[i] != NULL; i++)
        if (g_str_equal(names[i], name))
            return values[i];
    return "";
}

static void
on_start(GMarkupParseContext *context, const char *element, const char **names, const char **values,
         void *user_data, GError **error)
{
    Search *search = user_data;
    const char *name = find_attribute(names, values, "name");

    (void)context, (void)error;
    if (g_str_equal(element, "interface")) {
        search->in_interface = g_str_equal(name, BANGER_INTERFACE);
    } else if (g_str_equal(element, "method")) {
        search->in_method = search->in_interface && g_str_equal(name, search->member);
        search->is_found |= search->in_method;
    } else if (g_str_equal(element, "arg") && search->in_method) {
        MethodArgument argument = {g_strdup(name), g_strdup(find_attribute(names, values, "type"))};
        const bool is_out = g_str_equal(find_attribute(names, values, "direction"), "out");

        g_array_append_val(is_out ? search->arguments.out : search->arguments.in, argument);
    }
}

static void
on_end(GMarkupParseContext *context, const char *element, void *user_data, GError **error)
{
    Search *search = user_data;

    (void)context, (void)error;
    if (g_str_equal(element, "method"))
        search->in_method = false;
}

ClientStatus
introspection_find(sd_bus *bus, const char *member, MethodArguments *ret_arguments)
{
    static const GMarkupParser parser = {.start_element = on_start, .end_element = on_end};
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    g_autoptr(GMarkupParseContext) context = NULL;
    Search search = {.member = member};
    const char *xml = "";
    int r =
        sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                           "org.freedesktop.DBus.Introspectable", "Introspect", &error, &reply, "");

    if (r >= 0)
        r = sd_bus_message_read(reply, "s", &xml);
    if (r < 0)
        return client_fail("Introspect", &error, r);
    search.arguments = (MethodArguments){make_array(), make_array()};
    context = g_markup_parse_context_new(&parser, 0, &search, NULL);
    if (g_markup_parse_context_parse(context, xml, -1, NULL) && search.is_found) {
        *ret_arguments = search.arguments;
        return CLIENT_OK;
    }
    introspection_clear(&search.arguments);
    g_printerr(_("bangerctl: the helper has no method %s; org.banger.Helper1(5) lists them"),
               member);
    g_printerr("\n");
    return CLIENT_NOT_FOUND;
}

void
introspection_clear(MethodArguments *arguments)
{
    g_array_unref(arguments->in);
    g_array_unref(arguments->out);
}
