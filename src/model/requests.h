/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The requests and replies of the methods as plain structs. They own what they point to and are
 * freed by banger_request_free() and banger_reply_clear(), which walk the method table. A string is
 * never NULL in a decoded request; an optional member that was left out is "" or 0.
 */

typedef struct {
    char *bridge_name;
    char *bridge_ip;
    char *cidr;
} BangerBridge;

typedef struct {
    BangerBridge bridge;
    char *tap_name;
} BangerCreateTapRequest;

typedef struct {
    char *tap_name;
} BangerDeleteTapRequest;

typedef struct {
    char *bridge_name;
    char *server_addr;
} BangerSyncResolverRoutingRequest;

typedef struct {
    char *bridge_name;
} BangerClearResolverRoutingRequest;

typedef struct {
    char *guest_ip;
    char *tap;
    bool enable;
} BangerEnsureNatRequest;

typedef struct {
    char *rootfs_path;
    char *cow_path;
    char *dm_name;
} BangerCreateDmSnapshotRequest;

/* The reply of CreateDMSnapshot and the request of CleanupDMSnapshot. */
typedef struct {
    char *base_loop; /* /dev/loopN */
    char *cow_loop;  /* /dev/loopN */
    char *dm_name;
    char *dm_dev; /* /dev/mapper/<dm_name> */
} BangerSnapshotHandles;

typedef struct {
    char *target; /* dm name; a path was reduced to it by validation */
} BangerRemoveDmSnapshotRequest;

typedef struct {
    char *dm_dev; /* /dev/mapper/fc-rootfs-… */
} BangerFsckSnapshotRequest;

typedef struct {
    bool corrected;
} BangerFsckSnapshotReply;

typedef struct {
    char *image_path;
    char *guest_path;
} BangerReadExt4FileRequest;

typedef struct {
    GBytes *data;
} BangerReadExt4FileReply;

typedef struct {
    char *guest_path;
    GBytes *data;
    uint32_t mode; /* permission, setuid, setgid and sticky bits only; never 0 after validation */
} BangerExt4File;

typedef struct {
    char *image_path;
    GArray *files; /* of BangerExt4File */
} BangerWriteExt4FilesRequest;

typedef struct {
    char *requested; /* "": the default name */
} BangerResolveFirecrackerBinaryRequest;

typedef struct {
    char *path;
} BangerResolveFirecrackerBinaryReply;

typedef struct {
    char *id;
    char *path;
    bool read_only;
    bool is_root;
} BangerDrive;

typedef struct {
    char *binary_path;
    char *vm_id;
    char *socket_path;
    char *log_path;
    char *metrics_path;
    char *kernel_image_path;
    char *initrd_path; /* "" if none */
    char *kernel_args;
    GArray *drives; /* of BangerDrive; at most one is_root after validation */
    char *tap_device;
    char *vsock_path; /* "" if none */
    uint32_t vsock_cid;
    uint32_t vcpu_count;
    uint32_t memory_mib;
    BangerBridge network; /* members "" if none */
} BangerLaunchFirecrackerRequest;

typedef struct {
    char *socket_path;
    char *label;
} BangerEnsureSocketAccessRequest;

typedef struct {
    char *api_sock;
} BangerFindFirecrackerPidRequest;

typedef struct {
    uint32_t pid;
} BangerPid; /* replies of LaunchFirecracker and FindFirecrackerPID, request of KillProcess */

typedef struct {
    uint32_t pid;
    char *signal; /* "" : TERM */
} BangerSignalProcessRequest;

typedef struct {
    uint32_t pid;
    char *api_sock; /* "" : any */
} BangerProcessRunningRequest;

typedef struct {
    bool running;
} BangerProcessRunningReply;

typedef struct {
    char *op_id; /* valid, never empty: minted by the helper if the caller gave none */
    size_t size; /* bytes of all strings and byte arrays, for the limits */
    union {
        BangerBridge ensure_bridge;
        BangerCreateTapRequest create_tap;
        BangerDeleteTapRequest delete_tap;
        BangerSyncResolverRoutingRequest sync_resolver_routing;
        BangerClearResolverRoutingRequest clear_resolver_routing;
        BangerEnsureNatRequest ensure_nat;
        BangerCreateDmSnapshotRequest create_dm_snapshot;
        BangerSnapshotHandles cleanup_dm_snapshot;
        BangerRemoveDmSnapshotRequest remove_dm_snapshot;
        BangerFsckSnapshotRequest fsck_snapshot;
        BangerReadExt4FileRequest read_ext4_file;
        BangerWriteExt4FilesRequest write_ext4_files;
        BangerResolveFirecrackerBinaryRequest resolve_firecracker_binary;
        BangerLaunchFirecrackerRequest launch_firecracker;
        BangerEnsureSocketAccessRequest ensure_socket_access;
        BangerFindFirecrackerPidRequest find_firecracker_pid;
        BangerPid kill_process;
        BangerSignalProcessRequest signal_process;
        BangerProcessRunningRequest process_running;
    };
} BangerRequest;

typedef struct {
    union {
        BangerSnapshotHandles create_dm_snapshot;
        BangerFsckSnapshotReply fsck_snapshot;
        BangerReadExt4FileReply read_ext4_file;
        BangerResolveFirecrackerBinaryReply resolve_firecracker_binary;
        BangerPid launch_firecracker;
        BangerPid find_firecracker_pid;
        BangerProcessRunningReply process_running;
    };
} BangerReply;
