/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/interface-xml.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/harness.h"
#include "model/methods.h"
#include "util/settings.h"

static const char *const main_contract[] = {
    "method EnsureBridge (bridge_name s, bridge_ip s, cidr s, op_id s) -> ()",
    "method CreateTap (bridge_name s, bridge_ip s, cidr s, tap_name s, op_id s) -> ()",
    "method DeleteTap (tap_name s, op_id s) -> ()",
    "method DeleteBridge (bridge_name s, op_id s) -> ()",
    "method SyncResolverRouting (bridge_name s, server_addr s, op_id s) -> ()",
    "method ClearResolverRouting (bridge_name s, op_id s) -> ()",
    "method EnsureNAT (guest_ip s, tap s, enable b, op_id s) -> ()",
    "method EnsurePortForward (protocol s, host_port q, guest_ip s, guest_port q, enable b, "
    "op_id s) -> ()",
    "method CreateDMSnapshot (rootfs_path s, cow_path s, dm_name s, op_id s)"
    " -> (base_loop s, cow_loop s, dm_name s, dm_dev s)",
    "method CleanupDMSnapshot (base_loop s, cow_loop s, dm_name s, dm_dev s, op_id s) -> ()",
    "method RemoveDMSnapshot (target s, op_id s) -> ()",
    "method FsckSnapshot (dm_dev s, op_id s) -> (corrected b)",
    "method CheckImage (image_path s, repair b, op_id s) -> (corrected b)",
    "method ReadExt4File (image_path s, guest_path s, op_id s) -> (data ay)",
    "method WriteExt4Files (image_path s, files a(sayu), op_id s) -> ()",
    "method ReadExt4FileTo (image_path s, guest_path s, to h, op_id s) -> (size t)",
    "method WriteExt4FilesFrom (image_path s, files a(shu), op_id s) -> ()",
    "method ResolveFirecrackerBinary (requested s, op_id s) -> (path s)",
    "method LaunchFirecracker (machine a{sv}, op_id s) -> (pid u)",
    "method EnsureSocketAccess (socket_path s, label s, op_id s) -> ()",
    "method FindFirecrackerPID (api_sock s, op_id s) -> (pid u)",
    "method KillProcess (pid u, op_id s) -> ()",
    "method SetEgress (guest_ip s, networks as, op_id s) -> ()",
    "method SignalProcess (pid u, signal s, op_id s) -> ()",
    "method ProcessRunning (pid u, api_sock s, op_id s) -> (running b)",
    "method CreateMachine (machine a{sv}, op_id s) -> (machine o, pid u)",
    "method DestroyMachine (machine a{sv}, op_id s) -> ()",
    "method Reconcile (keep as, remove as, dry_run b, op_id s) -> (objects a(sss))",
    "method StopMachine (vm_id s, timeout_s u, op_id s) -> (how s)",
    "method SnapshotMachine (vm_id s, snapshot a{sv}, op_id s) -> ()",
    "method ListMachines () -> (machines a(ssuo))",
    "method Subscribe () -> ()",
    "method Unsubscribe () -> ()",
    "signal MachineExited (vm_id s, result s, status i)",
    "signal SnapshotFilling (name s, used t, size t)",
    "property Features as read",
    "property Warnings as read",
    "property OperationsInFlight u read",
    "property Version s read const",
    "property StateDirectory s read const",
    "property RuntimeDirectory s read const",
    "property OwnerUID u read const",
    "property OwnerGID u read const",
    NULL,
};

static const char *const machine_contract[] = {
    "method Stop (timeout_s u) -> (how s)",
    "method Kill (signal s) -> ()",
    "property Id s read",
    "property State s read emits",
    "property Leader u read emits",
    "property Unit s read",
    "property Since t read",
    "property OpId s read",
    "property CreatorUID u read",
    "property Tap s read",
    "property Bridge s read",
    "property Snapshot s read",
    "property GuestIps as read",
    "property ApiSocket s read",
    "property VsockPath s read",
    "property MemoryCurrent t read",
    "property CpuUsageUsec t read",
    NULL,
};

static const char *const snapshot_contract[] = {
    "property Name s read",      "property Device s read",
    "property SizeBytes t read", "property CowBytes t read",
    "property UsedBytes t read", "property State s read emits",
    "property Machine s read",   NULL,
};

static const char *const tap_contract[] = {
    "property Name s read", "property Bridge s read",   "property OwnerUID u read",
    "property Mtu u read",  "property Attached b read", "property GuestIps as read",
    "property Nat b read",  "property Machine s read",  NULL,
};

static const char *const bridge_contract[] = {
    "property Name s read",
    "property Addresses as read",
    "property Ports u read",
    "property Resolver s read",
    NULL,
};

static const char *const job_contract[] = {
    "method Cancel () -> ()",         "property OpId s read",       "property Method s read",
    "property Object s read",         "property CallerUID u read",  "property Since t read",
    "property Progress d read emits", "property Step s read emits", NULL,
};

static const struct {
    const char *name;
    const char *const *lines;
} contracts[] = {
    {BANGER_INTERFACE, main_contract},
    {BANGER_INTERFACE ".Machine", machine_contract},
    {BANGER_INTERFACE ".Snapshot", snapshot_contract},
    {BANGER_INTERFACE ".Tap", tap_contract},
    {BANGER_INTERFACE ".Bridge", bridge_contract},
    {BANGER_INTERFACE ".Job", job_contract},
};

typedef struct {
    const char *wanted;
    bool inside; /* the interface that is wanted */
    GPtrArray *lines;
    char *method; /* or signal */
    GString *in, *out;
    char *property;
    const char *emits; /* of the property: " const", " emits" or "" */
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
interface_contract(const char *name)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);

    for (size_t i = 0; i < G_N_ELEMENTS(contracts); i++)
        for (const char *const *line = contracts[i].lines;
             strcmp(contracts[i].name, name) == 0 && *line != NULL; line++)
            g_ptr_array_add(lines, g_strdup(*line));
    ck_assert_uint_gt(lines->len, 0);
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
    if (strcmp(element, "method") == 0 || strcmp(element, "signal") == 0) {
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
        parser->emits = " emits";
    } else if (strcmp(name, "org.freedesktop.DBus.Property.EmitsChangedSignal") == 0 &&
               parser->property != NULL) {
        const char *value = attribute(names, values, "value");

        if (strcmp(value, "true") != 0)
            parser->emits = strcmp(value, "const") == 0 ? " const" : "";
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
    if ((strcmp(element, "method") == 0 || strcmp(element, "signal") == 0) &&
        parser->method != NULL) {
        g_autofree char *result = strcmp(element, "signal") == 0
                                      ? g_strdup("")
                                      : g_strdup_printf(" -> (%s)", parser->out->str);

        g_ptr_array_add(parser->lines, g_strdup_printf("%s %s (%s)%s", element, parser->method,
                                                       parser->in->str, result));
        g_clear_pointer(&parser->method, g_free);
        (void)g_string_free(parser->in, TRUE);
        (void)g_string_free(parser->out, TRUE);
    }
    if (strcmp(element, "property") == 0 && parser->property != NULL) {
        g_ptr_array_add(parser->lines, g_strconcat(parser->property, parser->emits, NULL));
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
interface_of_table(const char *const *others)
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
    for (; *others != NULL; others++)
        g_ptr_array_add(lines, g_strdup(*others));
    return join(lines);
}
