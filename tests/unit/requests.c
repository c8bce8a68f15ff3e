/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/requests.h"

#include <string.h>

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
    {"cow_path", "/var/lib/banger/cow"},         {"metrics_path", "/var/lib/banger/metrics"},
    {"initrd_path", "/var/lib/banger/initrd"},   {"log_path", "/var/lib/banger/log"},
    {"kernel_image_path", "/var/lib/banger/vm"}, {"vsock_path", "/run/banger/vsock"},
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
    [BANGER_KIND_GUEST_PATH] = "/etc/hostname",
    [BANGER_KIND_BINARY] = "firecracker",
    [BANGER_KIND_BINARY_PATH] = "/usr/bin/firecracker",
    [BANGER_KIND_VM_ID] = "vm-1",
    [BANGER_KIND_DRIVE_ID] = "drive",
    [BANGER_KIND_SIGNAL] = "SIGTERM",
};

const char *
sample_value(const BangerField *field)
{
    for (size_t i = 0; i < G_N_ELEMENTS(by_name); i++)
        if (strcmp(by_name[i].name, field->name) == 0)
            return by_name[i].value;
    return by_kind[field->kind];
}

static void
fill(const BangerField *fields, void *base, guint number)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        switch (field->type) {
        case BANGER_TYPE_STRING:
            /* Elements of an array get names of their own. */
            *BANGER_MEMBER(base, field, char *) =
                number == 0 ? g_strdup(sample_value(field))
                            : g_strdup_printf("%s%u", sample_value(field), number);
            break;
        case BANGER_TYPE_BOOLEAN:
            *BANGER_MEMBER(base, field, bool) = number < 2;
            break;
        case BANGER_TYPE_UINT32:
            *BANGER_MEMBER(base, field, uint32_t) = MAX(field->min, 3);
            break;
        case BANGER_TYPE_BYTES:
            *BANGER_MEMBER(base, field, GBytes *) = g_bytes_new_static("secret", 6);
            break;
        case BANGER_TYPE_STRUCT:
        case BANGER_TYPE_DICT:
            fill(field->members, BANGER_MEMBER(base, field, void), number);
            break;
        case BANGER_TYPE_ARRAY: {
            GArray *array = banger_field_new_array(field);

            g_array_set_size(array, 2);
            for (guint i = 0; i < array->len; i++)
                fill(field->members, array->data + i * field->size, i + 1);
            *BANGER_MEMBER(base, field, GArray *) = array;
            break;
        }
        }
    }
}

BangerRequest *
sample_request(const BangerMethod *method)
{
    BangerRequest *request = g_new0(BangerRequest, 1);

    request->op_id = g_strdup("op-1");
    fill(method->in, request, 0);
    return request;
}
