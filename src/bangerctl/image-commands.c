/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "bangerctl/commands.h"
#include "bangerctl/progress.h"
#include "bangerctl/relay.h"
#include "bangerctl/text-domain.h"
#include "model/bounds.h"
#include "util/op-id.h"
#include "util/sd-auto.h"

ClientStatus
command_snapshots(const CommandContext *context, char **arguments)
{
    static const char *const columns[] = {"Name",     "State",     "Machine", "SizeBytes",
                                          "CowBytes", "UsedBytes", NULL};

    (void)arguments;
    return command_list_objects(context, "Snapshot", columns);
}

/*
 * The image @text: a relative path begins at the working directory, unless another host is asked.
 * Free with g_free().
 */
static char *
name_image(const CommandContext *context, const char *text)
{
    const bool is_here = context->host == NULL && context->container == NULL;

    if (!is_here || text[0] == '\0' || g_path_is_absolute(text))
        return g_strdup(text);
    return g_canonicalize_filename(text, NULL);
}

/* Whether the bus carries descriptors: one by ssh does not. */
static bool
can_send_files(const CommandContext *context)
{
    return sd_bus_can_send(context->bus, 'h') > 0;
}

static ClientStatus
read_whole(const CommandContext *context, char **arguments)
{
    sd_bus_message *message = client_message(context->bus, "ReadExt4File");
    g_autoptr(sd_bus_message) reply = NULL;
    const void *data;
    size_t size;
    ClientStatus status;

    if (sd_bus_message_append(message, "sss", arguments[0], arguments[1], "") < 0)
        g_error("out of memory");
    status = client_call(context->bus, message, &reply);
    if (status != CLIENT_OK)
        return status;
    if (sd_bus_message_read_array(reply, 'y', &data, &size) < 0 ||
        fwrite(data, 1, size, stdout) != size || fflush(stdout) != 0)
        return client_fail(_("cannot write the file to standard output"), NULL, -errno);
    return CLIENT_OK;
}

ClientStatus
command_read(const CommandContext *context, char **arguments)
{
    g_autofree char *op_id = banger_op_id_mint();
    g_autofree char *image = name_image(context, arguments[0]);
    sd_bus_message *message;
    ClientStatus status;
    Relay *relay;
    int r;

    if (!can_send_files(context))
        return read_whole(context, arguments);
    relay = relay_new(false);
    if (relay == NULL)
        return client_fail(_("cannot write the file to standard output"), NULL, -errno);
    message = client_message(context->bus, "ReadExt4FileTo");
    r = sd_bus_message_append(message, "sshs", image, arguments[1], relay_fd(relay), op_id);
    if (r < 0)
        g_error("out of memory");
    status = progress_call(context->bus, message, op_id, NULL);
    if (!relay_finish(relay, true) && status == CLIENT_OK)
        return client_fail(_("cannot write the file to standard output"), NULL, -errno);
    return status;
}

/* The arguments of WriteExt4Files for one file. */
static int
append_whole(sd_bus_message *message, char **arguments, const char *data, size_t size)
{
    int r = sd_bus_message_append(message, "s", arguments[0]);

    if (r < 0)
        return r;
    r = sd_bus_message_open_container(message, 'a', "(sayu)");
    if (r < 0)
        return r;
    r = sd_bus_message_open_container(message, 'r', "sayu");
    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "s", arguments[1]);
    if (r < 0)
        return r;
    r = sd_bus_message_append_array(message, 'y', data, size);
    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "u", 0);
    if (r < 0)
        return r;
    r = sd_bus_message_close_container(message);
    if (r < 0)
        return r;
    r = sd_bus_message_close_container(message);
    if (r < 0)
        return r;
    return sd_bus_message_append(message, "s", "");
}

static ClientStatus
write_whole(const CommandContext *context, char **arguments)
{
    g_autofree char *data = g_malloc(BANGER_GUEST_FILE_MAX + 1);
    size_t size = fread(data, 1, BANGER_GUEST_FILE_MAX + 1, stdin);
    sd_bus_message *message;
    int r;

    if (ferror(stdin))
        return client_fail(_("cannot read standard input"), NULL, -errno);
    message = client_message(context->bus, "WriteExt4Files");
    r = append_whole(message, arguments, data, size);
    if (r < 0) {
        sd_bus_message_unref(message);
        return client_fail(_("cannot write the file"), NULL, r);
    }
    return client_call(context->bus, message, NULL);
}

ClientStatus
command_write(const CommandContext *context, char **arguments)
{
    g_autofree char *op_id = banger_op_id_mint();
    g_autofree char *image = name_image(context, arguments[0]);
    sd_bus_message *message;
    ClientStatus status;
    Relay *relay;

    if (!can_send_files(context))
        return write_whole(context, arguments);
    relay = relay_new(true);
    if (relay == NULL)
        return client_fail(_("cannot read standard input"), NULL, -errno);
    message = client_message(context->bus, "WriteExt4FilesFrom");
    if (sd_bus_message_append(message, "sa(shu)s", image, 1, arguments[1], relay_fd(relay), 0,
                              op_id) < 0)
        g_error("out of memory");
    status = progress_call(context->bus, message, op_id, NULL);
    if (!relay_finish(relay, status == CLIENT_OK))
        return client_fail(_("cannot read standard input"), NULL, -errno);
    return status;
}

ClientStatus
command_check(const CommandContext *context, char **arguments)
{
    g_autofree char *op_id = banger_op_id_mint();
    g_autofree char *image = name_image(context, arguments[0]);
    sd_bus_message *message = client_message(context->bus, "CheckImage");
    g_autoptr(sd_bus_message) reply = NULL;
    struct json_object *object;
    ClientStatus status;
    int corrected = 0;

    if (sd_bus_message_append(message, "sbs", image, context->repair, op_id) < 0)
        g_error("out of memory");
    status = progress_call(context->bus, message, op_id, &reply);
    if (status != CLIENT_OK)
        return status;
    (void)sd_bus_message_read(reply, "b", &corrected);
    if (!context->output.json) {
        g_print("%s\n", corrected ? _("corrected") : _("clean"));
        return CLIENT_OK;
    }
    object = json_object_new_object();
    (void)json_object_object_add(object, "Corrected", json_object_new_boolean(corrected));
    output_json(object);
    json_object_put(object);
    return CLIENT_OK;
}
