/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/methods.h"

#include "model/bounds.h"
#include "model/field-tables.h"
#include "model/relations.h"

static const BangerField nothing[] = {END};

static const BangerField ensure_bridge_in[] = {
    STRING("bridge_name", IN(ensure_bridge.bridge_name), LINK_NAME, OBJECT | EXCLUSIVE),
    STRING("bridge_ip", IN(ensure_bridge.bridge_ip), ADDRESS, 0),
    STRING("cidr", IN(ensure_bridge.cidr), CIDR, 0),
    END,
};

static const BangerField create_tap_in[] = {
    STRING("bridge_name", IN(create_tap.bridge.bridge_name), LINK_NAME, OBJECT | EXCLUSIVE),
    STRING("bridge_ip", IN(create_tap.bridge.bridge_ip), ADDRESS, 0),
    STRING("cidr", IN(create_tap.bridge.cidr), CIDR, 0),
    STRING("tap_name", IN(create_tap.tap_name), TAP_NAME, OBJECT | EXCLUSIVE),
    END,
};

static const BangerField delete_tap_in[] = {
    STRING("tap_name", IN(delete_tap.tap_name), TAP_NAME, OBJECT | EXCLUSIVE),
    END,
};

static const BangerField delete_bridge_in[] = {
    STRING("bridge_name", IN(delete_bridge.bridge_name), LINK_NAME, OBJECT | EXCLUSIVE),
    END,
};

static const BangerField sync_resolver_routing_in[] = {
    STRING("bridge_name", IN(sync_resolver_routing.bridge_name), LINK_NAME,
           OBJECT | EXCLUSIVE | MAY_BE_EMPTY),
    STRING("server_addr", IN(sync_resolver_routing.server_addr), SERVER, MAY_BE_EMPTY),
    END,
};

static const BangerField clear_resolver_routing_in[] = {
    STRING("bridge_name", IN(clear_resolver_routing.bridge_name), LINK_NAME,
           OBJECT | EXCLUSIVE | MAY_BE_EMPTY),
    END,
};

static const BangerField ensure_nat_in[] = {
    STRING("guest_ip", IN(ensure_nat.guest_ip), ADDRESS, OBJECT),
    STRING("tap", IN(ensure_nat.tap), TAP_NAME, OBJECT | EXCLUSIVE),
    BOOLEAN("enable", IN(ensure_nat.enable), OBJECT),
    END,
};

static const BangerField ensure_port_forward_in[] = {
    STRING("protocol", IN(ensure_port_forward.protocol), TEXT, OBJECT),
    PORT("host_port", IN(ensure_port_forward.host_port), OBJECT),
    STRING("guest_ip", IN(ensure_port_forward.guest_ip), ADDRESS, OBJECT),
    PORT("guest_port", IN(ensure_port_forward.guest_port), OBJECT),
    BOOLEAN("enable", IN(ensure_port_forward.enable), OBJECT),
    END,
};

const BangerField banger_destination_members[] = {
    STRING("network", 0, DESTINATION, 0),
    END,
};

static const BangerField set_egress_in[] = {
    STRING("guest_ip", IN(set_egress.guest_ip), ADDRESS, OBJECT),
    {.name = "networks",
     .type = BANGER_TYPE_LIST,
     .offset = IN(set_egress.networks),
     .min = 1,
     .max = BANGER_EGRESS_MAX,
     .members = banger_destination_members,
     .size = sizeof(char *)},
    END,
};

static const BangerField create_dm_snapshot_in[] = {
    STRING("rootfs_path", IN(create_dm_snapshot.rootfs_path), STATE_PATH, SHARED),
    STRING("cow_path", IN(create_dm_snapshot.cow_path), STATE_PATH, EXCLUSIVE),
    STRING("dm_name", IN(create_dm_snapshot.dm_name), DM_NAME, OBJECT | EXCLUSIVE),
    END,
};

static const BangerField create_dm_snapshot_out[] = {
    STRING("base_loop", OUT(create_dm_snapshot.base_loop), TEXT, 0),
    STRING("cow_loop", OUT(create_dm_snapshot.cow_loop), TEXT, 0),
    STRING("dm_name", OUT(create_dm_snapshot.dm_name), TEXT, 0),
    STRING("dm_dev", OUT(create_dm_snapshot.dm_dev), TEXT, 0),
    END,
};

