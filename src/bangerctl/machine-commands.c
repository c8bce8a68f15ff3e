/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/commands.h"
#include "bangerctl/journal-lines.h"
#include "bangerctl/progress.h"
#include "bangerctl/terminal.h"
#include "bangerctl/text-domain.h"
#include "util/op-id.h"
#include "util/sd-auto.h"

#define STATUS_LINES 10
#define STOP_TIMEOUT_S 30

ClientStatus
command_list(const CommandContext *context, char **arguments)
{
    static const char *const columns[] = {"Id",  "State",    "Leader", "GuestIps",
                                          "Tap", "Snapshot", NULL};

    (void)arguments;
    return command_list_objects(context, "Machine", columns);
}

static void
print_field(const char *label, const char *text)
{
    /* Labels are translated: characters count, not bytes. */
    const int width = 12 - (int)g_utf8_strlen(label, -1);

    if (text[0] != '\0')
        g_print("%*s%s: %s\n", MAX(width, 0), "", label, text);
}

static void
print_member(const char *label, struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    g_autofree char *text = NULL;

    (void)json_object_object_get_ex(object, name, &value);
    text = output_format(value);
    print_field(label, text);
}

static void
print_usage(struct json_object *machine)
{
    const uint64_t memory = client_member_number(machine, "MemoryCurrent");
    g_autofree char *text = g_format_size_full(memory, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree char *cpu = g_strdup_printf(
        "%.1f s", (double)client_member_number(machine, "CpuUsageUsec") / (double)G_USEC_PER_SEC);

    if (memory > 0 && memory < UINT64_MAX)
        print_field(_("Memory"), text);
    if (client_member_number(machine, "CpuUsageUsec") < UINT64_MAX)
        print_field(_("CPU"), cpu);
}

/* How full the snapshot @name is, that is, how much its COW file has taken of what it can. */
static void
print_disk(sd_bus *bus, const char *name)
{
    struct json_object *objects, *snapshot;

    if (name[0] == '\0' || client_list(bus, "Snapshot", &objects) != CLIENT_OK)
        return;
    snapshot = client_find(objects, name);
    if (snapshot != NULL) {
        const uint64_t used = client_member_number(snapshot, "UsedBytes");
        const uint64_t size = client_member_number(snapshot, "CowBytes");
        g_autofree char *used_text = g_format_size_full(used, G_FORMAT_SIZE_IEC_UNITS);
        g_autofree char *size_text = g_format_size_full(size, G_FORMAT_SIZE_IEC_UNITS);
        const unsigned int percent =
            size > 0 ? (unsigned int)(100.0 * (double)used / (double)size) : 0;
        g_autofree char *text =
            g_strdup_printf(_("%s, %s, %s of %s written (%u%%)"), name,
                            client_member_text(snapshot, "State"), used_text, size_text, percent);

        print_field(_("Disk"), text);
    }
    json_object_put(objects);
}

static void
print_since(struct json_object *machine)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(
        (gint64)(client_member_number(machine, "Since") / G_USEC_PER_SEC));
    g_autofree char *text = time != NULL ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S %Z") : NULL;

    if (text != NULL && client_member_number(machine, "Since") > 0)
        print_field(_("Since"), text);
}

static void
print_machine(const CommandContext *context, struct json_object *machine)
{
    const bool runs = g_str_equal(client_member_text(machine, "State"), "running");

    g_print("%s%s%s %s\n", terminal_style(runs ? TERMINAL_GOOD : TERMINAL_WARN),
            g_get_charset(NULL) ? "●" : "*", terminal_style(TERMINAL_PLAIN),
            client_member_text(machine, "Id"));
    print_member(_("State"), machine, "State");
    print_since(machine);
    print_member(_("Leader"), machine, "Leader");
    print_member(_("Unit"), machine, "Unit");
    print_member(_("Addresses"), machine, "GuestIps");
    print_member(_("TAP"), machine, "Tap");
    print_member(_("Bridge"), machine, "Bridge");
    print_disk(context->bus, client_member_text(machine, "Snapshot"));
    print_usage(machine);
    print_member(_("API"), machine, "ApiSocket");
    print_member(_("Operation"), machine, "OpId");
    if (context->host == NULL && context->container == NULL)
        journal_print_last(client_member_text(machine, "Id"), STATUS_LINES);
}

/* Adds how many objects of @kind there are to @host, as @name. */
static ClientStatus
add_count(sd_bus *bus, struct json_object *host, const char *name, const char *kind)
{
    struct json_object *objects;
    ClientStatus status = client_list(bus, kind, &objects);

    if (status != CLIENT_OK)
        return status;
    (void)json_object_object_add(host, name,
                                 json_object_new_int64((int64_t)json_object_array_length(objects)));
    json_object_put(objects);
    return CLIENT_OK;
}

static ClientStatus
add_texts(sd_bus *bus, struct json_object *host, const char *name)
{
    struct json_object *array;
    g_auto(GStrv) texts = NULL;
    ClientStatus status = client_get_texts(bus, name, &texts);

    if (status != CLIENT_OK)
        return status;
    array = json_object_new_array();
    for (char **text = texts; *text != NULL; text++)
        (void)json_object_array_add(array, json_object_new_string(*text));
    (void)json_object_object_add(host, name, array);
    return CLIENT_OK;
}

