/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/requests.h"

#include <fcntl.h>
#include <string.h>

#include "lib/harness.h"
#include "model/validate.h"
#include "model/value.h"
#include "util/error.h"

const BangerSettings sample_settings = {
    .owner_user = (char *)"banger",
    .owner_uid = 64001,
    .owner_gid = 64001,
    .state_directory = (char *)"/var/lib/banger",
    .runtime_directory = (char *)"/run/banger",
};

/* By the member's name where two members must differ. */
static const struct {
    const char *name, *value;
} by_name[] = {
    {"cow_path", "/var/lib/banger/cow"},
    {"metrics_path", "/var/lib/banger/metrics"},
    {"initrd_path", "/var/lib/banger/initrd"},
    {"log_path", "/var/lib/banger/log"},
    {"kernel_image_path", "/var/lib/banger/vm"},
    {"vsock_path", "/run/banger/vsock"},
    {"protocol", "tcp"},
    {"name", "vm-*"},
    {"cache_type", "Unsafe"},
    {"io_engine", "Async"},
    {"version", "V2"},
    {"ipv4_address", "169.254.169.254"},
    {"huge_pages", "2M"},
    {"cpu_template", "T2S"},
    {"guest_mac", "06:00:ac:10:00:02"},
    {"partuuid", "0eaa91a0-01"},
    {"mem_file_path", "/var/lib/banger/memory"},
    {"type", "Full"},
};

static const char *const by_kind[] = {
    [BANGER_KIND_TEXT] = "any text",
    [BANGER_KIND_LINK_NAME] = "br-fc",
    [BANGER_KIND_TAP_NAME] = "tap-fc-1",
    [BANGER_KIND_ADDRESS] = "172.16.0.1",
    [BANGER_KIND_SERVER] = "172.16.0.1:5353",
    [BANGER_KIND_CIDR] = "172.16.0.0/24",
    [BANGER_KIND_DM_NAME] = "fc-rootfs-1",
    [BANGER_KIND_DM_TARGET] = "fc-rootfs-1",
    [BANGER_KIND_DM_PATH] = "/dev/mapper/fc-rootfs-1",
    [BANGER_KIND_LOOP_PATH] = "/dev/loop7",
    [BANGER_KIND_STATE_PATH] = "/var/lib/banger/base",
    [BANGER_KIND_RUNTIME_PATH] = "/run/banger/api",
    [BANGER_KIND_IMAGE_PATH] = "/var/lib/banger/image",
    [BANGER_KIND_DESTINATION] = "10.0.0.1",
    [BANGER_KIND_GUEST_PATH] = "/etc/hostname",
    [BANGER_KIND_BINARY] = "firecracker",
    [BANGER_KIND_BINARY_PATH] = "/usr/bin/firecracker",
    [BANGER_KIND_VM_ID] = "vm-1",
    [BANGER_KIND_DRIVE_ID] = "drive",
    [BANGER_KIND_MAC] = "06:00:ac:10:00:02",
    [BANGER_KIND_JSON] = "{\"some\": \"text\"}",
    [BANGER_KIND_SIGNAL] = "SIGTERM",
};

/* Whether @field has a sample of its own, which no number goes with. */
static bool
has_own_sample(const BangerField *field)
{
    for (size_t i = 0; i < G_N_ELEMENTS(by_name); i++)
        if (strcmp(by_name[i].name, field->name) == 0)
            return true;
    return false;
}

const char *
sample_value(const BangerField *field)
{
    for (size_t i = 0; i < G_N_ELEMENTS(by_name); i++)
        if (strcmp(by_name[i].name, field->name) == 0)
            return by_name[i].value;
    return by_kind[field->kind];
}

static void
fill_string(const BangerField *field, void *base, guint number)
{
    g_autofree char *numbered = g_strdup_printf("%s%u", sample_value(field), number);

    if (!banger_value_parse(field,
                            number == 0 || has_own_sample(field) ? sample_value(field) : numbered,
                            &sample_settings, base, NULL))
        g_error("the sample of %s is not taken", field->name);
}

static void fill(const BangerField *fields, void *base, guint number);

static void
fill_array(const BangerField *field, void *base)
{
    GArray *array = banger_field_new_array(field);

    g_array_set_size(array, 2);
    for (guint i = 0; i < array->len; i++)
        fill(field->members, array->data + i * field->size, i + 1);
    *BANGER_MEMBER(base, field, GArray *) = array;
}

