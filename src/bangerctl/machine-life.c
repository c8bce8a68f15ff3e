/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bangerctl/bus-value.h"
#include "bangerctl/commands.h"
#include "bangerctl/machine-file.h"
#include "bangerctl/progress.h"
#include "bangerctl/text-domain.h"
#include "model/names.h"
#include "util/op-id.h"
#include "util/sd-auto.h"

#define DEFAULT_BINARY "/usr/local/bin/firecracker"
#define DEFAULT_KERNEL_ARGS "console=ttyS0 reboot=k panic=1"

static ClientStatus
report_error(GError *error)
{
    g_printerr("bangerctl: %s\n", error->message);
    g_error_free(error);
    return CLIENT_USAGE;
}

static void
set_default(struct json_object *machine, const char *key, struct json_object *value)
{
    if (json_object_object_get_ex(machine, key, NULL))
        json_object_put(value);
    else
        (void)json_object_object_add(machine, key, value);
}

/* The key @key is the path @directory/ID@ending, unless the file says otherwise. */
static void
set_default_path(struct json_object *machine, const char *key, const char *directory,
                 const char *ending)
{
    g_autofree char *path =
        g_strdup_printf("%s/%s%s", directory, client_member_text(machine, "vm_id"), ending);

    set_default(machine, key, json_object_new_string(path));
}

/*
 * Where firecracker is. Where asking that needs a password, it is where doctor says that it is to
 * be: CreateMachine says what is wrong with that, and needs the password itself.
 */
static ClientStatus
find_binary(sd_bus *bus, struct json_object *machine)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    g_autoptr(sd_bus_message) message = NULL;
    const char *path = DEFAULT_BINARY;
    int r;

    if (json_object_object_get_ex(machine, "binary_path", NULL))
        return CLIENT_OK;
    message = client_message(bus, "ResolveFirecrackerBinary");
    if (sd_bus_message_set_allow_interactive_authorization(message, false) < 0 ||
        sd_bus_message_append(message, "ss", "", "") < 0)
        g_error("out of memory");
    r = sd_bus_call(bus, message, CLIENT_CALL_TIMEOUT_USEC, &error, &reply);
    if (r >= 0)
        r = sd_bus_message_read(reply, "s", &path);
    else if (sd_bus_error_has_name(&error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
        r = 0;
    if (r < 0) {
        ClientStatus status = client_fail("ResolveFirecrackerBinary", &error, r);

        if (status == CLIENT_NOT_FOUND)
            g_printerr("bangerctl: %s\n", _("bangerctl doctor shows what this host lacks"));
        return status;
    }
    (void)json_object_object_add(machine, "binary_path", json_object_new_string(path));
    return CLIENT_OK;
}

/* What a machine's file may leave out. */
static ClientStatus
complete_machine(sd_bus *bus, struct json_object *machine)
{
    g_autofree char *state = NULL, *runtime = NULL, *tap = NULL;
    ClientStatus status = client_get_text(bus, "StateDirectory", &state);

    if (status == CLIENT_OK)
        status = client_get_text(bus, "RuntimeDirectory", &runtime);
    if (status == CLIENT_OK)
        status = find_binary(bus, machine);
    if (status != CLIENT_OK)
        return status;
    set_default_path(machine, "socket_path", runtime, ".sock");
    set_default_path(machine, "log_path", state, ".log");
    set_default_path(machine, "metrics_path", state, ".metrics");
    tap = g_strconcat(BANGER_TAP_PREFIX, client_member_text(machine, "vm_id"), NULL);
    if (banger_name_check_tap(tap, NULL))
        set_default(machine, "tap_device", json_object_new_string(tap));
    set_default(machine, "kernel_args", json_object_new_string(DEFAULT_KERNEL_ARGS));
    set_default(machine, "vcpu_count", json_object_new_int(1));
    set_default(machine, "memory_mib", json_object_new_int(256));
    set_default(machine, "drives", json_object_new_array());
    return CLIENT_OK;
}

/* Calls @method with the dictionary @machine, which it frees. */
static ClientStatus
call_with_machine(sd_bus *bus, const char *method, struct json_object *machine,
                  sd_bus_message **ret_reply)
{
    g_autofree char *op_id = banger_op_id_mint();
    g_autoptr(GError) error = NULL;
    sd_bus_message *message = client_message(bus, method);
    bool ok = bus_value_append(message, "a{sv}", machine_file_field(), "machine", machine, &error);

    json_object_put(machine);
    if (!ok) {
        sd_bus_message_unref(message);
        return report_error(g_steal_pointer(&error));
    }
    if (sd_bus_message_append(message, "s", op_id) < 0)
        g_error("out of memory");
    return progress_call(bus, message, op_id, ret_reply);
}

static void
print_made(const CommandContext *context, const char *id, uint32_t pid)
{
    struct json_object *object;

    if (!context->output.json) {
        if (context->dry_run)
            g_print(_("%s can be made; nothing was made."), id);
        else
            g_print(_("%s runs as process %u."), id, pid);
        g_print("\n");
        return;
    }
    object = json_object_new_object();
    (void)json_object_object_add(object, "Id", json_object_new_string(id));
    (void)json_object_object_add(object, "Leader", json_object_new_int64(pid));
    output_json(object);
    json_object_put(object);
}

ClientStatus
command_create(const CommandContext *context, char **arguments)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *id = NULL;
    GError *error = NULL;
    struct json_object *machine;
    ClientStatus status;
    uint32_t pid = 0;

    if (!machine_file_read(arguments[0], &machine, &error))
        return report_error(error);
    status = complete_machine(context->bus, machine);
    if (status != CLIENT_OK) {
        json_object_put(machine);
        return status;
    }
    if (context->dry_run)
        (void)json_object_object_add(machine, "dry_run", json_object_new_boolean(true));
    id = g_strdup(client_member_text(machine, "vm_id"));
    status = call_with_machine(context->bus, "CreateMachine", machine, &reply);
    if (status != CLIENT_OK)
        return status;
    (void)sd_bus_message_read(reply, "ou", NULL, &pid);
    print_made(context, id, pid);
    return CLIENT_OK;
}