static const BangerField cleanup_dm_snapshot_in[] = {
    STRING("base_loop", IN(cleanup_dm_snapshot.base_loop), LOOP_PATH, MAY_BE_EMPTY | BARE_NAME),
    STRING("cow_loop", IN(cleanup_dm_snapshot.cow_loop), LOOP_PATH, MAY_BE_EMPTY | BARE_NAME),
    STRING("dm_name", IN(cleanup_dm_snapshot.dm_name), DM_NAME,
           OBJECT | EXCLUSIVE | MAY_BE_EMPTY | BARE_NAME),
    STRING("dm_dev", IN(cleanup_dm_snapshot.dm_dev), DM_PATH,
           OBJECT | EXCLUSIVE | MAY_BE_EMPTY | BARE_NAME),
    END,
};

static const BangerField remove_dm_snapshot_in[] = {
    STRING("target", IN(remove_dm_snapshot.target), DM_TARGET, OBJECT | EXCLUSIVE),
    END,
};

static const BangerField fsck_snapshot_in[] = {
    STRING("dm_dev", IN(fsck_snapshot.dm_name), DM_PATH, OBJECT | EXCLUSIVE),
    END,
};

static const BangerField fsck_snapshot_out[] = {
    BOOLEAN("corrected", OUT(fsck_snapshot.corrected), 0),
    END,
};

static const BangerField check_image_in[] = {
    STRING("image_path", IN(check_image.image), IMAGE_PATH, OBJECT | EXCLUSIVE),
    BOOLEAN("repair", IN(check_image.repair), OBJECT),
    END,
};

static const BangerField check_image_out[] = {
    BOOLEAN("corrected", OUT(check_image.corrected), 0),
    END,
};

static const BangerField read_ext4_file_in[] = {
    STRING("image_path", IN(read_ext4_file.image), IMAGE_PATH, OBJECT | EXCLUSIVE),
    STRING("guest_path", IN(read_ext4_file.guest_path), GUEST_PATH, OBJECT),
    END,
};

static const BangerField read_ext4_file_out[] = {
    {.name = "data", .type = BANGER_TYPE_BYTES, .offset = OUT(read_ext4_file.data)},
    END,
};

const BangerField banger_ext4_file_members[] = {
    STRING("guest_path", offsetof(BangerExt4File, guest_path), GUEST_PATH, 0),
    {.name = "data",
     .type = BANGER_TYPE_BYTES,
     .offset = offsetof(BangerExt4File, data),
     .flags = SECRET,
     .max = BANGER_GUEST_FILE_MAX},
    {.name = "mode",
     .type = BANGER_TYPE_UINT32,
     .offset = offsetof(BangerExt4File, mode),
     .kind = BANGER_KIND_FILE_MODE,
     .flags = BANGER_FIELD_NO_DETAIL},
    END,
};

static const BangerField write_ext4_files_in[] = {
    STRING("image_path", IN(write_ext4_files.image), IMAGE_PATH, OBJECT | EXCLUSIVE),
    {.name = "files",
     .type = BANGER_TYPE_ARRAY,
     .offset = IN(write_ext4_files.files),
     .max = BANGER_GUEST_FILES_MAX,
     .members = banger_ext4_file_members,
     .size = sizeof(BangerExt4File)},
    END,
};

static const BangerField read_ext4_file_to_in[] = {
    STRING("image_path", IN(read_ext4_file_to.image), IMAGE_PATH, OBJECT | EXCLUSIVE),
    STRING("guest_path", IN(read_ext4_file_to.guest_path), GUEST_PATH, OBJECT),
    {.name = "to", .type = BANGER_TYPE_HANDLE, .offset = IN(read_ext4_file_to.to)},
    END,
};

static const BangerField read_ext4_file_to_out[] = {
    {.name = "size", .type = BANGER_TYPE_UINT64, .offset = OUT(read_ext4_file_to.size)},
    END,
};

static const BangerField ext4_file_from_members[] = {
    STRING("guest_path", offsetof(BangerExt4FileFrom, guest_path), GUEST_PATH, 0),
    {.name = "content",
     .type = BANGER_TYPE_HANDLE,
     .offset = offsetof(BangerExt4FileFrom, content)},
    {.name = "mode",
     .type = BANGER_TYPE_UINT32,
     .offset = offsetof(BangerExt4FileFrom, mode),
     .kind = BANGER_KIND_FILE_MODE,
     .flags = BANGER_FIELD_NO_DETAIL},
    END,
};

static const BangerField write_ext4_files_from_in[] = {
    STRING("image_path", IN(write_ext4_files_from.image), IMAGE_PATH, OBJECT | EXCLUSIVE),
    {.name = "files",
     .type = BANGER_TYPE_ARRAY,
     .offset = IN(write_ext4_files_from.files),
     .min = 1,
     .max = BANGER_DESCRIPTORS_MAX,
     .members = ext4_file_from_members,
     .size = sizeof(BangerExt4FileFrom)},
    END,
};

