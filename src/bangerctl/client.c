/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/client.h"

#include <errno.h>
#include <string.h>

#include "bangerctl/agent.h"
#include "bangerctl/bus-value.h"
#include "bangerctl/text-domain.h"
#include "util/op-id.h"
#include "util/sd-auto.h"
#include "util/settings.h"
#include "util/text.h"

/* What to do about an error. */
static const struct {
    const char *name;
    ClientStatus status;
    const char *advice;
} advices[] = {
    {"org.freedesktop.DBus.Error.AccessDenied", CLIENT_REFUSED,
     N_("polkit refused it: run this as root, or become a member of the group banger, see "
        "banger-helper(7)")},
    {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", CLIENT_REFUSED,
     N_("it needs a password, and no agent could ask for it: run this as root or as a member of "
        "the group banger, or start pkttyagent(1)")},
    {"org.freedesktop.DBus.Error.ServiceUnknown", CLIENT_FAILED,
     N_("banger-helper is not installed there, or the bus has not read its configuration yet")},
    {"org.freedesktop.DBus.Error.UnknownMethod", CLIENT_FAILED,
     N_("the helper there is of another version: see bangerctl status")},
    {"org.freedesktop.DBus.Error.LimitsExceeded", CLIENT_FAILED,
     N_("wait until other calls have ended, and try again")},
    {"org.banger.Helper1.Error.BadParams", CLIENT_FAILED,
     N_("org.banger.Helper1(5) says what each argument may be")},
    {"org.banger.Helper1.Error.NotFound", CLIENT_NOT_FOUND, NULL},
    {"org.banger.Helper1.Error.AlreadyExists", CLIENT_FAILED,
     N_("take another name, or remove what has it")},
    {"org.banger.Helper1.Error.Busy", CLIENT_FAILED, N_("stop what uses it, and try again")},
    {"org.banger.Helper1.Error.NotManaged", CLIENT_FAILED,
     N_("it belongs to another program, which has to change it")},
    {"org.banger.Helper1.Error.NotSupported", CLIENT_FAILED,
     N_("bangerctl doctor shows what this host lacks")},
};

/* The operation id at the end of a message of the helper, "… (OP_ID)"; NULL if there is none. */
static char *
find_op_id(const char *text)
{
    const char *open = strrchr(text, '(');
    g_autofree char *op_id = NULL;

    if (open == NULL || !g_str_has_suffix(open, ")"))
        return NULL;
    op_id = g_strndup(open + 1, strlen(open) - 2);
    return banger_op_id_is_valid(op_id) ? g_steal_pointer(&op_id) : NULL;
}

/* Whether the bus is another host's: that ssh was started is all that is known before a call. */
static bool is_remote;

static bool
is_of_connection(const sd_bus_error *error)
{
    return sd_bus_error_has_name(error, "System.Error.ENOTCONN") ||
           sd_bus_error_has_name(error, "System.Error.ECONNRESET") ||
           sd_bus_error_has_name(error, "System.Error.EPIPE");
}

static void
advise_on_ssh(void)
{
    g_printerr("bangerctl: %s\n",
               _("ssh to that host has to work, and systemd-stdio-bridge(1) to be on it"));
}

ClientStatus
client_fail(const char *what, const sd_bus_error *error, int r)
{
    g_autofree char *reason = banger_text_make_printable(
        sd_bus_error_is_set(error) && error->message != NULL ? error->message : g_strerror(-r), -1);
    g_autofree char *op_id = find_op_id(reason);
    ClientStatus status = CLIENT_FAILED;

    g_printerr("bangerctl: %s: %s\n", what, reason);
    for (size_t i = 0; i < G_N_ELEMENTS(advices); i++)
        if (sd_bus_error_has_name(error, advices[i].name)) {
            if (advices[i].advice != NULL)
                g_printerr("bangerctl: %s\n", _(advices[i].advice));
            status = advices[i].status;
        }
    if (is_remote && is_of_connection(error))
        advise_on_ssh();
    if (op_id != NULL) {
        g_printerr(_("bangerctl: what was done is shown by: bangerctl trace %s"), op_id);
        g_printerr("\n");
    }
    return status;
}

