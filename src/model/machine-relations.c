/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/relations.h"

#include <string.h>

#include "model/address.h"
#include "model/bounds.h"
#include "model/names.h"
#include "util/error.h"

#define ROOT_DRIVE "rootfs" /* the id of the drive that is the machine's snapshot */

static bool
is_given(const char *text)
{
    return text[0] != '\0';
}

/* Nothing else of the machine's is the COW file, and nothing writes into the base image. */
static bool
check_snapshot_files(const BangerMachineRequest *machine, GError **error)
{
    const BangerLaunchFirecrackerRequest *launch = &machine->launch;
    const struct {
        const char *name;
        const char *path;
        bool written;
    } others[] = {
        {"rootfs_path", machine->rootfs_path, false},
        {"kernel_image_path", launch->kernel_image_path, false},
        {"initrd_path", launch->initrd_path, false},
        {"log_path", launch->log_path, true},
        {"metrics_path", launch->metrics_path, true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        if (g_str_equal(others[i].path, machine->cow_path))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "cow_path: \"%s\" is the %s too", machine->cow_path,
                                    others[i].name);
        if (others[i].written && g_str_equal(others[i].path, machine->rootfs_path))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "rootfs_path: \"%s\" is the %s too", machine->rootfs_path,
                                    others[i].name);
    }
    return true;
}

static bool
check_drives(const BangerMachineRequest *machine, GError **error)
{
    const GArray *drives = machine->launch.drives;

    for (unsigned int i = 0; i < drives->len; i++) {
        const BangerDrive *drive = &g_array_index(drives, BangerDrive, i);

        if (drive->is_root)
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "drives: \"%s\" is a root drive, and rootfs_path asks for "
                                    "another",
                                    drive->id);
        if (g_str_equal(drive->image.path, machine->cow_path))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "cow_path: \"%s\" is the drive \"%s\" too", machine->cow_path,
                                    drive->id);
    }
    return drives->len < BANGER_DRIVES_MAX ||
           banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "drives: %u, and the one of rootfs_path, are more than %u", drives->len,
                            BANGER_DRIVES_MAX);
}

static void
add_root_drive(BangerMachineRequest *machine)
{
    GArray *drives = machine->launch.drives;
    BangerDrive *drive;

    machine->launch.has_drives = true;
    g_array_set_size(drives, drives->len + 1);
    drive = &g_array_index(drives, BangerDrive, drives->len - 1);
    drive->id = g_strdup(ROOT_DRIVE);
    drive->is_root = true;
    drive->image.path = g_strconcat(BANGER_DM_DIRECTORY, machine->dm_name, NULL);
    drive->image.dm_name = drive->image.path + strlen(BANGER_DM_DIRECTORY);
}

/* The snapshot is whole or absent, and becomes the root drive. */
static bool
take_snapshot(BangerMachineRequest *machine, GError **error)
{
    int given =
        is_given(machine->rootfs_path) + is_given(machine->cow_path) + is_given(machine->dm_name);

    if (given != 0 && given != 3)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s: rootfs_path, cow_path and dm_name go together",
                                !is_given(machine->rootfs_path) ? "rootfs_path"
                                : !is_given(machine->cow_path)  ? "cow_path"
                                                                : "dm_name");
    if (given == 0)
        return !machine->has_cow_size || banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                                          "cow_size: given without rootfs_path");
    if (!check_snapshot_files(machine, error) || !check_drives(machine, error))
        return false;
    add_root_drive(machine);
    return true;
}

static bool
check_ports(const BangerMachineRequest *machine, GError **error)
{
    const GArray *ports = machine->port_forwards;

    for (unsigned int i = 0; i < ports->len; i++) {
        BangerMachinePort *port = &g_array_index(ports, BangerMachinePort, i);

        if (!banger_relations_check_protocol(&port->protocol, error)) {
            g_prefix_error(error, "port_forwards: element %u: ", i);
            return false;
        }
        for (unsigned int j = 0; j < i; j++) {
            const BangerMachinePort *other = &g_array_index(ports, BangerMachinePort, j);

            if (other->host_port == port->host_port && g_str_equal(other->protocol, port->protocol))
                return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                        "port_forwards: the host's %s port %u occurs twice",
                                        port->protocol, port->host_port);
        }
    }
    return true;
}

static bool
check_guest(const BangerMachineRequest *machine, GError **error)
{
    const char *needing = machine->nat                      ? "nat"
                          : machine->port_forwards->len > 0 ? "port_forwards"
                          : machine->has_egress             ? "egress"
                                                            : NULL;
    g_autofree char *address = banger_address_format(&machine->guest_ip);

    if (machine->guest_ip.family == 0)
        return needing == NULL || banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                                   "%s: given without guest_ip", needing);
    if (banger_address_is_loopback(&machine->guest_ip))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "guest_ip: %s is a loopback address", address);
    if (!check_ports(machine, error))
        return false;
    if (machine->has_egress && !banger_relations_check_networks(machine->egress, error)) {
        g_prefix_error(error, "egress: ");
        return false;
    }
    return true;
}

static bool
check_network(const BangerMachineRequest *machine, GError **error)
{
    const BangerLaunchFirecrackerRequest *launch = &machine->launch;

    if (!is_given(launch->network.bridge_name))
        return machine->resolver.address.family == 0 ||
               banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "resolver: given without network");
    return !g_str_equal(launch->network.bridge_name, launch->tap_device) ||
           banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "tap_device: \"%s\" is the bridge's name too", launch->tap_device);
}

/* What is checked or written is a root drive that the guest may write, too. */
static bool
check_root_drive(const BangerMachineRequest *machine, GError **error)
{
    const char *needing = machine->fsck ? "fsck" : machine->files->len > 0 ? "files" : NULL;
    const GArray *drives = machine->launch.drives;

    if (needing == NULL)
        return true;
    for (unsigned int i = 0; i < drives->len; i++) {
        const BangerDrive *drive = &g_array_index(drives, BangerDrive, i);

        if (drive->is_root && !drive->read_only)
            return true;
    }
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "%s: the machine has no root drive that may be written", needing);
}

bool
banger_relations_create_machine(BangerRequest *request, const BangerSettings *settings,
                                GError **error)
{
    BangerMachineRequest *machine = &request->create_machine;

    (void)settings;
    return take_snapshot(machine, error) && check_root_drive(machine, error) &&
           banger_relations_check_launch(&machine->launch, error) &&
           check_network(machine, error) && check_guest(machine, error);
}

bool
banger_relations_destroy_machine(BangerRequest *request, const BangerSettings *settings,
                                 GError **error)
{
    const BangerMachineRequest *machine = &request->destroy_machine;

    (void)settings;
    return !machine->remove_cow || is_given(machine->cow_path) ||
           banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "remove_cow: given without cow_path");
}

#define PATTERN_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-/*?"

static bool
check_patterns(const char *member, const GArray *patterns, GError **error)
{
    for (unsigned int i = 0; i < patterns->len; i++) {
        const char *pattern = g_array_index(patterns, char *, i);

        if (strspn(pattern, PATTERN_CHARACTERS) != strlen(pattern))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "%s: \"%.128s\" is neither a name nor a pattern of names",
                                    member, pattern);
    }
    return true;
}

bool
banger_relations_reconcile(BangerRequest *request, const BangerSettings *settings, GError **error)
{
    (void)settings;
    return check_patterns("keep", request->reconcile.keep, error) &&
           check_patterns("remove", request->reconcile.remove, error);
}