static const BangerField resolve_firecracker_binary_in[] = {
    STRING("requested", IN(resolve_firecracker_binary.requested), BINARY, OBJECT | MAY_BE_EMPTY),
    END,
};

static const BangerField resolve_firecracker_binary_out[] = {
    STRING("path", OUT(resolve_firecracker_binary.path), TEXT, 0),
    END,
};

static const BangerField launch_firecracker_in[] = {
    {.name = "machine",
     .type = BANGER_TYPE_DICT,
     .offset = IN(launch_firecracker),
     .members = banger_launch_members,
     .size = sizeof(BangerLaunchFirecrackerRequest)},
    END,
};

static const BangerField launch_firecracker_out[] = {
    NUMBER("pid", OUT(launch_firecracker.pid), 0, 0, UINT32_MAX),
    END,
};

static const BangerField ensure_socket_access_in[] = {
    STRING("socket_path", IN(ensure_socket_access.socket_path), RUNTIME_PATH, OBJECT | EXCLUSIVE),
    STRING("label", IN(ensure_socket_access.label), TEXT, MAY_BE_EMPTY),
    END,
};

static const BangerField find_firecracker_pid_in[] = {
    STRING("api_sock", IN(find_firecracker_pid.api_sock), RUNTIME_PATH, OBJECT),
    END,
};

static const BangerField find_firecracker_pid_out[] = {
    NUMBER("pid", OUT(find_firecracker_pid.pid), 0, 0, UINT32_MAX),
    END,
};

static const BangerField kill_process_in[] = {
    NUMBER("pid", IN(kill_process.pid), OBJECT | EXCLUSIVE, 0, UINT32_MAX),
    END,
};

static const BangerField signal_process_in[] = {
    NUMBER("pid", IN(signal_process.pid), OBJECT | EXCLUSIVE, 0, UINT32_MAX),
    STRING("signal", IN(signal_process.signal), SIGNAL, OBJECT | MAY_BE_EMPTY),
    END,
};

static const BangerField process_running_in[] = {
    NUMBER("pid", IN(process_running.pid), OBJECT, 0, UINT32_MAX),
    STRING("api_sock", IN(process_running.api_sock), TEXT, OBJECT | MAY_BE_EMPTY),
    END,
};

static const BangerField process_running_out[] = {
    BOOLEAN("running", OUT(process_running.running), 0),
    END,
};

#define MACHINE_DICT(field_offset, field_members)                                                  \
    {                                                                                              \
        .name = "machine", .type = BANGER_TYPE_DICT, .offset = (field_offset),                     \
        .members = (field_members), .size = sizeof(BangerMachineRequest)                           \
    }

static const BangerField create_machine_in[] = {
    MACHINE_DICT(IN(create_machine), banger_create_machine_members),
    END,
};

static const BangerField create_machine_out[] = {
    {.name = "machine", .type = BANGER_TYPE_OBJECT_PATH, .offset = OUT(create_machine.machine)},
    NUMBER("pid", OUT(create_machine.pid), 0, 0, UINT32_MAX),
    END,
};

static const BangerField destroy_machine_in[] = {
    MACHINE_DICT(IN(destroy_machine), banger_destroy_machine_members),
    END,
};

static const BangerField pattern[] = {
    STRING("name", 0, TEXT, 0),
    END,
};

#define PATTERNS(field_name, field_offset)                                                         \
    {                                                                                              \
        .name = (field_name), .type = BANGER_TYPE_LIST, .offset = (field_offset),                  \
        .max = BANGER_PATTERNS_MAX, .members = pattern, .size = sizeof(char *)                     \
    }

static const BangerField reconcile_in[] = {
    PATTERNS("keep", IN(reconcile.keep)),
    PATTERNS("remove", IN(reconcile.remove)),
    BOOLEAN("dry_run", IN(reconcile.dry_run), OBJECT),
    END,
};

static const BangerField reconciled_members[] = {
    STRING("kind", offsetof(BangerReconciled, kind), TEXT, 0),
    STRING("name", offsetof(BangerReconciled, name), TEXT, 0),
    STRING("action", offsetof(BangerReconciled, action), TEXT, 0),
    END,
};

static const BangerField reconcile_out[] = {
    {.name = "objects",
     .type = BANGER_TYPE_ARRAY,
     .offset = OUT(reconcile.objects),
     .max = UINT32_MAX,
     .members = reconciled_members,
     .size = sizeof(BangerReconciled)},
    END,
};