/* Says why there is no connection, and what to do about it where @r, a negative errno, shows it. */
static ClientStatus
fail_to_connect(const char *container, int r)
{
    ClientStatus status = client_fail(_("cannot connect to the system bus"), NULL, r);
    const char *advice = NULL;

    /* An ssh that ends at once breaks the pipe before there is a connection to lose. */
    if (is_remote)
        advise_on_ssh();
    else if (container != NULL && r == -EHOSTDOWN)
        advice = _("no container of that name runs: machinectl list shows those that do");
    else if (container != NULL && (r == -EPERM || r == -EACCES))
        advice = _("only root can enter a container: run this as root");
    else if (r == -ENOENT || r == -ECONNREFUSED)
        advice = _("there is none, or it does not run: systemctl status dbus.socket shows which");
    if (advice != NULL)
        g_printerr("bangerctl: %s\n", advice);
    return status;
}

ClientStatus
client_open(const char *host, const char *container, sd_bus **ret_bus)
{
    int r;

    is_remote = host != NULL;
    if (host != NULL)
        r = sd_bus_open_system_remote(ret_bus, host);
    else if (container != NULL)
        r = sd_bus_open_system_machine(ret_bus, container);
    else
        r = sd_bus_open_system(ret_bus);
    return r < 0 ? fail_to_connect(container, r) : CLIENT_OK;
}

sd_bus_message *
client_message(sd_bus *bus, const char *member)
{
    sd_bus_message *message = NULL;

    if (sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                       BANGER_INTERFACE, member) < 0 ||
        sd_bus_message_set_allow_interactive_authorization(message, agent_may_ask()) < 0)
        g_error("out of memory");
    return message;
}

ClientStatus
client_call(sd_bus *bus, sd_bus_message *message, sd_bus_message **ret_reply)
{
    g_autoptr(sd_bus_message) owned = message;
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    int r;

    agent_start();
    r = sd_bus_call(bus, owned, CLIENT_CALL_TIMEOUT_USEC, &error, ret_reply);
    return r < 0 ? client_fail(sd_bus_message_get_member(owned), &error, r) : CLIENT_OK;
}

const char *
client_member_text(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    const char *text = NULL;

    if (json_object_object_get_ex(object, name, &value) && value != NULL)
        text = json_object_get_string(value);
    return text != NULL ? text : "";
}

uint64_t
client_member_number(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;

    (void)json_object_object_get_ex(object, name, &value);
    return json_object_get_uint64(value);
}

static const char *
name_object(struct json_object *object)
{
    struct json_object *name;

    if (!json_object_object_get_ex(object, "Id", &name) &&
        !json_object_object_get_ex(object, "Name", &name))
        return "";
    return json_object_get_string(name);
}

static int
compare_names(const void *a, const void *b)
{
    struct json_object *const *first = a;
    struct json_object *const *second = b;

    return strcmp(name_object(*first), name_object(*second));
}

/*
 * The properties of the interface @interface among the interfaces that are next; NULL without it.
 */
static struct json_object *
read_interface(sd_bus_message *message, const char *interface)
{
    struct json_object *object = NULL;
    const char *its;

    if (sd_bus_message_enter_container(message, 'a', "{sa{sv}}") < 0)
        return NULL;
    while (sd_bus_message_enter_container(message, 'e', "sa{sv}") > 0) {
        if (sd_bus_message_read_basic(message, 's', &its) > 0 && object == NULL &&
            g_str_equal(its, interface))
            object = bus_value_read(message);
        else
            (void)sd_bus_message_skip(message, "a{sv}");
        (void)sd_bus_message_exit_container(message);
    }
    (void)sd_bus_message_exit_container(message);
    return object;
}

