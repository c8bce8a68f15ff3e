/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/methods.h"

#include "model/limits.h"
#include "model/relations.h"

#define IN(member) offsetof(BangerRequest, member)
#define OUT(member) offsetof(BangerReply, member)
#define STRING(field_name, field_offset, field_kind, field_flags)                                  \
    {                                                                                              \
        .name = (field_name), .type = BANGER_TYPE_STRING, .offset = (field_offset),                \
        .kind = BANGER_KIND_##field_kind, .flags = (field_flags)                                   \
    }
#define BOOLEAN(field_name, field_offset, field_flags)                                             \
    {                                                                                              \
        .name = (field_name), .type = BANGER_TYPE_BOOLEAN, .offset = (field_offset),               \
        .flags = (field_flags)                                                                     \
    }
#define NUMBER(field_name, field_offset, field_flags, field_min, field_max)                        \
    {                                                                                              \
        .name = (field_name), .type = BANGER_TYPE_UINT32, .offset = (field_offset),                \
        .kind = BANGER_KIND_NUMBER, .flags = (field_flags), .min = (field_min), .max = (field_max) \
    }
#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }

#define OPTIONAL BANGER_FIELD_OPTIONAL
#define MAY_BE_EMPTY BANGER_FIELD_MAY_BE_EMPTY
#define SECRET BANGER_FIELD_SECRET
#define OBJECT BANGER_FIELD_OBJECT
#define EXCLUSIVE BANGER_FIELD_EXCLUSIVE

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

static const BangerField create_dm_snapshot_in[] = {
    STRING("rootfs_path", IN(create_dm_snapshot.rootfs_path), STATE_PATH, EXCLUSIVE),
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
    STRING("base_loop", IN(cleanup_dm_snapshot.base_loop), LOOP_PATH, MAY_BE_EMPTY),
    STRING("cow_loop", IN(cleanup_dm_snapshot.cow_loop), LOOP_PATH, MAY_BE_EMPTY),
    STRING("dm_name", IN(cleanup_dm_snapshot.dm_name), DM_NAME, OBJECT | EXCLUSIVE | MAY_BE_EMPTY),
    STRING("dm_dev", IN(cleanup_dm_snapshot.dm_dev), DM_PATH, OBJECT | EXCLUSIVE | MAY_BE_EMPTY),
    END,
};

static const BangerField remove_dm_snapshot_in[] = {
    STRING("target", IN(remove_dm_snapshot.target), DM_TARGET, OBJECT | EXCLUSIVE),
    END,
};

static const BangerField fsck_snapshot_in[] = {
    STRING("dm_dev", IN(fsck_snapshot.dm_dev), DM_PATH, OBJECT | EXCLUSIVE),
    END,
};

static const BangerField fsck_snapshot_out[] = {
    BOOLEAN("corrected", OUT(fsck_snapshot.corrected), 0),
    END,
};

static const BangerField read_ext4_file_in[] = {
    STRING("image_path", IN(read_ext4_file.image_path), IMAGE_PATH, OBJECT | EXCLUSIVE),
    STRING("guest_path", IN(read_ext4_file.guest_path), GUEST_PATH, OBJECT),
    END,
};

static const BangerField read_ext4_file_out[] = {
    {.name = "data", .type = BANGER_TYPE_BYTES, .offset = OUT(read_ext4_file.data)},
    END,
};

static const BangerField ext4_file_members[] = {
    STRING("guest_path", offsetof(BangerExt4File, guest_path), GUEST_PATH, 0),
    {.name = "data",
     .type = BANGER_TYPE_BYTES,
     .offset = offsetof(BangerExt4File, data),
     .flags = SECRET,
     .max = BANGER_GUEST_FILE_MAX},
    {.name = "mode",
     .type = BANGER_TYPE_UINT32,
     .offset = offsetof(BangerExt4File, mode),
     .kind = BANGER_KIND_FILE_MODE},
    END,
};

