/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/interface-xml.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/harness.h"
#include "model/methods.h"

static const char *const contract[] = {
    "method EnsureBridge (bridge_name s, bridge_ip s, cidr s, op_id s) -> ()",
    "method CreateTap (bridge_name s, bridge_ip s, cidr s, tap_name s, op_id s) -> ()",
    "method DeleteTap (tap_name s, op_id s) -> ()",
    "method SyncResolverRouting (bridge_name s, server_addr s, op_id s) -> ()",
    "method ClearResolverRouting (bridge_name s, op_id s) -> ()",
    "method EnsureNAT (guest_ip s, tap s, enable b, op_id s) -> ()",
    "method CreateDMSnapshot (rootfs_path s, cow_path s, dm_name s, op_id s)"
    " -> (base_loop s, cow_loop s, dm_name s, dm_dev s)",
    "method CleanupDMSnapshot (base_loop s, cow_loop s, dm_name s, dm_dev s, op_id s) -> ()",
    "method RemoveDMSnapshot (target s, op_id s) -> ()",
    "method FsckSnapshot (dm_dev s, op_id s) -> (corrected b)",
    "method ReadExt4File (image_path s, guest_path s, op_id s) -> (data ay)",
    "method WriteExt4Files (image_path s, files a(sayu), op_id s) -> ()",
    "method ResolveFirecrackerBinary (requested s, op_id s) -> (path s)",
    "method LaunchFirecracker (machine a{sv}, op_id s) -> (pid u)",
    "method EnsureSocketAccess (socket_path s, label s, op_id s) -> ()",
    "method FindFirecrackerPID (api_sock s, op_id s) -> (pid u)",
    "method KillProcess (pid u, op_id s) -> ()",
    "method SignalProcess (pid u, signal s, op_id s) -> ()",
    "method ProcessRunning (pid u, api_sock s, op_id s) -> (running b)",
    "property Version s read const",
    "property StateDirectory s read const",
    "property RuntimeDirectory s read const",
    "property OwnerUID u read const",
    "property OwnerGID u read const",
};

typedef struct {
    const char *wanted;
    bool inside; /* the interface that is wanted */
    GPtrArray *lines;
    char *method;
    GString *in, *out;
    char *property;
    bool constant;
} Parser;

static int
compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts @lines and joins them; frees the array. */
static char *
join(GPtrArray *lines)
{
    char *text;

    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    text = g_strjoinv("\n", (char **)lines->pdata);
    g_ptr_array_unref(lines);
    return text;
}

char *
interface_contract(void)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);

    for (size_t i = 0; i < G_N_ELEMENTS(contract); i++)
        g_ptr_array_add(lines, g_strdup(contract[i]));
    return join(lines);
}

/* The value of the attribute @name; "" if there is none. */
static const char *
attribute(const char **names, const char **values, const char *name)
{
    for (; *names != NULL; names++, values++)
        if (strcmp(*names, name) == 0)
            return *values;
    return "";
}

static void
append_argument(Parser *parser, const char *name, const char *type, const char *direction)
{
    GString *list = strcmp(direction, "out") == 0 ? parser->out : parser->in;

    g_string_append_printf(list, "%s%s %s", list->len > 0 ? ", " : "", name, type);
}

static void
start_element(GMarkupParseContext *context, const char *element, const char **names,
              const char **values, gpointer user_data, GError **error)
{
    Parser *parser = user_data;
    const char *name = attribute(names, values, "name");

    (void)context;
    (void)error;
    if (strcmp(element, "interface") == 0)
        parser->inside = strcmp(name, parser->wanted) == 0;
    if (!parser->inside)
        return;
    if (strcmp(element, "method") == 0) {
        parser->method = g_strdup(name);
        parser->in = g_string_new("");
        parser->out = g_string_new("");
    } else if (strcmp(element, "arg") == 0 && parser->method != NULL) {
        append_argument(parser, name, attribute(names, values, "type"),
                        attribute(names, values, "direction"));
    } else if (strcmp(element, "property") == 0) {
        parser->property =
            g_strdup_printf("property %s %s %s", name, attribute(names, values, "type"),
                            attribute(names, values, "access"));
        parser->constant = false;
    } else if (strcmp(name, "org.freedesktop.DBus.Property.EmitsChangedSignal") == 0 &&
               parser->property != NULL) {
        parser->constant = strcmp(attribute(names, values, "value"), "const") == 0;
    } else if (strcmp(element, "signal") == 0) {
        g_ptr_array_add(parser->lines, g_strdup_printf("signal %s", name));
    }
}

static void
end_element(GMarkupParseContext *context, const char *element, gpointer user_data, GError **error)
{
    Parser *parser = user_data;

    (void)context;
    (void)error;
    if (strcmp(element, "interface") == 0)
        parser->inside = false;
    if (strcmp(element, "method") == 0 && parser->method != NULL) {
        g_ptr_array_add(parser->lines, g_strdup_printf("method %s (%s) -> (%s)", parser->method,
                                                       parser->in->str, parser->out->str));
        g_clear_pointer(&parser->method, g_free);
        (void)g_string_free(parser->in, TRUE);
        (void)g_string_free(parser->out, TRUE);
    }
    if (strcmp(element, "property") == 0 && parser->property != NULL) {
        g_ptr_array_add(parser->lines,
                        g_strconcat(parser->property, parser->constant ? " const" : "", NULL));
        g_clear_pointer(&parser->property, g_free);
    }
}

char *
interface_of_xml(const char *xml, const char *name)
{
    static const GMarkupParser callbacks = {.start_element = start_element,
                                            .end_element = end_element};
    Parser parser = {.wanted = name, .lines = g_ptr_array_new_with_free_func(g_free)};
    GMarkupParseContext *context = g_markup_parse_context_new(&callbacks, 0, &parser, NULL);
    g_autoptr(GError) error = NULL;

    ck_assert_msg(g_markup_parse_context_parse(context, xml, -1, &error), "%s",
                  error == NULL ? "" : error->message);
    g_markup_parse_context_free(context);
    return join(parser.lines);
}

static void
append_fields(GString *list, const BangerField *fields)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        g_autoptr(GString) type = g_string_new("");

        banger_field_append_signature(field, type);
        g_string_append_printf(list, "%s %s, ", field->name, type->str);
    }
}

char *
interface_of_table(const char *const *properties)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);

    for (BangerMethodId id = 0; id < BANGER_N_METHODS; id++) {
        const BangerMethod *method = banger_method(id);
        g_autoptr(GString) line = g_string_new("");

        g_string_append_printf(line, "method %s (", method->dbus_name);
        append_fields(line, method->in);
        g_string_append(line, "op_id s) -> (");
        append_fields(line, method->out);
        if (g_str_has_suffix(line->str, ", "))
            g_string_truncate(line, line->len - 2);
        g_string_append(line, ")");
        g_ptr_array_add(lines, g_strdup(line->str));
    }
    for (; *properties != NULL; properties++)
        g_ptr_array_add(lines, g_strdup(*properties));
    return join(lines);
}
