/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/commands.h"
#include "bangerctl/journal-lines.h"
#include "util/sd-auto.h"
#include "util/settings.h"

/*
 * The text is valid both as OpenMetrics and in the older format of Prometheus, which is what the
 * textfile collector of node_exporter reads. So all are gauges: of counters and of facts ("info")
 * the two write the names, or the types, in different ways.
 */
static void
begin_family(GString *text, const char *name, const char *help)
{
    g_string_append_printf(text, "# HELP banger_%s %s\n# TYPE banger_%s gauge\n", name, help, name);
}

/* Labels' values have backslash, double quote and line feed escaped. */
static void
append_label(GString *text, const char *name, const char *value)
{
    g_string_append_printf(text, "%s=\"", name);
    for (const char *c = value; *c != '\0'; c++)
        if (*c == '\n')
            g_string_append(text, "\\n");
        else
            g_string_append_printf(text, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    g_string_append_c(text, '"');
}

/*
 * A sample of each of @objects that has @member, labeled with its member @id as @label. What
 * systemd does not know is the largest number.
 */
static void
append_samples(GString *text, const char *name, struct json_object *objects, const char *label,
               const char *id, const char *member, double scale)
{
    for (size_t i = 0; i < json_object_array_length(objects); i++) {
        struct json_object *object = json_object_array_get_idx(objects, i);
        const uint64_t number = client_member_number(object, member);
        char buffer[G_ASCII_DTOSTR_BUF_SIZE];

        if (number == UINT64_MAX)
            continue;
        g_string_append_printf(text, "banger_%s{", name);
        append_label(text, label, client_member_text(object, id));
        if (scale < 1)
            g_string_append_printf(text, "} %s\n",
                                   g_ascii_dtostr(buffer, sizeof buffer, (double)number * scale));
        else
            g_string_append_printf(text, "} %" G_GUINT64_FORMAT "\n", number);
    }
}

static void
append_machines(GString *text, struct json_object *machines)
{
    static const char *const states[] = {"starting", "running", "stopping"};

    begin_family(text, "machines", "Machines by state.");
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        unsigned int n = 0;

        for (size_t j = 0; j < json_object_array_length(machines); j++)
            n += g_str_equal(client_member_text(json_object_array_get_idx(machines, j), "State"),
                             states[i]);
        g_string_append_printf(text, "banger_machines{state=\"%s\"} %u\n", states[i], n);
    }
    begin_family(text, "machine_memory_bytes", "Memory of a machine's unit.");
    append_samples(text, "machine_memory_bytes", machines, "vm", "Id", "MemoryCurrent", 1);
    begin_family(text, "machine_cpu_seconds", "Processor time of a machine's unit.");
    append_samples(text, "machine_cpu_seconds", machines, "vm", "Id", "CpuUsageUsec", 1e-6);
}

static void
append_snapshots(GString *text, struct json_object *snapshots)
{
    begin_family(text, "snapshot_cow_bytes", "Size of a snapshot's COW file.");
    append_samples(text, "snapshot_cow_bytes", snapshots, "snapshot", "Name", "CowBytes", 1);
    begin_family(text, "snapshot_used_bytes", "How much of its COW file a snapshot has taken.");
    append_samples(text, "snapshot_used_bytes", snapshots, "snapshot", "Name", "UsedBytes", 1);
}

static void
append_guests(GString *text, struct json_object *taps)
{
    size_t guests = 0;

    for (size_t i = 0; i < json_object_array_length(taps); i++) {
        struct json_object *addresses = NULL;

        if (json_object_object_get_ex(json_object_array_get_idx(taps, i), "GuestIps", &addresses))
            guests += json_object_array_length(addresses);
    }
    begin_family(text, "taps", "TAPs.");
    g_string_append_printf(text, "banger_taps %zu\n", json_object_array_length(taps));
    begin_family(text, "guest_addresses", "Addresses registered for guests.");
    g_string_append_printf(text, "banger_guest_addresses %zu\n", guests);
}

static void
append_failures(GString *text)
{
    struct json_object *failures = journal_count_failures();

    if (failures == NULL)
        return;
    begin_family(text, "failures_last_hour",
                 "Operations that failed in the last hour, by error, from the journal.");
    json_object_object_foreach (failures, name, count) {
        g_string_append(text, "banger_failures_last_hour{");
        append_label(text, "error", name);
        g_string_append_printf(text, "} %" G_GINT64_FORMAT "\n", json_object_get_int64(count));
    }
    json_object_put(failures);
}

static ClientStatus
append_host(const CommandContext *context, GString *text)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autofree char *version = NULL;
    g_auto(GStrv) warnings = NULL;
    uint32_t in_flight = 0;
    ClientStatus status = client_get_text(context->bus, "Version", &version);
    int r;

    if (status == CLIENT_OK)
        status = client_get_texts(context->bus, "Warnings", &warnings);
    if (status != CLIENT_OK)
        return status;
    r = sd_bus_get_property_trivial(context->bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                    BANGER_INTERFACE, "OperationsInFlight", &error, 'u',
                                    &in_flight);
    if (r < 0)
        return client_fail("OperationsInFlight", &error, r);
    begin_family(text, "helper_info", "The version of the helper.");
    g_string_append(text, "banger_helper_info{");
    append_label(text, "version", version);
    g_string_append(text, "} 1\n");
    begin_family(text, "operations_in_flight", "Operations that run now.");
    g_string_append_printf(text, "banger_operations_in_flight %u\n", in_flight);
    begin_family(text, "warnings", "What bangerctl doctor warns of.");
    g_string_append_printf(text, "banger_warnings %u\n", g_strv_length(warnings));
    return CLIENT_OK;
}

/* To standard output, or at once to the file of --output, as a collector wants it. */
static ClientStatus
write_text(const CommandContext *context, const GString *text)
{
    g_autoptr(GError) error = NULL;

    if (context->path == NULL) {
        g_print("%s", text->str);
        return CLIENT_OK;
    }
    if (g_file_set_contents_full(context->path, text->str, (gssize)text->len,
                                 G_FILE_SET_CONTENTS_CONSISTENT, 0644, &error))
        return CLIENT_OK;
    g_printerr("bangerctl: %s\n", error->message);
    return CLIENT_FAILED;
}

ClientStatus
command_metrics(const CommandContext *context, char **arguments)
{
    g_autoptr(GString) text = g_string_new(NULL);
    struct json_object *machines = NULL, *snapshots = NULL, *taps = NULL;
    ClientStatus status = append_host(context, text);

    (void)arguments;
    if (status == CLIENT_OK)
        status = client_list(context->bus, "Machine", &machines);
    if (status == CLIENT_OK)
        status = client_list(context->bus, "Snapshot", &snapshots);
    if (status == CLIENT_OK)
        status = client_list(context->bus, "Tap", &taps);
    if (status == CLIENT_OK) {
        append_machines(text, machines);
        append_snapshots(text, snapshots);
        append_guests(text, taps);
        if (context->host == NULL && context->container == NULL)
            append_failures(text);
        g_string_append(text, "# EOF\n");
        status = write_text(context, text);
    }
    json_object_put(machines);
    json_object_put(snapshots);
    json_object_put(taps);
    return status;
}