static const BangerField stop_machine_in[] = {
    STRING("vm_id", IN(stop_machine.vm_id), VM_ID, OBJECT | EXCLUSIVE),
    NUMBER("timeout_s", IN(stop_machine.timeout_s), 0, 0, BANGER_STOP_TIMEOUT_MAX_S),
    END,
};

static const BangerField stop_machine_out[] = {
    STRING("how", OUT(stop_machine.how), TEXT, 0),
    END,
};

static const BangerField snapshot_members[] = {
    STRING("snapshot_path", offsetof(BangerSnapshotFiles, snapshot_path), STATE_PATH, EXCLUSIVE),
    STRING("mem_file_path", offsetof(BangerSnapshotFiles, mem_file_path), STATE_PATH, EXCLUSIVE),
    {.name = "type",
     .type = BANGER_TYPE_STRING,
     .offset = offsetof(BangerSnapshotFiles, type),
     .kind = BANGER_KIND_TEXT,
     .flags = OPTIONAL,
     .default_text = "Full"},
    {.name = "resume",
     .type = BANGER_TYPE_BOOLEAN,
     .offset = offsetof(BangerSnapshotFiles, resume),
     .flags = OPTIONAL,
     .default_number = true},
    END,
};

static const BangerField snapshot_machine_in[] = {
    STRING("vm_id", IN(snapshot_machine.vm_id), VM_ID, OBJECT | EXCLUSIVE),
    {.name = "snapshot",
     .type = BANGER_TYPE_DICT,
     .offset = IN(snapshot_machine.snapshot),
     .members = snapshot_members,
     .size = sizeof(BangerSnapshotFiles)},
    END,
};

/* A method that a JSON caller cannot reach: it takes descriptors. */
#define ROW_BUS_ONLY(method_id, name, action_id, in_fields, out_fields, ...)                       \
    [BANGER_METHOD_##method_id] = {.id = BANGER_METHOD_##method_id,                                \
                                   .dbus_name = (name),                                            \
                                   .action = "org.banger.helper1." action_id,                      \
                                   .in = (in_fields),                                              \
                                   .out = (out_fields),                                            \
                                   __VA_ARGS__}

#define ROW(method_id, name, json, action_id, in_fields, out_fields, validate_function, ...)       \
    [BANGER_METHOD_##method_id] = {.id = BANGER_METHOD_##method_id,                                \
                                   .dbus_name = (name),                                            \
                                   .json_name = "priv." json,                                      \
                                   .action = "org.banger.helper1." action_id,                      \
                                   .in = (in_fields),                                              \
                                   .out = (out_fields),                                            \
                                   .validate = (validate_function),                                \
                                   __VA_ARGS__}