/* A machine by its name, or by its file: with a slash, or an extension, which no name has. */
static bool
read_name(const char *text, struct json_object **ret_machine, GError **error)
{
    struct json_object *machine;

    if (strpbrk(text, "/.") != NULL)
        return machine_file_read(text, ret_machine, error);
    machine = json_object_new_object();
    (void)json_object_object_add(machine, "vm_id", json_object_new_string(text));
    *ret_machine = machine;
    return true;
}

/*
 * Nothing knows of a machine that has ended where its socket was: where bangerctl puts it, unless
 * @machine, which was a file, says otherwise. *@ret_runs: whether there is such a machine.
 */
static ClientStatus
complete_remains(sd_bus *bus, struct json_object *machine, bool *ret_runs)
{
    g_autofree char *runtime = NULL;
    struct json_object *objects;
    ClientStatus status = client_list(bus, "Machine", &objects);

    if (status != CLIENT_OK)
        return status;
    *ret_runs = client_find(objects, client_member_text(machine, "vm_id")) != NULL;
    if (!*ret_runs) {
        status = client_get_text(bus, "RuntimeDirectory", &runtime);
        if (status == CLIENT_OK)
            set_default_path(machine, "socket_path", runtime, ".sock");
    }
    json_object_put(objects);
    return status;
}

ClientStatus
command_destroy(const CommandContext *context, char **arguments)
{
    g_autofree char *id = NULL;
    GError *error = NULL;
    struct json_object *machine;
    ClientStatus status;
    bool runs = false;

    if (!read_name(arguments[0], &machine, &error))
        return report_error(error);
    id = g_strdup(client_member_text(machine, "vm_id"));
    status = complete_remains(context->bus, machine, &runs);
    if (status != CLIENT_OK) {
        json_object_put(machine);
        return status;
    }
    if (context->timeout_s >= 0)
        (void)json_object_object_add(machine, "stop_timeout_s",
                                     json_object_new_int(context->timeout_s));
    if (context->remove_cow)
        (void)json_object_object_add(machine, "remove_cow", json_object_new_boolean(true));
    status = call_with_machine(context->bus, "DestroyMachine", machine, NULL);
    if (status == CLIENT_OK && !context->output.json) {
        g_print(runs ? _("%s is destroyed.") : _("No %s ran; what was left of it is removed."), id);
        g_print("\n");
    }
    return status;
}

/* The a(sss) of @reply as objects with the members "Kind", "Name" and "Action". */
static struct json_object *
read_changes(sd_bus_message *reply)
{
    struct json_object *changes = json_object_new_array();
    const char *kind, *name, *action;

    if (sd_bus_message_enter_container(reply, 'a', "(sss)") < 0)
        return changes;
    while (sd_bus_message_read(reply, "(sss)", &kind, &name, &action) > 0) {
        struct json_object *change = json_object_new_object();

        (void)json_object_object_add(change, "Kind", json_object_new_string(kind));
        (void)json_object_object_add(change, "Name", json_object_new_string(name));
        (void)json_object_object_add(change, "Action", json_object_new_string(action));
        (void)json_object_array_add(changes, change);
    }
    (void)sd_bus_message_exit_container(reply);
    return changes;
}

ClientStatus
command_gc(const CommandContext *context, char **arguments)
{
    static const char *const columns[] = {"Kind", "Name", "Action", NULL};
    g_autofree char *op_id = banger_op_id_mint();
    g_autoptr(sd_bus_message) reply = NULL;
    sd_bus_message *message = client_message(context->bus, "Reconcile");
    struct json_object *changes;
    ClientStatus status;

    (void)arguments;
    if (sd_bus_message_append_strv(message, context->keep) < 0 ||
        sd_bus_message_append_strv(message, context->remove) < 0 ||
        sd_bus_message_append(message, "bs", context->dry_run, op_id) < 0)
        g_error("out of memory");
    status = progress_call(context->bus, message, op_id, &reply);
    if (status != CLIENT_OK)
        return status;
    changes = read_changes(reply);
    output_table(&context->output, changes, columns);
    json_object_put(changes);
    return CLIENT_OK;
}
