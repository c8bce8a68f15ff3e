/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/samples.h"

#include <string.h>

#include "model/settings.h"

char *
sample_text(const BangerField *field)
{
    switch (field->kind) {
    case BANGER_KIND_LINK_NAME:
        return g_strdup("br-sample");
    case BANGER_KIND_TAP_NAME:
        return g_strdup("tap-fc-sample");
    case BANGER_KIND_ADDRESS:
    case BANGER_KIND_SERVER:
        return g_strdup("172.16.99.1");
    case BANGER_KIND_CIDR:
        return g_strdup("24");
    case BANGER_KIND_DM_NAME:
    case BANGER_KIND_DM_TARGET:
        return g_strdup("fc-rootfs-sample");
    case BANGER_KIND_DM_PATH:
        return g_strdup("/dev/mapper/fc-rootfs-sample");
    case BANGER_KIND_LOOP_PATH:
        return g_strdup("/dev/loop999999");
    case BANGER_KIND_STATE_PATH:
    case BANGER_KIND_IMAGE_PATH:
        return g_strconcat(BANGER_STATE_DIRECTORY "/", field->name, NULL);
    case BANGER_KIND_RUNTIME_PATH:
        return g_strconcat(BANGER_RUNTIME_DIRECTORY "/", field->name, NULL);
    case BANGER_KIND_GUEST_PATH:
        return g_strdup("/etc/hostname");
    case BANGER_KIND_BINARY:
        return g_strdup("firecracker");
    case BANGER_KIND_BINARY_PATH:
        return g_strdup("/usr/local/bin/firecracker");
    case BANGER_KIND_SIGNAL:
        return g_strdup("TERM");
    default:
        return g_strdup("sample");
    }
}

static uint32_t
sample_number(const BangerField *field, uint32_t pid)
{
    if (strcmp(field->name, "pid") == 0)
        return pid;
    return MAX(field->min, 3); /* the first vsock_cid of a guest */
}

static void append_fields(sd_bus_message *message, const BangerField *fields, uint32_t pid);

static char *
type_of(const BangerField *field)
{
    GString *type = g_string_new("");

    banger_field_append_signature(field, type);
    return g_string_free(type, FALSE);
}

static void
append_dictionary(sd_bus_message *message, const BangerField *field, uint32_t pid)
{
    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "{sv}"), 0);
    for (const BangerField *member = field->members; member->name != NULL; member++) {
        BangerField only[2] = {*member, {.name = NULL}};
        g_autofree char *type = type_of(member);

        ck_assert_int_ge(sd_bus_message_open_container(message, 'e', "sv"), 0);
        ck_assert_int_ge(sd_bus_message_append(message, "s", member->name), 0);
        ck_assert_int_ge(sd_bus_message_open_container(message, 'v', type), 0);
        append_fields(message, only, pid);
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    }
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
}

/* An array of one structure, or the structure. */
static void
append_structure(sd_bus_message *message, const BangerField *field, uint32_t pid)
{
    g_autofree char *type = type_of(field);
    char *parenthesis = strchr(type, '(');
    g_autofree char *members = g_strndup(parenthesis + 1, strlen(parenthesis) - 2);

    if (field->type == BANGER_TYPE_ARRAY)
        ck_assert_int_ge(sd_bus_message_open_container(message, 'a', parenthesis), 0);
    ck_assert_int_ge(sd_bus_message_open_container(message, 'r', members), 0);
    append_fields(message, field->members, pid);
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    if (field->type == BANGER_TYPE_ARRAY)
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
}

static void
append_field(sd_bus_message *message, const BangerField *field, uint32_t pid)
{
    g_autofree char *text = NULL;

    switch (field->type) {
    case BANGER_TYPE_STRING:
        text = sample_text(field);
        ck_assert_int_ge(sd_bus_message_append(message, "s", text), 0);
        break;
    case BANGER_TYPE_BOOLEAN:
        ck_assert_int_ge(sd_bus_message_append(message, "b", 1), 0);
        break;
    case BANGER_TYPE_UINT32:
        ck_assert_int_ge(sd_bus_message_append(message, "u", sample_number(field, pid)), 0);
        break;
    case BANGER_TYPE_BYTES:
        ck_assert_int_ge(sd_bus_message_append_array(message, 'y', "secret", 6), 0);
        break;
    case BANGER_TYPE_DICT:
        append_dictionary(message, field, pid);
        break;
    case BANGER_TYPE_STRUCT:
    case BANGER_TYPE_ARRAY:
        append_structure(message, field, pid);
        break;
    }
}

static void
append_fields(sd_bus_message *message, const BangerField *fields, uint32_t pid)
{
    for (const BangerField *field = fields; field->name != NULL; field++)
        append_field(message, field, pid);
}

sd_bus_message *
sample_call(sd_bus *bus, const BangerMethod *method, uint32_t pid, const char *op_id)
{
    sd_bus_message *message = rig_message_new(bus, method->dbus_name);

    append_fields(message, method->in, pid);
    ck_assert_int_ge(sd_bus_message_append(message, "s", op_id), 0);
    return message;
}
