/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/unit-properties.h"

#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "sys/unit-private.h"

#define STOP_TIMEOUT_USEC ((uint64_t)5 * G_USEC_PER_SEC)

/* Appends the property @name of @type with the values that follow, if nothing failed so far. */
#define APPEND(r, message, name, type, ...)                                                        \
    do {                                                                                           \
        if ((r) >= 0)                                                                              \
            (r) = sd_bus_message_append(message, "(sv)", name, type, __VA_ARGS__);                 \
    } while (0)

static int
append_service(sd_bus_message *message, const BangerUnitSpec *spec)
{
    g_autofree char *description = g_strdup_printf("banger virtual machine %s", spec->vm_id);
    int r = 0;

    APPEND(r, message, "Description", "s", description);
    APPEND(r, message, "Slice", "s", "banger.slice");
    APPEND(r, message, "Type", "s", "exec");
    APPEND(r, message, "AddRef", "b", 1);
    APPEND(r, message, "CollectMode", "s", "inactive-or-failed");
    APPEND(r, message, "TimeoutStartUSec", "t", (uint64_t)BANGER_UNIT_START_MS * 1000);
    APPEND(r, message, "TimeoutStopUSec", "t", STOP_TIMEOUT_USEC);
    APPEND(r, message, "IgnoreSIGPIPE", "b", 0);
    APPEND(r, message, "StandardInput", "s", "null");
    APPEND(r, message, "StandardOutput", "s", "journal");
    APPEND(r, message, "StandardError", "s", "journal");
    return r;
}

/* Appends the arguments, in which "$" is a variable to systemd, and "$$" is "$". */
static int
append_arguments(sd_bus_message *message, const char *const *argv)
{
    g_autoptr(GPtrArray) escaped = g_ptr_array_new_with_free_func(g_free);

    for (; *argv != NULL; argv++) {
        g_auto(GStrv) parts = g_strsplit(*argv, "$", -1);

        g_ptr_array_add(escaped, g_strjoinv("$$", parts));
    }
    g_ptr_array_add(escaped, NULL);
    return sd_bus_message_append_strv(message, (char **)escaped->pdata);
}

/* ExecStart: a(sasb), the program, its arguments, and that a failure counts. */
static int
append_command(sd_bus_message *message, const BangerUnitSpec *spec)
{
    int r = sd_bus_message_open_container(message, 'r', "sv");

    if (r >= 0)
        r = sd_bus_message_append(message, "s", "ExecStart");
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'v', "a(sasb)");
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'a', "(sasb)");
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'r', "sasb");
    if (r >= 0)
        r = sd_bus_message_append(message, "s", spec->argv[0]);
    if (r >= 0)
        r = append_arguments(message, spec->argv);
    if (r >= 0)
        r = sd_bus_message_append(message, "b", 0);
    for (int i = 0; r >= 0 && i < 4; i++)
        r = sd_bus_message_close_container(message);
    return r;
}

/* LogExtraFields: aay. journalctl OP_ID=… shows the unit's lines among the helper's. */
static int
append_log_fields(sd_bus_message *message, const BangerUnitSpec *spec)
{
    g_autofree char *op_id = g_strdup_printf("OP_ID=%s", spec->op_id);
    g_autofree char *vm_id = g_strdup_printf("VM_ID=%s", spec->vm_id);
    int r = sd_bus_message_open_container(message, 'r', "sv");

    if (r >= 0)
        r = sd_bus_message_append(message, "s", "LogExtraFields");
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'v', "aay");
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'a', "ay");
    if (r >= 0)
        r = sd_bus_message_append_array(message, 'y', op_id, strlen(op_id));
    if (r >= 0)
        r = sd_bus_message_append_array(message, 'y', vm_id, strlen(vm_id));
    for (int i = 0; r >= 0 && i < 3; i++)
        r = sd_bus_message_close_container(message);
    return r;
}

/* systemd takes a group that it can look up, also by number, and no other. */
static bool
group_exists(gid_t gid)
{
    struct group *found = NULL;
    struct group group;
    char buffer[16384];

    return getgrgid_r(gid, &group, buffer, sizeof buffer, &found) == 0 && found != NULL;
}

static int
append_user(sd_bus_message *message, const BangerUnitSpec *spec)
{
    g_autofree char *uid = g_strdup_printf("%u", spec->settings->vmm_uid);
    g_autofree char *gid = g_strdup_printf("%u", spec->settings->vmm_gid);
    gid_t kvm_gid;
    int r = 0;

    APPEND(r, message, "User", "s", uid);
    APPEND(r, message, "Group", "s", gid);
    APPEND(r, message, "UMask", "u", (uint32_t)0077);
    if (banger_unit_kvm_group(&kvm_gid) && group_exists(kvm_gid)) {
        g_autofree char *group = g_strdup_printf("%u", kvm_gid);

        APPEND(r, message, "SupplementaryGroups", "as", 1, group);
    }
    /* Root is root by its capabilities: it needs them for a TAP and files that are the owner's. */
    if (spec->settings->vmm_uid != 0)
        APPEND(r, message, "CapabilityBoundingSet", "t", (uint64_t)0);
    return r;
}

/* By number, not by name: /dev/mapper/… may lead to another device by the time systemd looks. */
static int
append_devices(sd_bus_message *message, const BangerUnitSpec *spec)
{
    int r = 0;

    APPEND(r, message, "DevicePolicy", "s", "closed");
    APPEND(r, message, "DeviceAllow", "a(ss)", 2, "/dev/kvm", "rw", "/dev/net/tun", "rw");
    for (size_t i = 0; i < spec->n_devices; i++) {
        const BangerUnitDevice *device = &spec->devices[i];
        g_autofree char *node =
            g_strdup_printf("/dev/block/%u:%u", major(device->device), minor(device->device));

        APPEND(r, message, "DeviceAllow", "a(ss)", 1, node, device->writable ? "rw" : "r");
    }
    return r;
}

/* What firecracker does without, taken away. Paths mean the same inside as outside. */
static int
append_sandbox(sd_bus_message *message, const BangerUnitSpec *spec)
{
    static const char *const switches[] = {
        "NoNewPrivileges",        "PrivateTmp",
        "ProtectControlGroups",   "ProtectKernelTunables",
        "ProtectKernelModules",   "ProtectKernelLogs",
        "ProtectHostname",        "RestrictRealtime",
        "RestrictSUIDSGID",       "LockPersonality",
        "MemoryDenyWriteExecute",
    };
    int r = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++)
        APPEND(r, message, switches[i], "b", 1);
    APPEND(r, message, "ProtectSystem", "s", "strict");
    APPEND(r, message, "ReadWritePaths", "as", 2, spec->settings->state_directory,
           spec->settings->runtime_directory);
    APPEND(r, message, "RestrictNamespaces", "t", (uint64_t)0);
    APPEND(r, message, "SystemCallArchitectures", "as", 1, "native");
    APPEND(r, message, "RestrictAddressFamilies", "(bas)", 1, 1, "AF_UNIX");
    return r;
}

int
banger_unit_append_properties(sd_bus_message *message, const BangerUnitSpec *spec)
{
    int r = sd_bus_message_open_container(message, 'a', "(sv)");

    if (r >= 0)
        r = append_service(message, spec);
    if (r >= 0)
        r = append_command(message, spec);
    if (r >= 0)
        r = append_log_fields(message, spec);
    if (r >= 0)
        r = append_user(message, spec);
    if (r >= 0)
        r = append_devices(message, spec);
    if (r >= 0)
        r = append_sandbox(message, spec);
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    return r;
}
