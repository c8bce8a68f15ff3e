/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/calls/call-samples.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "util/settings.h"

/* Texts of which only some are valid. */
static const struct {
    const char *name, *text;
} by_name[] = {
    {"cache_type", "Unsafe"}, {"io_engine", "Sync"},   {"version", "V1"},
    {"huge_pages", "2M"},     {"cpu_template", "T2S"}, {"ipv4_address", "169.254.169.254"},
    {"iface_id", "eth0"},     {"protocol", "tcp"},     {"type", "Full"},
};

char *
sample_text(const BangerField *field)
{
    for (size_t i = 0; i < G_N_ELEMENTS(by_name); i++)
        if (strcmp(by_name[i].name, field->name) == 0)
            return g_strdup(by_name[i].text);
    switch (field->kind) {
    case BANGER_KIND_MAC:
        return g_strdup("06:00:ac:10:00:02");
    case BANGER_KIND_JSON:
        return g_strdup("{}");
    case BANGER_KIND_LINK_NAME:
        return g_strdup("br-sample");
    case BANGER_KIND_TAP_NAME:
        return g_strdup("tap-fc-sample");
    case BANGER_KIND_ADDRESS:
    case BANGER_KIND_SERVER:
        return g_strdup("172.16.99.1");
    case BANGER_KIND_DESTINATION:
        return g_strdup("10.0.0.0/8");
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
    return (uint32_t)MAX(field->min, 3); /* the first vsock_cid of a guest */
}

static void append_fields(sd_bus_message *message, const BangerField *fields, uint32_t pid);

static char *
type_of(const BangerField *field)
{
    GString *type = g_string_new("");

    banger_field_append_signature(field, type);
    return g_string_free(type, FALSE);
}

/* Whether @dict makes the root drive: then no other may be given. */
static bool
makes_root_drive(const BangerField *dict)
{
    for (const BangerField *member = dict->members; member->name != NULL; member++)
        if (strcmp(member->name, "rootfs_path") == 0)
            return true;
    return false;
}

/* Whether @member would not go together with the other keys of @dict. */
static bool
is_apart(const BangerField *dict, const BangerField *member)
{
    /* Its TAP would have to be another than tap_device's; a machine boots or is loaded. */
    return strcmp(member->name, "network_interfaces") == 0 ||
           strcmp(member->name, "load_snapshot") == 0 ||
           (makes_root_drive(dict) && strcmp(member->name, "drive_options") == 0);
}

static void
append_dictionary(sd_bus_message *message, const BangerField *field, uint32_t pid)
{
    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "{sv}"), 0);
    for (const BangerField *member = field->members; member->name != NULL; member++) {
        BangerField only[2] = {*member, {.name = NULL}};
        g_autofree char *type = type_of(member);

        if (is_apart(field, member))
            continue;
        ck_assert_int_ge(sd_bus_message_open_container(message, 'e', "sv"), 0);
        ck_assert_int_ge(sd_bus_message_append(message, "s", member->name), 0);
        ck_assert_int_ge(sd_bus_message_open_container(message, 'v', type), 0);
        if (makes_root_drive(field) && strcmp(member->name, "drives") == 0)
            ck_assert_int_ge(sd_bus_message_append(message, type, 0), 0);
        else
            append_fields(message, only, pid);
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    }
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
}

static void
append_structure(sd_bus_message *message, const BangerField *members, uint32_t pid)
{
    g_autofree char *contents = banger_fields_signature(members);

    ck_assert_int_ge(sd_bus_message_open_container(message, 'r', contents), 0);
    append_fields(message, members, pid);
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
}

/* An array of one element. */
static void
append_array(sd_bus_message *message, const BangerField *field, uint32_t pid)
{
    g_autofree char *type = type_of(field);

    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', type + 1), 0);
    if (field->type == BANGER_TYPE_MAP)
        ck_assert_int_ge(sd_bus_message_open_container(message, 'e', "sa{sv}"), 0);
    if (field->type == BANGER_TYPE_ARRAY)
        append_structure(message, field->members, pid);
    else
        append_fields(message, field->members, pid);
    if (field->type == BANGER_TYPE_MAP)
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
}

static void
append_field(sd_bus_message *message, const BangerField *field, uint32_t pid)
{
    g_autofree char *text = NULL;
    int boolean = 1;

    switch (field->type) {
    case BANGER_TYPE_STRING:
        text = sample_text(field);
        ck_assert_int_ge(sd_bus_message_append(message, "s", text), 0);
        break;
    case BANGER_TYPE_BOOLEAN:
        ck_assert_int_ge(sd_bus_message_append_basic(message, 'b', &boolean), 0);
        break;
    case BANGER_TYPE_UINT16:
        ck_assert_int_ge(sd_bus_message_append(message, "q", sample_number(field, pid)), 0);
        break;
    case BANGER_TYPE_UINT32:
        ck_assert_int_ge(sd_bus_message_append(message, "u", sample_number(field, pid)), 0);
        break;
    case BANGER_TYPE_UINT64:
        ck_assert_int_ge(sd_bus_message_append(message, "t", (uint64_t)sample_number(field, pid)),
                         0);
        break;
    case BANGER_TYPE_HANDLE:
        ck_assert_int_ge(sd_bus_message_append(message, "h", STDERR_FILENO), 0);
        break;
    case BANGER_TYPE_BYTES:
        ck_assert_int_ge(sd_bus_message_append_array(message, 'y', "secret", 6), 0);
        break;
    case BANGER_TYPE_DICT:
        append_dictionary(message, field, pid);
        break;
    case BANGER_TYPE_STRUCT:
        append_structure(message, field->members, pid);
        break;
    case BANGER_TYPE_ARRAY:
    case BANGER_TYPE_LIST:
    case BANGER_TYPE_MAP:
        append_array(message, field, pid);
        break;
    case BANGER_TYPE_OBJECT_PATH:
    case BANGER_TYPE_INT32:
    case BANGER_TYPE_DOUBLE:
        ck_abort_msg("%s: requests have none of these", field->name);
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