static void
fill_handle(BangerHandle *handle)
{
    handle->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    handle->is_open = handle->fd >= 0;
}

static void
fill_field(const BangerField *field, void *base, guint number)
{
    switch (field->type) {
    case BANGER_TYPE_STRING:
        /* Elements of an array get names of their own. */
        fill_string(field, base, number);
        break;
    case BANGER_TYPE_BOOLEAN:
        *BANGER_MEMBER(base, field, bool) = number < 2;
        break;
    case BANGER_TYPE_UINT16:
    case BANGER_TYPE_UINT32:
    case BANGER_TYPE_UINT64:
        banger_field_set_number(field, base, MAX(field->min, 3));
        break;
    case BANGER_TYPE_HANDLE:
        fill_handle(BANGER_MEMBER(base, field, BangerHandle));
        break;
    case BANGER_TYPE_BYTES:
        *BANGER_MEMBER(base, field, GBytes *) = g_bytes_new_static("secret", 6);
        break;
    case BANGER_TYPE_STRUCT:
    case BANGER_TYPE_DICT:
        fill(field->members, BANGER_MEMBER(base, field, void), number);
        break;
    case BANGER_TYPE_ARRAY:
    case BANGER_TYPE_LIST:
    case BANGER_TYPE_MAP:
        fill_array(field, base);
        break;
    case BANGER_TYPE_OBJECT_PATH:
    case BANGER_TYPE_INT32:
    case BANGER_TYPE_DOUBLE:
        g_error("%s: requests have none of these", field->name);
    }
}

static void
fill(const BangerField *fields, void *base, guint number)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        fill_field(field, base, number);
        if (field->flags & BANGER_FIELD_PRESENCE)
            *(bool *)((char *)base + field->presence) = true;
    }
}

/* The field @name among @fields and the members of those, but not in arrays. */
static const BangerField *
find_field(const BangerField *fields, void *base, const char *name, void **ret_base)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        const BangerField *inner = NULL;

        *ret_base = base;
        if (strcmp(field->name, name) == 0)
            return field;
        if (field->type == BANGER_TYPE_STRUCT || field->type == BANGER_TYPE_DICT)
            inner = find_field(field->members, BANGER_MEMBER(base, field, void), name, ret_base);
        if (inner != NULL)
            return inner;
    }
    return NULL;
}

bool
set_text(const BangerMethod *method, BangerRequest *request, const char *name, const char *text,
         GError **error)
{
    void *base;
    const BangerField *field = find_field(method->in, request, name, &base);

    if (field == NULL)
        g_error("%s has no %s", method->dbus_name, name);
    banger_value_clear(field, base);
    return banger_value_parse(field, text, &sample_settings, base, error);
}

/* What must not be the same of @machine's elements; and its root drive is the snapshot. */
static void
tell_apart(const BangerMachineRequest *machine)
{
    g_assert(machine->launch.drives != NULL && machine->port_forwards != NULL);
    for (unsigned int i = 0; i < machine->launch.drives->len; i++)
        g_array_index(machine->launch.drives, BangerDrive, i).is_root = false;
    for (unsigned int i = 0; i < machine->port_forwards->len; i++)
        g_array_index(machine->port_forwards, BangerMachinePort, i).host_port = (uint16_t)(i + 1);
}

BangerRequest *
sample_request(const BangerMethod *method)
{
    BangerRequest *request = g_new0(BangerRequest, 1);

    request->op_id = g_strdup("op-1");
    fill(method->in, request, 0);
    if (method->id == BANGER_METHOD_CREATE_MACHINE)
        tell_apart(&request->create_machine);
    if (method->id == BANGER_METHOD_CREATE_MACHINE)
        request->create_machine.launch.options.has_load_snapshot = false;
    /* A machine boots or is loaded: this one has all keys of one that boots. */
    if (method->id == BANGER_METHOD_LAUNCH_FIRECRACKER)
        request->launch_firecracker.options.has_load_snapshot = false;
    return request;
}

void
check_request_refused(const BangerMethod *method, BangerRequest *request, const char *prefix)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(!banger_request_validate(method, request, &sample_settings, &error),
                  "%s: taken, though %s is wrong", method->dbus_name, prefix);
    ck_assert_int_eq(banger_error_code(error), BANGER_ERROR_BAD_PARAMS);
    ck_assert_msg(g_str_has_prefix(error->message, prefix), "\"%s\" does not begin with \"%s\"",
                  error->message, prefix);
}