struct json_object *
client_read_object(sd_bus_message *message, const char *kind, const char **ret_path)
{
    g_autofree char *interface = g_strconcat(BANGER_INTERFACE ".", kind, NULL);

    if (sd_bus_message_read_basic(message, 'o', ret_path) <= 0)
        return NULL;
    return read_interface(message, interface);
}

static int
list_objects(sd_bus *bus, const char *kind, bool with_path, sd_bus_error *error,
             struct json_object **ret_objects)
{
    g_autoptr(sd_bus_message) reply = NULL;
    struct json_object *objects;
    int r = sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                               "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", error,
                               &reply, "");

    if (r < 0)
        return r;
    objects = json_object_new_array();
    r = sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}");
    while (r >= 0 && sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
        const char *path = NULL;
        struct json_object *object = client_read_object(reply, kind, &path);

        if (object != NULL && with_path)
            (void)json_object_object_add(object, "Path", json_object_new_string(path));
        if (object != NULL)
            (void)json_object_array_add(objects, object);
        (void)sd_bus_message_exit_container(reply);
    }
    json_object_array_sort(objects, compare_names);
    *ret_objects = objects;
    return 0;
}

ClientStatus
client_list(sd_bus *bus, const char *kind, struct json_object **ret_objects)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    int r = list_objects(bus, kind, false, &error, ret_objects);

    return r < 0 ? client_fail(_("cannot list the objects"), &error, r) : CLIENT_OK;
}

char *
client_find_job(sd_bus *bus, const char *op_id, struct json_object **ret_job)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    struct json_object *jobs = NULL;
    char *path = NULL;

    if (list_objects(bus, "Job", true, &error, &jobs) < 0)
        return NULL;
    for (size_t i = 0; path == NULL && i < json_object_array_length(jobs); i++) {
        struct json_object *job = json_object_array_get_idx(jobs, i);

        if (g_str_equal(client_member_text(job, "OpId"), op_id)) {
            path = g_strdup(client_member_text(job, "Path"));
            *ret_job = json_object_get(job);
        }
    }
    json_object_put(jobs);
    return path;
}

struct json_object *
client_find(struct json_object *objects, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(objects); i++) {
        struct json_object *object = json_object_array_get_idx(objects, i);

        if (g_str_equal(name_object(object), name))
            return object;
    }
    return NULL;
}

ClientStatus
client_find_machine(sd_bus *bus, const char *id, struct json_object **ret_objects,
                    struct json_object **ret_machine)
{
    struct json_object *objects = NULL;
    ClientStatus status = client_list(bus, "Machine", &objects);

    if (status != CLIENT_OK)
        return status;
    *ret_machine = client_find(objects, id);
    if (*ret_machine != NULL) {
        *ret_objects = objects;
        return CLIENT_OK;
    }
    g_printerr(_("bangerctl: there is no machine %s; see bangerctl list"), id);
    g_printerr("\n");
    json_object_put(objects);
    return CLIENT_NOT_FOUND;
}

ClientStatus
client_get_text(sd_bus *bus, const char *name, char **ret_text)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autofree char *text = NULL;
    int r = sd_bus_get_property_string(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH, BANGER_INTERFACE,
                                       name, &error, &text);

    if (r < 0)
        return client_fail(name, &error, r);
    *ret_text = g_strdup(text);
    return CLIENT_OK;
}

ClientStatus
client_get_texts(sd_bus *bus, const char *name, char ***ret_texts)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    char **texts = NULL;
    int r = sd_bus_get_property_strv(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH, BANGER_INTERFACE,
                                     name, &error, &texts);

    if (r < 0)
        return client_fail(name, &error, r);
    *ret_texts = texts != NULL ? texts : g_new0(char *, 1); /* none: NULL */
    return CLIENT_OK;
}
