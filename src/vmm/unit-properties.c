/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/unit-properties.h"

#include <grp.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "vmm/unit-common.h"

#define STOP_TIMEOUT_USEC ((uint64_t)5 * G_USEC_PER_SEC)

#define APPEND BANGER_UNIT_APPEND

static int
append_service(sd_bus_message *message, const BangerUnitSpec *spec)
{
    g_autofree char *description =
        g_strdup_printf("banger virtual machine %s (%s)", spec->vm_id, spec->op_id);
    int r = 0;

    APPEND(r, message, "Description", "s", description);
    APPEND(r, message, "Slice", "s", "banger.slice");
    APPEND(r, message, "Type", "s", "exec");
    APPEND(r, message, "AddRef", "b", 1);
    APPEND(r, message, "CollectMode", "s", "inactive-or-failed");
    APPEND(r, message, "TimeoutStartUSec", "t", (uint64_t)spec->timeout_ms * 1000);
    APPEND(r, message, "TimeoutStopUSec", "t", STOP_TIMEOUT_USEC);
    APPEND(r, message, "IgnoreSIGPIPE", "b", 0);
    APPEND(r, message, "StandardInput", "s", "null");
    APPEND(r, message, "StandardOutput", "s",
           spec->settings->console_to_journal ? "journal" : "null");
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

int
banger_unit_open_array(sd_bus_message *message, const char *name, const char *element)
{
    g_autofree char *array = g_strconcat("a", element, NULL);
    int r = sd_bus_message_open_container(message, 'r', "sv");

    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "s", name);
    if (r < 0)
        return r;
    r = sd_bus_message_open_container(message, 'v', array);
    if (r < 0)
        return r;
    return sd_bus_message_open_container(message, 'a', element);
}

int
banger_unit_close_array(sd_bus_message *message)
{
    int r = 0;

    for (int i = 0; r >= 0 && i < 3; i++)
        r = sd_bus_message_close_container(message);
    return r;
}

/* Appends the property @name with @strings, which end with NULL, as its value. */
static int
append_strings(sd_bus_message *message, const char *name, const char *const *strings)
{
    int r = banger_unit_open_array(message, name, "s");

    for (; r >= 0 && *strings != NULL; strings++)
        r = sd_bus_message_append(message, "s", *strings);
    if (r < 0)
        return r;
    return banger_unit_close_array(message);
}

/* ExecStart: a(sasb), the program, its arguments, and that a failure counts. */
static int
append_command(sd_bus_message *message, const BangerUnitSpec *spec)
{
    int r = banger_unit_open_array(message, "ExecStart", "(sasb)");

    if (r < 0)
        return r;
    r = sd_bus_message_open_container(message, 'r', "sasb");
    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "s", spec->argv[0]);
    if (r < 0)
        return r;
    r = append_arguments(message, spec->argv);
    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "b", 0);
    if (r < 0)
        return r;
    r = sd_bus_message_close_container(message);
    if (r < 0)
        return r;
    return banger_unit_close_array(message);
}

/*
 * LogExtraFields: aay, with VM_ID alone. What the guest writes to its console becomes records with
 * these fields, and must never stand among the records of an operation: no OP_ID.
 */
