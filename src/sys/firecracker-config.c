/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/firecracker-config.h"

#include <string.h>

#include "util/json-string.h"

#define FAULT_MAX 1024

const BangerFirecrackerRequest banger_firecracker_start = {
    .path = (char *)"/actions",
    .body = (char *)"{\"action_type\":\"InstanceStart\"}",
};

/* Appends ,"@name": or {"@name": if it is the first member. */
static void
append_name(GString *body, const char *name)
{
    g_string_append_c(body, body->len == 0 ? '{' : ',');
    banger_json_append_string(body, name);
    g_string_append_c(body, ':');
}

static void
append_string(GString *body, const char *name, const char *value)
{
    append_name(body, name);
    banger_json_append_string(body, value);
}

static void
append_uint(GString *body, const char *name, uint32_t value)
{
    append_name(body, name);
    g_string_append_printf(body, "%u", value);
}

static void
append_bool(GString *body, const char *name, bool value)
{
    append_name(body, name);
    g_string_append(body, value ? "true" : "false");
}

static void
free_request(gpointer data)
{
    BangerFirecrackerRequest *request = data;

    g_free(request->path);
    g_free(request->body);
    g_free(request);
}

/* Adds the request to put @body, which is freed, to @path, which is taken. */
static void
add(GPtrArray *requests, char *path, GString *body)
{
    BangerFirecrackerRequest *request = g_new0(BangerFirecrackerRequest, 1);

    g_string_append_c(body, '}');
    request->path = path;
    request->body = g_string_free(body, FALSE);
    g_ptr_array_add(requests, request);
}

static void
add_observation(GPtrArray *requests, const BangerLaunchFirecrackerRequest *launch)
{
    GString *logger = g_string_new(NULL);
    GString *metrics = g_string_new(NULL);

    append_string(logger, "log_path", launch->log_path);
    append_string(logger, "level", "Info");
    append_bool(logger, "show_level", true);
    append_bool(logger, "show_log_origin", false);
    add(requests, g_strdup("/logger"), logger);
    append_string(metrics, "metrics_path", launch->metrics_path);
    add(requests, g_strdup("/metrics"), metrics);
}

static void
add_machine(GPtrArray *requests, const BangerLaunchFirecrackerRequest *launch)
{
    GString *machine = g_string_new(NULL);
    GString *boot = g_string_new(NULL);

    append_uint(machine, "vcpu_count", launch->vcpu_count);
    append_uint(machine, "mem_size_mib", launch->memory_mib);
    append_bool(machine, "smt", false);
    add(requests, g_strdup("/machine-config"), machine);
    append_string(boot, "kernel_image_path", launch->kernel_image_path);
    if (launch->initrd_path[0] != '\0')
        append_string(boot, "initrd_path", launch->initrd_path);
    if (launch->kernel_args[0] != '\0')
        append_string(boot, "boot_args", launch->kernel_args);
    add(requests, g_strdup("/boot-source"), boot);
}

static void
add_drive(GPtrArray *requests, const BangerDrive *drive)
{
    GString *body = g_string_new(NULL);

    append_string(body, "drive_id", drive->id);
    append_string(body, "path_on_host", drive->path);
    append_bool(body, "is_root_device", drive->is_root);
    append_bool(body, "is_read_only", drive->read_only);
    add(requests, g_strconcat("/drives/", drive->id, NULL), body);
}

static void
add_devices(GPtrArray *requests, const BangerLaunchFirecrackerRequest *launch)
{
    GString *interface = g_string_new(NULL);

    for (guint i = 0; i < launch->drives->len; i++)
        add_drive(requests, &g_array_index(launch->drives, BangerDrive, i));
    append_string(interface, "iface_id", "eth0");
    append_string(interface, "host_dev_name", launch->tap_device);
    add(requests, g_strdup("/network-interfaces/eth0"), interface);
    if (launch->vsock_path[0] != '\0') {
        GString *vsock = g_string_new(NULL);

        append_uint(vsock, "guest_cid", launch->vsock_cid);
        append_string(vsock, "uds_path", launch->vsock_path);
        add(requests, g_strdup("/vsock"), vsock);
    }
}

GPtrArray *
banger_firecracker_configuration(const BangerLaunchFirecrackerRequest *launch)
{
    GPtrArray *requests = g_ptr_array_new_with_free_func(free_request);

    add_observation(requests, launch);
    add_machine(requests, launch);
    add_devices(requests, launch);
    return requests;
}

/* Where @wanted begins in the @length bytes of @text, or NULL. */
static const char *
find(const char *text, size_t length, const char *wanted)
{
    return memmem(text, length, wanted, strlen(wanted));
}

/* The character that "\@escape" stands for; a blank for those that are not worth showing. */
static char
unescape(char escape)
{
    if (escape == '"' || escape == '\\' || escape == '/')
        return escape;
    return ' ';
}

/* @character, or a blank for one that would not show. */
static char
shown(char character)
{
    if ((guchar)character < 0x20 || character == 0x7f)
        return ' ';
    return character;
}

/* Takes from @text what changes how the rest of a line shows: control and format characters. */
static char *
plain(const char *text, size_t length)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)length);
    GString *result = g_string_new(NULL);

    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        GUnicodeType type = g_unichar_type(g_utf8_get_char(at));

        if (type != G_UNICODE_CONTROL && type != G_UNICODE_FORMAT)
            g_string_append_len(result, at, g_utf8_next_char(at) - at);
    }
    return g_string_free(result, FALSE);
}

char *
banger_firecracker_fault_message(const char *body, size_t length)
{
    static const char key[] = "\"fault_message\"";
    const char *end = body + length;
    const char *at = find(body, length, key);
    g_autoptr(GString) message = g_string_new(NULL);

    if (at == NULL)
        return NULL;
    at += strlen(key);
    while (at < end && (g_ascii_isspace(*at) || *at == ':'))
        at++;
    if (at == end || *at != '"')
        return NULL;
    for (at++; at < end && *at != '"' && message->len < FAULT_MAX; at++) {
        if (*at == '\\' && at + 1 < end)
            g_string_append_c(message, unescape(*++at));
        else
            g_string_append_c(message, shown(*at));
    }
    return plain(message->str, message->len);
}