static const BangerMethod methods[BANGER_N_METHODS] = {
    ROW(ENSURE_BRIDGE, "EnsureBridge", "ensure_bridge", "ensure-bridge", ensure_bridge_in, nothing,
        banger_relations_ensure_bridge),
    ROW(CREATE_TAP, "CreateTap", "create_tap", "create-tap", create_tap_in, nothing,
        banger_relations_create_tap),
    ROW(DELETE_TAP, "DeleteTap", "delete_tap", "delete-tap", delete_tap_in, nothing, NULL),
    ROW(DELETE_BRIDGE, "DeleteBridge", "delete_bridge", "delete-bridge", delete_bridge_in, nothing,
        NULL),
    ROW(SYNC_RESOLVER_ROUTING, "SyncResolverRouting", "sync_resolver_routing",
        "sync-resolver-routing", sync_resolver_routing_in, nothing, NULL),
    ROW(CLEAR_RESOLVER_ROUTING, "ClearResolverRouting", "clear_resolver_routing",
        "clear-resolver-routing", clear_resolver_routing_in, nothing, NULL),
    ROW(ENSURE_NAT, "EnsureNAT", "ensure_nat", "ensure-nat", ensure_nat_in, nothing,
        banger_relations_ensure_nat),
    ROW(ENSURE_PORT_FORWARD, "EnsurePortForward", "ensure_port_forward", "ensure-port-forward",
        ensure_port_forward_in, nothing, banger_relations_ensure_port_forward),
    ROW(SET_EGRESS, "SetEgress", "set_egress", "set-egress", set_egress_in, nothing,
        banger_relations_set_egress),
    ROW(CREATE_DM_SNAPSHOT, "CreateDMSnapshot", "create_dm_snapshot", "create-dm-snapshot",
        create_dm_snapshot_in, create_dm_snapshot_out, banger_relations_create_dm_snapshot),
    ROW(CLEANUP_DM_SNAPSHOT, "CleanupDMSnapshot", "cleanup_dm_snapshot", "cleanup-dm-snapshot",
        cleanup_dm_snapshot_in, nothing, banger_relations_cleanup_dm_snapshot),
    ROW(REMOVE_DM_SNAPSHOT, "RemoveDMSnapshot", "remove_dm_snapshot", "remove-dm-snapshot",
        remove_dm_snapshot_in, nothing, NULL),
    ROW(FSCK_SNAPSHOT, "FsckSnapshot", "fsck_snapshot", "fsck-snapshot", fsck_snapshot_in,
        fsck_snapshot_out, NULL, .has_job = true),
    ROW(CHECK_IMAGE, "CheckImage", "check_image", "check-image", check_image_in, check_image_out,
        NULL, .has_job = true),
    ROW(READ_EXT4_FILE, "ReadExt4File", "read_ext4_file", "read-ext4-file", read_ext4_file_in,
        read_ext4_file_out, NULL),
    ROW(WRITE_EXT4_FILES, "WriteExt4Files", "write_ext4_files", "write-ext4-files",
        write_ext4_files_in, nothing, NULL),
    ROW_BUS_ONLY(READ_EXT4_FILE_TO, "ReadExt4FileTo", "read-ext4-file", read_ext4_file_to_in,
                 read_ext4_file_to_out, .has_job = true),
    ROW_BUS_ONLY(WRITE_EXT4_FILES_FROM, "WriteExt4FilesFrom", "write-ext4-files",
                 write_ext4_files_from_in, nothing, .has_job = true),
    ROW(RESOLVE_FIRECRACKER_BINARY, "ResolveFirecrackerBinary", "resolve_firecracker_binary",
        "resolve-firecracker-binary", resolve_firecracker_binary_in, resolve_firecracker_binary_out,
        NULL),
    ROW(LAUNCH_FIRECRACKER, "LaunchFirecracker", "launch_firecracker", "launch-firecracker",
        launch_firecracker_in, launch_firecracker_out, banger_relations_launch_firecracker),
    ROW(ENSURE_SOCKET_ACCESS, "EnsureSocketAccess", "ensure_socket_access", "ensure-socket-access",
        ensure_socket_access_in, nothing, NULL),
    ROW(FIND_FIRECRACKER_PID, "FindFirecrackerPID", "find_firecracker_pid", "find-firecracker-pid",
        find_firecracker_pid_in, find_firecracker_pid_out, NULL),
    ROW(KILL_PROCESS, "KillProcess", "kill_process", "kill-process", kill_process_in, nothing,
        NULL),
    ROW(SIGNAL_PROCESS, "SignalProcess", "signal_process", "signal-process", signal_process_in,
        nothing, NULL),
    ROW(PROCESS_RUNNING, "ProcessRunning", "process_running", "process-running", process_running_in,
        process_running_out, NULL),
    ROW(CREATE_MACHINE, "CreateMachine", "create_machine", "create-machine", create_machine_in,
        create_machine_out, banger_relations_create_machine, .has_job = true),
    ROW(DESTROY_MACHINE, "DestroyMachine", "destroy_machine", "destroy-machine", destroy_machine_in,
        nothing, banger_relations_destroy_machine, .has_job = true),
    ROW(RECONCILE, "Reconcile", "reconcile", "reconcile", reconcile_in, reconcile_out,
        banger_relations_reconcile, .has_job = true),
    ROW(STOP_MACHINE, "StopMachine", "stop_machine", "stop-machine", stop_machine_in,
        stop_machine_out, NULL),
    ROW(SNAPSHOT_MACHINE, "SnapshotMachine", "snapshot_machine", "snapshot-machine",
        snapshot_machine_in, nothing, banger_relations_snapshot_machine),
};

const BangerMethod *
banger_method(BangerMethodId id)
{
    g_assert(id < BANGER_N_METHODS);
    return &methods[id];
}

const BangerMethod *
banger_method_by_dbus_name(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
        if (g_str_equal(methods[i].dbus_name, name))
            return &methods[i];
    return NULL;
}

const BangerMethod *
banger_method_by_json_name(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
        if (g_strcmp0(methods[i].json_name, name) == 0)
            return &methods[i];
    return NULL;
}

void
banger_request_free(const BangerMethod *method, BangerRequest *request)
{
    if (request == NULL)
        return;
    banger_fields_clear(method->in, request);
    g_clear_pointer(&request->job, banger_job_unref);
    g_free(request->machine);
    g_free(request->op_id);
    g_free(request);
}

void
banger_reply_clear(const BangerMethod *method, BangerReply *reply)
{
    banger_fields_clear(method->out, reply);
    g_clear_pointer(&reply->warning, g_free);
}