static int
append_log_fields(sd_bus_message *message, const BangerUnitSpec *spec)
{
    g_autofree char *vm_id = g_strdup_printf("VM_ID=%s", spec->vm_id);
    int r = banger_unit_open_array(message, "LogExtraFields", "ay");

    if (r < 0)
        return r;
    r = sd_bus_message_append_array(message, 'y', vm_id, strlen(vm_id));
    if (r < 0)
        return r;
    return banger_unit_close_array(message);
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

int
banger_unit_append_groups(sd_bus_message *message, gid_t group)
{
    g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(g_free);
    gid_t kvm_gid;

    if (banger_unit_kvm_group(&kvm_gid) && group_exists(kvm_gid))
        g_ptr_array_add(groups, g_strdup_printf("%u", kvm_gid));
    if (group != 0)
        g_ptr_array_add(groups, g_strdup_printf("%u", group));
    g_ptr_array_add(groups, NULL);
    return append_strings(message, "SupplementaryGroups", (const char *const *)groups->pdata);
}

/* Jail=no: as the owner, with the paths of the outside and only the two directories writable. */
static int
append_owner(sd_bus_message *message, const BangerUnitSpec *spec)
{
    const BangerSettings *settings = spec->settings;
    g_autofree char *uid = g_strdup_printf("%u", settings->owner_uid);
    g_autofree char *gid = g_strdup_printf("%u", settings->owner_gid);
    int r = banger_unit_append_groups(message, 0);

    APPEND(r, message, "User", "s", uid);
    APPEND(r, message, "Group", "s", gid);
    APPEND(r, message, "PrivateTmp", "b", 1);
    APPEND(r, message, "ProtectSystem", "s", "strict");
    APPEND(r, message, "ReadWritePaths", "as", 2, settings->state_directory,
           settings->runtime_directory);
    return r;
}

/* By number, not by name: /dev/mapper/… may lead to another device by the time systemd looks. */
static int
append_devices(sd_bus_message *message, const BangerUnitSpec *spec)
{
    int r = 0;

    APPEND(r, message, "DevicePolicy", "s", "closed");
    APPEND(r, message, "DeviceAllow", "a(ss)", 2, "/dev/kvm", "rw", "/dev/net/tun", "rw");
    for (size_t i = 0; i < spec->n_files; i++) {
        const BangerVmFile *file = &spec->files[i];
        g_autofree char *node = NULL;

        if (!S_ISBLK(file->st.st_mode))
            continue;
        node =
            g_strdup_printf("/dev/block/%u:%u", major(file->st.st_rdev), minor(file->st.st_rdev));
        APPEND(r, message, "DeviceAllow", "a(ss)", 1, node, file->writable ? "rw" : "r");
    }
    return r;
}

/* What firecracker does without, taken away. */
static int
append_sandbox(sd_bus_message *message)
{
    static const char *const switches[] = {
        "NoNewPrivileges",
        "ProtectControlGroups",
        "ProtectKernelTunables",
        "ProtectKernelModules",
        "ProtectKernelLogs",
        "ProtectHostname",
        "ProtectClock",
        "RestrictRealtime",
        "RestrictSUIDSGID",
        "LockPersonality",
        "RemoveIPC",
        "MemoryDenyWriteExecute",
    };
    int r = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++)
        APPEND(r, message, switches[i], "b", 1);
    APPEND(r, message, "UMask", "u", (uint32_t)0077);
    APPEND(r, message, "CapabilityBoundingSet", "t", (uint64_t)0);
    APPEND(r, message, "ProtectHome", "s", "yes");
    APPEND(r, message, "ProtectProc", "s", "invisible");
    APPEND(r, message, "ProcSubset", "s", "pid");
    APPEND(r, message, "KeyringMode", "s", "private");
    APPEND(r, message, "RestrictNamespaces", "t", (uint64_t)0);
    APPEND(r, message, "RestrictAddressFamilies", "(bas)", 1, 1, "AF_UNIX");
    return r;
}

int
banger_unit_append_properties(sd_bus_message *message, const BangerUnitSpec *spec,
                              unsigned int systemd_version)
{
    int r = sd_bus_message_open_container(message, 'a', "(sv)");

    if (r < 0)
        return r;
    r = append_service(message, spec);
    if (r < 0)
        return r;
    r = append_command(message, spec);
    if (r < 0)
        return r;
    r = append_log_fields(message, spec);
    if (r < 0)
        return r;
    /* Objects and Reconcile read it: it is the record of what the VM has. */
    r = append_strings(message, "Environment", spec->environment);
    if (r < 0)
        return r;
    r = append_devices(message, spec);
    if (r < 0)
        return r;
    r = append_sandbox(message);
    if (r < 0)
        return r;
    r = banger_unit_append_limits(message, spec);
    if (r < 0)
        return r;
    r = spec->jail != NULL ? banger_unit_append_jail(message, spec, systemd_version)
                           : append_owner(message, spec);
    if (r < 0)
        return r;
    return sd_bus_message_close_container(message);
}
