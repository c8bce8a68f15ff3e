/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/relations.h"

#include <string.h>

#include "model/address.h"
#include "model/destination.h"
#include "model/machine-options.h"
#include "model/names.h"
#include "util/error.h"

#define VSOCK_PATH_MAX (107 - 11) /* sun_path of unix(7), and "_4294967295" */
#define VSOCK_CID_FIRST_GUEST 3   /* 0 to 2 are the hypervisor, loopback and the host (vsock(7)) */

static bool
check_bridge(const BangerBridge *bridge, GError **error)
{
    g_autofree char *address = banger_address_format(&bridge->bridge_ip);

    if (banger_address_is_loopback(&bridge->bridge_ip))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "bridge_ip: %s is a loopback address", address);
    if (!banger_prefix_check(&bridge->cidr, &bridge->bridge_ip, error)) {
        g_prefix_error(error, "cidr: ");
        return false;
    }
    if (banger_address_is_network_or_broadcast(&bridge->bridge_ip, bridge->cidr.length))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "bridge_ip: %s is the network's own or its broadcast address",
                                address);
    return true;
}

bool
banger_relations_ensure_bridge(BangerRequest *request, const BangerSettings *settings,
                               GError **error)
{
    (void)settings;
    return check_bridge(&request->ensure_bridge, error);
}

bool
banger_relations_create_tap(BangerRequest *request, const BangerSettings *settings, GError **error)
{
    const BangerCreateTapRequest *create_tap = &request->create_tap;

    (void)settings;
    if (g_str_equal(create_tap->bridge.bridge_name, create_tap->tap_name))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "tap_name: \"%s\" is the bridge's name too", create_tap->tap_name);
    return check_bridge(&create_tap->bridge, error);
}

bool
banger_relations_ensure_nat(BangerRequest *request, const BangerSettings *settings, GError **error)
{
    const BangerAddress *guest = &request->ensure_nat.guest_ip;
    g_autofree char *address = banger_address_format(guest);

    (void)settings;
    if (banger_address_is_loopback(guest))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "guest_ip: %s is a loopback address", address);
    return true;
}

bool
banger_relations_check_protocol(char **protocol, GError **error)
{
    g_autofree char *lower = g_ascii_strdown(*protocol, -1);

    if (!g_str_equal(lower, "tcp") && !g_str_equal(lower, "udp"))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "protocol: \"%s\" is neither \"tcp\" nor \"udp\"", *protocol);
    g_free(*protocol);
    *protocol = g_steal_pointer(&lower);
    return true;
}

bool
banger_relations_ensure_port_forward(BangerRequest *request, const BangerSettings *settings,
                                     GError **error)
{
    (void)settings;
    return banger_relations_check_protocol(&request->ensure_port_forward.protocol, error);
}

static gint
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool
banger_relations_check_networks(GArray *networks, GError **error)
{
    for (unsigned int i = 0; i < networks->len && networks->len > 1; i++) {
        const char *network = g_array_index(networks, char *, i);

        if (g_str_equal(network, BANGER_DESTINATION_NONE) ||
            g_str_equal(network, BANGER_DESTINATION_ALL))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "networks: \"%s\" does not stand alone", network);
    }
    g_array_sort(networks, compare_texts);
    for (unsigned int i = networks->len; i-- > 1;)
        if (g_str_equal(g_array_index(networks, char *, i),
                        g_array_index(networks, char *, i - 1))) {
            g_free(g_array_index(networks, char *, i));
            g_array_remove_index(networks, i);
        }
    return true;
}

bool
banger_relations_set_egress(BangerRequest *request, const BangerSettings *settings, GError **error)
{
    (void)settings;
    return banger_relations_check_networks(request->set_egress.networks, error);
}

bool
banger_relations_create_dm_snapshot(BangerRequest *request, const BangerSettings *settings,
                                    GError **error)
{
    const BangerCreateDmSnapshotRequest *create = &request->create_dm_snapshot;

    (void)settings;
    if (g_str_equal(create->rootfs_path, create->cow_path))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "cow_path: \"%s\" is the base image too", create->cow_path);
    return true;
}

static void
copy_if_empty(char **text, const char *other)
{
    if ((*text)[0] != '\0')
        return;
    g_free(*text);
    *text = g_strdup(other);
}

bool
banger_relations_cleanup_dm_snapshot(BangerRequest *request, const BangerSettings *settings,
                                     GError **error)
{
    BangerCleanupDmSnapshotRequest *handles = &request->cleanup_dm_snapshot;

    (void)settings;
    if (handles->dm_name[0] != '\0' && handles->dm_dev[0] != '\0' &&
        !g_str_equal(handles->dm_dev, handles->dm_name))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "dm_dev: " BANGER_DM_DIRECTORY "%s is not the device named \"%s\"",
                                handles->dm_dev, handles->dm_name);
    /* A rule of polkit's may rely on either. */
    copy_if_empty(&handles->dm_name, handles->dm_dev);
    copy_if_empty(&handles->dm_dev, handles->dm_name);
    return true;
}

