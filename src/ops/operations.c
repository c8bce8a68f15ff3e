/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ops/operations.h"

#include "ops/image.h"
#include "ops/machine.h"
#include "ops/nat.h"
#include "ops/network.h"
#include "ops/process.h"
#include "ops/resolver.h"
#include "ops/snapshot.h"
#include "util/error.h"

/* The operation of each method. A method without one answers NotSupported. */
static BangerOperation *const operations[BANGER_N_METHODS] = {
    [BANGER_METHOD_ENSURE_BRIDGE] = banger_network_ensure_bridge,
    [BANGER_METHOD_CREATE_TAP] = banger_network_create_tap,
    [BANGER_METHOD_DELETE_TAP] = banger_network_delete_tap,
    [BANGER_METHOD_SYNC_RESOLVER_ROUTING] = banger_resolver_sync,
    [BANGER_METHOD_CLEAR_RESOLVER_ROUTING] = banger_resolver_clear,
    [BANGER_METHOD_ENSURE_NAT] = banger_nat_ensure,
    [BANGER_METHOD_CREATE_DM_SNAPSHOT] = banger_create_dm_snapshot,
    [BANGER_METHOD_CLEANUP_DM_SNAPSHOT] = banger_cleanup_dm_snapshot,
    [BANGER_METHOD_REMOVE_DM_SNAPSHOT] = banger_remove_dm_snapshot,
    [BANGER_METHOD_FSCK_SNAPSHOT] = banger_fsck_snapshot,
    [BANGER_METHOD_READ_EXT4_FILE] = banger_read_ext4_file,
    [BANGER_METHOD_WRITE_EXT4_FILES] = banger_write_ext4_files,
    [BANGER_METHOD_RESOLVE_FIRECRACKER_BINARY] = banger_resolve_firecracker_binary,
    [BANGER_METHOD_LAUNCH_FIRECRACKER] = banger_launch_firecracker,
    [BANGER_METHOD_ENSURE_SOCKET_ACCESS] = banger_ensure_socket_access,
    [BANGER_METHOD_FIND_FIRECRACKER_PID] = banger_find_firecracker_pid,
    [BANGER_METHOD_KILL_PROCESS] = banger_kill_process,
    [BANGER_METHOD_SIGNAL_PROCESS] = banger_signal_process,
    [BANGER_METHOD_PROCESS_RUNNING] = banger_process_running,
};

bool
banger_operation_run(const BangerMethod *method, const BangerSettings *settings,
                     const BangerRequest *request, BangerReply *reply, GError **error)
{
    BangerOperation *operation = operations[method->id];

    if (operation == NULL)
        return banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED,
                                "%s is not part of this version of the helper", method->dbus_name);
    return operation(settings, request, reply, error);
}