static const BangerField write_ext4_files_in[] = {
    STRING("image_path", IN(write_ext4_files.image_path), IMAGE_PATH, OBJECT | EXCLUSIVE),
    {.name = "files",
     .type = BANGER_TYPE_ARRAY,
     .offset = IN(write_ext4_files.files),
     .max = BANGER_GUEST_FILES_MAX,
     .members = ext4_file_members,
     .size = sizeof(BangerExt4File)},
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

static const BangerField drive_members[] = {
    STRING("id", offsetof(BangerDrive, id), DRIVE_ID, 0),
    STRING("path", offsetof(BangerDrive, path), IMAGE_PATH, EXCLUSIVE),
    BOOLEAN("read_only", offsetof(BangerDrive, read_only), 0),
    BOOLEAN("is_root", offsetof(BangerDrive, is_root), 0),
    END,
};

static const BangerField network_members[] = {
    STRING("bridge_name", offsetof(BangerBridge, bridge_name), LINK_NAME, MAY_BE_EMPTY),
    STRING("bridge_ip", offsetof(BangerBridge, bridge_ip), ADDRESS, MAY_BE_EMPTY),
    STRING("cidr", offsetof(BangerBridge, cidr), CIDR, MAY_BE_EMPTY),
    END,
};

#define MACHINE(member) offsetof(BangerLaunchFirecrackerRequest, member)

static const BangerField machine_members[] = {
    STRING("binary_path", MACHINE(binary_path), BINARY_PATH, 0),
    STRING("vm_id", MACHINE(vm_id), VM_ID, OBJECT | EXCLUSIVE),
    STRING("socket_path", MACHINE(socket_path), RUNTIME_PATH, EXCLUSIVE),
    STRING("log_path", MACHINE(log_path), STATE_PATH, EXCLUSIVE),
    STRING("metrics_path", MACHINE(metrics_path), STATE_PATH, EXCLUSIVE),
    STRING("kernel_image_path", MACHINE(kernel_image_path), STATE_PATH, 0),
    STRING("initrd_path", MACHINE(initrd_path), STATE_PATH, OPTIONAL | MAY_BE_EMPTY),
    STRING("kernel_args", MACHINE(kernel_args), TEXT, SECRET | MAY_BE_EMPTY),
    {.name = "drives",
     .type = BANGER_TYPE_ARRAY,
     .offset = MACHINE(drives),
     .max = BANGER_DRIVES_MAX,
     .members = drive_members,
     .size = sizeof(BangerDrive)},
    STRING("tap_device", MACHINE(tap_device), TAP_NAME, EXCLUSIVE),
    STRING("vsock_path", MACHINE(vsock_path), RUNTIME_PATH, OPTIONAL | MAY_BE_EMPTY | EXCLUSIVE),
    NUMBER("vsock_cid", MACHINE(vsock_cid), OPTIONAL, 0, UINT32_MAX),
    NUMBER("vcpu_count", MACHINE(vcpu_count), 0, 1, BANGER_VCPUS_MAX),
    NUMBER("memory_mib", MACHINE(memory_mib), 0, 1, BANGER_MEMORY_MIB_MAX),
    {.name = "network",
     .type = BANGER_TYPE_STRUCT,
     .offset = MACHINE(network),
     .flags = OPTIONAL,
     .members = network_members,
     .size = sizeof(BangerBridge)},
    END,
};

static const BangerField launch_firecracker_in[] = {
    {.name = "machine",
     .type = BANGER_TYPE_DICT,
     .offset = IN(launch_firecracker),
     .members = machine_members,
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
    STRING("api_sock", IN(process_running.api_sock), RUNTIME_PATH, OBJECT | MAY_BE_EMPTY),
    END,
};

static const BangerField process_running_out[] = {
    BOOLEAN("running", OUT(process_running.running), 0),
    END,
};

#define ROW(method_id, name, json, action_id, in_fields, out_fields, validate_function)            \
    [BANGER_METHOD_##method_id] = {.id = BANGER_METHOD_##method_id,                                \
                                   .dbus_name = (name),                                            \
                                   .json_name = "priv." json,                                      \
                                   .action = "org.banger.helper1." action_id,                      \
                                   .in = (in_fields),                                              \
                                   .out = (out_fields),                                            \
                                   .validate = (validate_function)}

static const BangerMethod methods[BANGER_N_METHODS] = {
    ROW(ENSURE_BRIDGE, "EnsureBridge", "ensure_bridge", "ensure-bridge", ensure_bridge_in, nothing,
        banger_relations_ensure_bridge),
    ROW(CREATE_TAP, "CreateTap", "create_tap", "create-tap", create_tap_in, nothing,
        banger_relations_create_tap),
    ROW(DELETE_TAP, "DeleteTap", "delete_tap", "delete-tap", delete_tap_in, nothing, NULL),
    ROW(SYNC_RESOLVER_ROUTING, "SyncResolverRouting", "sync_resolver_routing",
        "sync-resolver-routing", sync_resolver_routing_in, nothing, NULL),
    ROW(CLEAR_RESOLVER_ROUTING, "ClearResolverRouting", "clear_resolver_routing",
        "clear-resolver-routing", clear_resolver_routing_in, nothing, NULL),
    ROW(ENSURE_NAT, "EnsureNAT", "ensure_nat", "ensure-nat", ensure_nat_in, nothing,
        banger_relations_ensure_nat),
    ROW(CREATE_DM_SNAPSHOT, "CreateDMSnapshot", "create_dm_snapshot", "create-dm-snapshot",
        create_dm_snapshot_in, create_dm_snapshot_out, banger_relations_create_dm_snapshot),
    ROW(CLEANUP_DM_SNAPSHOT, "CleanupDMSnapshot", "cleanup_dm_snapshot", "cleanup-dm-snapshot",
        cleanup_dm_snapshot_in, nothing, banger_relations_cleanup_dm_snapshot),
    ROW(REMOVE_DM_SNAPSHOT, "RemoveDMSnapshot", "remove_dm_snapshot", "remove-dm-snapshot",
        remove_dm_snapshot_in, nothing, NULL),
    ROW(FSCK_SNAPSHOT, "FsckSnapshot", "fsck_snapshot", "fsck-snapshot", fsck_snapshot_in,
        fsck_snapshot_out, NULL),
    ROW(READ_EXT4_FILE, "ReadExt4File", "read_ext4_file", "read-ext4-file", read_ext4_file_in,
        read_ext4_file_out, NULL),
    ROW(WRITE_EXT4_FILES, "WriteExt4Files", "write_ext4_files", "write-ext4-files",
        write_ext4_files_in, nothing, NULL),
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
        if (g_str_equal(methods[i].json_name, name))
            return &methods[i];
    return NULL;
}

void
banger_request_free(const BangerMethod *method, BangerRequest *request)
{
    if (request == NULL)
        return;
    banger_fields_clear(method->in, request);
    g_free(request->op_id);
    g_free(request);
}

void
banger_reply_clear(const BangerMethod *method, BangerReply *reply)
{
    banger_fields_clear(method->out, reply);
}