static ClientStatus
add_text(sd_bus *bus, struct json_object *host, const char *name)
{
    g_autofree char *text = NULL;
    ClientStatus status = client_get_text(bus, name, &text);

    if (status == CLIENT_OK)
        (void)json_object_object_add(host, name, json_object_new_string(text));
    return status;
}

static ClientStatus
describe_host(sd_bus *bus, struct json_object *host)
{
    static const char *const texts[] = {"Version", "StateDirectory", "RuntimeDirectory"};
    static const char *const counts[][2] = {
        {"Machines", "Machine"}, {"Snapshots", "Snapshot"}, {"Bridges", "Bridge"}, {"Taps", "Tap"}};
    ClientStatus status = CLIENT_OK;

    for (size_t i = 0; status == CLIENT_OK && i < G_N_ELEMENTS(texts); i++)
        status = add_text(bus, host, texts[i]);
    for (size_t i = 0; status == CLIENT_OK && i < G_N_ELEMENTS(counts); i++)
        status = add_count(bus, host, counts[i][0], counts[i][1]);
    if (status == CLIENT_OK)
        status = add_texts(bus, host, "Features");
    return status == CLIENT_OK ? add_texts(bus, host, "Warnings") : status;
}

static ClientStatus
show_host(const CommandContext *context)
{
    struct json_object *host = json_object_new_object();
    struct json_object *warnings = NULL;
    ClientStatus status = describe_host(context->bus, host);

    if (status == CLIENT_OK && context->output.json) {
        output_json(host);
    } else if (status == CLIENT_OK) {
        print_member(_("Version"), host, "Version");
        print_member(_("State"), host, "StateDirectory");
        print_member(_("Sockets"), host, "RuntimeDirectory");
        print_member(_("Machines"), host, "Machines");
        print_member(_("Snapshots"), host, "Snapshots");
        print_member(_("Bridges"), host, "Bridges");
        print_member(_("TAPs"), host, "Taps");
        print_member(_("Features"), host, "Features");
        (void)json_object_object_get_ex(host, "Warnings", &warnings);
        if (json_object_array_length(warnings) > 0)
            print_field(_("Warnings"), _("see bangerctl doctor"));
    }
    json_object_put(host);
    return status;
}

ClientStatus
command_status(const CommandContext *context, char **arguments)
{
    struct json_object *objects, *machine;
    ClientStatus status;

    if (arguments[0] == NULL)
        return show_host(context);
    status = client_find_machine(context->bus, arguments[0], &objects, &machine);
    if (status != CLIENT_OK)
        return status;
    if (context->output.json)
        output_json(machine);
    else
        print_machine(context, machine);
    json_object_put(objects);
    return CLIENT_OK;
}

ClientStatus
command_show(const CommandContext *context, char **arguments)
{
    struct json_object *objects, *machine;
    ClientStatus status = client_find_machine(context->bus, arguments[0], &objects, &machine);

    if (status != CLIENT_OK)
        return status;
    if (!output_properties(&context->output, machine, context->property))
        status = command_refuse_usage(_("a machine has no property %s; bangerctl show %s has all"),
                                      context->property, arguments[0]);
    json_object_put(objects);
    return status;
}

ClientStatus
command_kill(const CommandContext *context, char **arguments)
{
    struct json_object *objects, *machine, *leader = NULL;
    ClientStatus status = client_find_machine(context->bus, arguments[0], &objects, &machine);
    sd_bus_message *message;
    int r;

    if (status != CLIENT_OK)
        return status;
    (void)json_object_object_get_ex(machine, "Leader", &leader);
    message = client_message(context->bus, "SignalProcess");
    r = sd_bus_message_append(message, "uss", (uint32_t)json_object_get_int64(leader),
                              context->signal != NULL ? context->signal : "KILL", "");
    json_object_put(objects);
    if (r < 0)
        g_error("out of memory");
    return client_call(context->bus, message, NULL);
}

/* How the machine @id ended, which is @how as StopMachine has it. */
static void
print_end(const CommandContext *context, const char *id, const char *how)
{
    struct json_object *object;

    if (context->output.json) {
        object = json_object_new_object();
        (void)json_object_object_add(object, "Id", json_object_new_string(id));
        (void)json_object_object_add(object, "How", json_object_new_string(how));
        output_json(object);
        json_object_put(object);
        return;
    }
    if (g_str_equal(how, "guest"))
        g_print(_("%s has shut down."), id);
    else if (g_str_equal(how, "term"))
        g_print(_("%s did not shut down by itself and was terminated."), id);
    else if (g_str_equal(how, "kill"))
        g_print(_("%s did not shut down by itself and was killed."), id);
    else
        g_print(_("There is no machine %s that runs."), id);
    g_print("\n");
}

ClientStatus
command_stop(const CommandContext *context, char **arguments)
{
    g_autofree char *op_id = banger_op_id_mint();
    g_autoptr(sd_bus_message) reply = NULL;
    sd_bus_message *message = client_message(context->bus, "StopMachine");
    const char *how = "";
    ClientStatus status;

    if (sd_bus_message_append(
            message, "sus", arguments[0],
            (uint32_t)(context->timeout_s >= 0 ? context->timeout_s : STOP_TIMEOUT_S), op_id) < 0)
        g_error("out of memory");
    status = progress_call(context->bus, message, op_id, &reply);
    if (status != CLIENT_OK)
        return status;
    (void)sd_bus_message_read(reply, "s", &how);
    print_end(context, arguments[0], how);
    return CLIENT_OK;
}
