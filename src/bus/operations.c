/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/operations.h"

#include "disk/dm.h"
#include "disk/image-stream.h"
#include "disk/image.h"
#include "disk/loop.h"
#include "disk/snapshot.h"
#include "machine/machine.h"
#include "network/nat.h"
#include "network/network.h"
#include "network/reach.h"
#include "network/resolver.h"
#include "vmm/control.h"
#include "vmm/disk-users.h"
#include "vmm/machine-snapshot.h"
#include "vmm/stop.h"

/* The operation of each method; tests/unit/test-consistency sees that none is missing. */
static BangerOperation *const operations[BANGER_N_METHODS] = {
    [BANGER_METHOD_ENSURE_BRIDGE] = banger_op_ensure_bridge,
    [BANGER_METHOD_CREATE_TAP] = banger_op_create_tap,
    [BANGER_METHOD_DELETE_TAP] = banger_op_delete_tap,
    [BANGER_METHOD_DELETE_BRIDGE] = banger_op_delete_bridge,
    [BANGER_METHOD_SYNC_RESOLVER_ROUTING] = banger_op_sync_resolver_routing,
    [BANGER_METHOD_CLEAR_RESOLVER_ROUTING] = banger_op_clear_resolver_routing,
    [BANGER_METHOD_ENSURE_NAT] = banger_op_ensure_nat,
    [BANGER_METHOD_ENSURE_PORT_FORWARD] = banger_op_ensure_port_forward,
    [BANGER_METHOD_SET_EGRESS] = banger_op_set_egress,
    [BANGER_METHOD_CREATE_DM_SNAPSHOT] = banger_op_create_dm_snapshot,
    [BANGER_METHOD_CLEANUP_DM_SNAPSHOT] = banger_op_cleanup_dm_snapshot,
    [BANGER_METHOD_REMOVE_DM_SNAPSHOT] = banger_op_remove_dm_snapshot,
    [BANGER_METHOD_FSCK_SNAPSHOT] = banger_op_fsck_snapshot,
    [BANGER_METHOD_CHECK_IMAGE] = banger_op_check_image,
    [BANGER_METHOD_READ_EXT4_FILE] = banger_op_read_ext4_file,
    [BANGER_METHOD_READ_EXT4_FILE_TO] = banger_op_read_ext4_file_to,
    [BANGER_METHOD_WRITE_EXT4_FILES_FROM] = banger_op_write_ext4_files_from,
    [BANGER_METHOD_WRITE_EXT4_FILES] = banger_op_write_ext4_files,
    [BANGER_METHOD_RESOLVE_FIRECRACKER_BINARY] = banger_op_resolve_firecracker_binary,
    [BANGER_METHOD_LAUNCH_FIRECRACKER] = banger_op_launch_firecracker,
    [BANGER_METHOD_ENSURE_SOCKET_ACCESS] = banger_op_ensure_socket_access,
    [BANGER_METHOD_FIND_FIRECRACKER_PID] = banger_op_find_firecracker_pid,
    [BANGER_METHOD_KILL_PROCESS] = banger_op_kill_process,
    [BANGER_METHOD_SIGNAL_PROCESS] = banger_op_signal_process,
    [BANGER_METHOD_PROCESS_RUNNING] = banger_op_process_running,
    [BANGER_METHOD_CREATE_MACHINE] = banger_op_create_machine,
    [BANGER_METHOD_DESTROY_MACHINE] = banger_op_destroy_machine,
    [BANGER_METHOD_RECONCILE] = banger_op_reconcile,
    [BANGER_METHOD_STOP_MACHINE] = banger_op_stop_machine,
    [BANGER_METHOD_SNAPSHOT_MACHINE] = banger_op_snapshot_machine,
};

/*
 * Who may have a disk: no room knows all of them. Device-mapper is asked first: where it knows that
 * no VMM has a device, the processes of all VMMs need not be looked through.
 */
static BangerDiskFinder *const finders[] = {
    banger_disk_find_dm,
    banger_disk_find_machine,
    banger_disk_find_loop,
    NULL,
};

void
banger_operations_init(void)
{
    banger_disk_set_finders(finders);
}

bool
banger_operation_run(const BangerMethod *method, const BangerSettings *settings,
                     const BangerRequest *request, BangerReply *reply, GError **error)
{
    return operations[method->id](settings, request, reply, error);
}