static bool
check_drives(const GArray *drives, GError **error)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    unsigned int roots = 0;

    for (unsigned int i = 0; i < drives->len; i++) {
        const BangerDrive *drive = &g_array_index(drives, BangerDrive, i);

        roots += drive->is_root;
        if (!g_hash_table_add(ids, drive->id))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "drives: the id \"%s\" occurs twice", drive->id);
        if (!drive->is_root && drive->image.dm_name != NULL)
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "drives: only the root drive may be a dm device, not \"%s\"",
                                    drive->id);
    }
    if (roots > 1)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "drives: %u root drives, there can be only one", roots);
    return true;
}

static bool
check_vsock(const BangerLaunchFirecrackerRequest *launch, GError **error)
{
    if (launch->vsock_path[0] == '\0') {
        if (launch->vsock_cid != 0)
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "vsock_cid: given without vsock_path");
        return true;
    }
    if (launch->vsock_cid < VSOCK_CID_FIRST_GUEST || launch->vsock_cid == UINT32_MAX)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "vsock_cid: %u is not a guest's, which is from 3 to %u",
                                launch->vsock_cid, UINT32_MAX - 1);
    if (strlen(launch->vsock_path) > VSOCK_PATH_MAX)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "vsock_path: \"%s\" is longer than %d bytes: connections from the "
                                "guest need room for _PORT after it",
                                launch->vsock_path, VSOCK_PATH_MAX);
    if (g_str_equal(launch->vsock_path, launch->socket_path))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "vsock_path: \"%s\" is the API socket too", launch->vsock_path);
    return true;
}

static bool
check_network(const BangerBridge *network, GError **error)
{
    int given = (network->bridge_name[0] != '\0') + (network->bridge_ip.family != 0) +
                (network->cidr.length != 0);

    if (given == 0)
        return true;
    if (given != 3)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "network: bridge_name, bridge_ip and cidr go together");
    if (!check_bridge(network, error)) {
        g_prefix_error(error, "network: ");
        return false;
    }
    return true;
}

/*
 * What the VMM writes text into must be nothing that the guest has: neither a drive, nor what it
 * boots from.
 */
static bool
check_output(const BangerLaunchFirecrackerRequest *launch, const char *member, const char *path,
             GError **error)
{
    const char *what = NULL;

    if (g_str_equal(path, launch->kernel_image_path))
        what = "the kernel";
    else if (g_str_equal(path, launch->initrd_path))
        what = "the initrd";
    else if (launch->options.has_load_snapshot &&
             (g_str_equal(path, launch->options.load_snapshot.snapshot_path) ||
              g_str_equal(path, launch->options.load_snapshot.mem_file_path)))
        what = "a file of the snapshot";
    for (unsigned int i = 0; what == NULL && i < launch->drives->len; i++)
        if (g_str_equal(path, g_array_index(launch->drives, BangerDrive, i).image.path))
            what = "a drive";
    return what == NULL || banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: \"%s\" is %s too",
                                            member, path, what);
}

bool
banger_relations_check_launch(const BangerLaunchFirecrackerRequest *launch, GError **error)
{
    if (g_str_equal(launch->log_path, launch->metrics_path))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "metrics_path: \"%s\" is the log too", launch->metrics_path);
    return check_output(launch, "log_path", launch->log_path, error) &&
           check_output(launch, "metrics_path", launch->metrics_path, error) &&
           check_drives(launch->drives, error) && check_vsock(launch, error) &&
           check_network(&launch->network, error) &&
           banger_relations_machine_options(launch, error);
}

bool
banger_relations_launch_firecracker(BangerRequest *request, const BangerSettings *settings,
                                    GError **error)
{
    (void)settings;
    return banger_relations_check_launch(&request->launch_firecracker, error);
}

bool
banger_relations_snapshot_machine(BangerRequest *request, const BangerSettings *settings,
                                  GError **error)
{
    const BangerSnapshotFiles *files = &request->snapshot_machine.snapshot;

    (void)settings;
    if (g_str_equal(files->snapshot_path, files->mem_file_path))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "mem_file_path: \"%s\" is the snapshot_path too",
                                files->mem_file_path);
    return g_str_equal(files->type, "Full") || g_str_equal(files->type, "Diff") ||
           banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "type: \"%.64s\" is neither Full nor Diff", files->type);
}
