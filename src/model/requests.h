/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/address.h"
#include "model/field.h"
#include "util/job.h"

/* A disk: an image below the state directory, or a dm device. */
typedef struct {
    char *path;
    const char *dm_name; /* in @path, without the directory; NULL for an image */
} BangerImagePath;

/*
 * The requests and replies of the methods as plain structs. They own what they point to and are
 * freed by banger_request_free() and banger_reply_clear(), which walk the method table. They
 * contain values, which are parsed when a message is decoded and nowhere else. A string is never
 * NULL in a decoded request; an optional member that was left out is "" or 0, an address of family
 * 0.
 */

typedef struct {
    char *bridge_name;
    BangerAddress bridge_ip;
    BangerPrefix cidr; /* goes with bridge_ip after validation */
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
} BangerDeleteBridgeRequest;

typedef struct {
    char *bridge_name;
    BangerServer server_addr;
} BangerSyncResolverRoutingRequest;

typedef struct {
    char *bridge_name;
} BangerClearResolverRoutingRequest;

typedef struct {
    BangerAddress guest_ip;
    char *tap;
    bool enable;
} BangerEnsureNatRequest;

typedef struct {
    char *protocol; /* "tcp" or "udp" after validation */
    uint16_t host_port;
    BangerAddress guest_ip;
    uint16_t guest_port;
    bool enable;
} BangerEnsurePortForwardRequest;

typedef struct {
    BangerAddress guest_ip;
    GArray *networks; /* of char *: "none", "*", or destinations */
} BangerSetEgressRequest;

typedef struct {
    char *rootfs_path;
    char *cow_path;
    char *dm_name;
} BangerCreateDmSnapshotRequest;

typedef struct {
    char *base_loop; /* /dev/loopN */
    char *cow_loop;  /* /dev/loopN */
    char *dm_name;
    char *dm_dev; /* /dev/mapper/<dm_name> */
} BangerCreateDmSnapshotReply;

typedef struct {
    char *base_loop; /* /dev/loopN; "": none, as for all members */
    char *cow_loop;  /* /dev/loopN */
    char *dm_name;   /* the device's name, whichever of the two arguments gave it … */
    char *dm_dev;    /* … and the same name, without its directory */
} BangerCleanupDmSnapshotRequest;

typedef struct {
    char *target; /* dm name, without its directory */
} BangerRemoveDmSnapshotRequest;

typedef struct {
    char *dm_name;
} BangerFsckSnapshotRequest;

typedef struct {
    bool corrected;
} BangerFsckSnapshotReply;

typedef struct {
    BangerImagePath image;
    bool repair;
} BangerCheckImageRequest;

typedef struct {
    bool corrected;
} BangerCheckImageReply;

typedef struct {
    BangerImagePath image;
    char *guest_path; /* clean */
} BangerReadExt4FileRequest;

typedef struct {
    GBytes *data;
} BangerReadExt4FileReply;

typedef struct {
    BangerImagePath image;
    char *guest_path; /* clean */
    BangerHandle to;
} BangerReadExt4FileToRequest;

typedef struct {
    uint64_t size;
} BangerReadExt4FileToReply;

typedef struct {
    char *guest_path; /* clean */
    BangerHandle content;
    uint32_t mode; /* as in BangerExt4File */
} BangerExt4FileFrom;

typedef struct {
    BangerImagePath image;
    GArray *files; /* of BangerExt4FileFrom */
} BangerWriteExt4FilesFromRequest;

typedef struct {
    char *guest_path; /* clean */
    GBytes *data;
    uint32_t mode; /* permission, setuid, setgid and sticky bits only; never 0 after validation */
} BangerExt4File;

typedef struct {
    BangerImagePath image;
    GArray *files; /* of BangerExt4File */
} BangerWriteExt4FilesRequest;

typedef struct {
    char *requested; /* a bare name or a clean path */
} BangerResolveFirecrackerBinaryRequest;

typedef struct {
    char *path;
} BangerResolveFirecrackerBinaryReply;

typedef struct {
    char *id;
    BangerImagePath image;
    bool read_only;
    bool is_root;
} BangerDrive;

/* A token bucket of firecracker's: bytes or operations, filled up again within refill_ms. */
typedef struct {
    uint64_t size;
    uint64_t one_time_burst;
    uint64_t refill_ms;
} BangerTokenBucket;

typedef struct {
    bool has_bandwidth;
    BangerTokenBucket bandwidth; /* bytes */
    bool has_ops;
    BangerTokenBucket ops; /* operations, or packets */
} BangerRateLimiter;

typedef struct {
    char *drive_id; /* of one of the drives */
    char *cache_type;
    char *io_engine;
    char *partuuid;
    bool has_rate_limiter;
    BangerRateLimiter rate_limiter;
} BangerDriveOptions;

typedef struct {
    char *guest_mac; /* "": one is derived from the vm_id */
    bool has_mtu;
    uint32_t mtu;
    bool has_rx_rate_limiter;
    BangerRateLimiter rx_rate_limiter;
    bool has_tx_rate_limiter;
    BangerRateLimiter tx_rate_limiter;
} BangerInterfaceOptions;

typedef struct {
    char *iface_id;
    char *tap_device;
    BangerInterfaceOptions options;
} BangerInterface;

typedef struct {
    char *version;
    BangerAddress ipv4_address;
    GArray *interfaces; /* of char *, ids of interfaces */
    char *data;         /* JSON text, passed on as it is; "" if none */
} BangerMmds;

typedef struct {
    uint32_t amount_mib;
    bool deflate_on_oom;
    uint32_t stats_polling_interval_s;
    bool free_page_hinting;
    bool free_page_reporting;
} BangerBalloon;

/* A network interface of a loaded machine, and its TAP. */
typedef struct {
    char *iface_id;
    char *tap_device;
} BangerNetworkOverride;

typedef struct {
    char *snapshot_path;
    char *mem_file_path;
    bool resume;
    GArray *network_overrides; /* of BangerNetworkOverride */
} BangerLoadSnapshot;

/* What an optional key was left out of is "", false, or has a has_… that says so. */
typedef struct {
    BangerInterfaceOptions eth0;
    GArray *network_interfaces; /* of BangerInterface, besides eth0 */
    GArray *drive_options;      /* of BangerDriveOptions */
    bool has_mmds;
    BangerMmds mmds;
    bool has_balloon;
    BangerBalloon balloon;
    char *huge_pages;
    char *cpu_template;
    char *cpu_config; /* JSON text */
    bool entropy;
    bool smt;
    bool track_dirty_pages;
    bool has_load_snapshot;
    BangerLoadSnapshot load_snapshot;
    bool start;
    bool has_memory_max; /* the unit's cgroup, as are those that follow */
    uint64_t memory_max;
    bool has_tasks_max;
    uint64_t tasks_max;
    bool has_cpu_weight;
    uint64_t cpu_weight;
    bool has_cpu_quota_usec;
    uint64_t cpu_quota_usec; /* of each second */
    bool has_io_weight;
    uint64_t io_weight;
} BangerMachineOptions;

typedef struct {
    char *binary_path;
    char *vm_id;
    char *socket_path;
    char *log_path;
    char *metrics_path;
    bool has_kernel_image_path; /* it, kernel_args and drives: always but with load_snapshot */
    char *kernel_image_path;
    char *initrd_path; /* "" if none */
    bool has_kernel_args;
    char *kernel_args;
    bool has_drives;
    GArray *drives; /* of BangerDrive; at most one is_root after validation */
    char *tap_device;
    char *vsock_path; /* "" if none */
    uint32_t vsock_cid;
    uint32_t vcpu_count;
    uint32_t memory_mib;
    BangerBridge network; /* members "" if none */
    BangerMachineOptions options;
} BangerLaunchFirecrackerRequest;

typedef struct {
    char *protocol; /* "tcp" or "udp" after validation */
    uint16_t host_port;
    uint16_t guest_port;
} BangerMachinePort;

/*
 * All of a machine's host side, for CreateMachine and DestroyMachine. The snapshot that rootfs_path
 * asks for is one of the launch's drives after validation.
 */
typedef struct {
    BangerLaunchFirecrackerRequest launch; /* first: its fields are described once for all */
    BangerAddress guest_ip;
    bool nat;
    GArray *port_forwards; /* of BangerMachinePort */
    bool has_egress;
    GArray *egress; /* of char *, as in BangerSetEgressRequest */
    BangerServer resolver;
    char *rootfs_path; /* "" if the root drive is not a snapshot made for it */
    char *cow_path;
    bool has_cow_size;
    uint64_t cow_size; /* bytes */
    char *dm_name;
    bool fsck;
    GArray *files; /* of BangerExt4File */
    bool dry_run;
    uint32_t stop_timeout_s;
    bool remove_cow;
} BangerMachineRequest;

typedef struct {
    GArray *keep;   /* of char *, names and patterns of names */
    GArray *remove; /* the same */
    bool dry_run;
} BangerReconcileRequest;

typedef struct {
    char *kind;
    char *name;
    char *action; /* what was or would be done with it */
} BangerReconciled;

typedef struct {
    GArray *objects; /* of BangerReconciled */
} BangerReconcileReply;

typedef struct {
    char *machine; /* the object's path */
    uint32_t pid;
} BangerCreateMachineReply;

typedef struct {
    char *vm_id;
    uint32_t timeout_s;
} BangerStopMachineRequest;

typedef struct {
    char *how; /* "guest", "term", "kill" or "gone" */
} BangerStopMachineReply;

typedef struct {
    char *snapshot_path;
    char *mem_file_path;
    char *type; /* "Full" or "Diff" after validation */
    bool resume;
} BangerSnapshotFiles;

typedef struct {
    char *vm_id;
    BangerSnapshotFiles snapshot;
} BangerSnapshotMachineRequest;

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
    int signal;
} BangerSignalProcessRequest;

typedef struct {
    uint32_t pid;
    char *api_sock; /* "" : any */
} BangerProcessRunningRequest;

typedef struct {
    bool running;
} BangerProcessRunningReply;

typedef struct {
    char *op_id;      /* valid, never empty: minted by the helper if the caller gave none */
    size_t size;      /* bytes of all strings and byte arrays, for the limits */
    uid_t caller_uid; /* for the record of what was made, never for a decision */
    BangerJob *job;   /* of a method that can last, else NULL */
    char *machine;    /* of whose object the method was called, else NULL */
    union {
        BangerBridge ensure_bridge;
        BangerCreateTapRequest create_tap;
        BangerDeleteTapRequest delete_tap;
        BangerDeleteBridgeRequest delete_bridge;
        BangerSyncResolverRoutingRequest sync_resolver_routing;
        BangerClearResolverRoutingRequest clear_resolver_routing;
        BangerEnsureNatRequest ensure_nat;
        BangerEnsurePortForwardRequest ensure_port_forward;
        BangerSetEgressRequest set_egress;
        BangerCreateDmSnapshotRequest create_dm_snapshot;
        BangerCleanupDmSnapshotRequest cleanup_dm_snapshot;
        BangerRemoveDmSnapshotRequest remove_dm_snapshot;
        BangerFsckSnapshotRequest fsck_snapshot;
        BangerCheckImageRequest check_image;
        BangerReadExt4FileRequest read_ext4_file;
        BangerWriteExt4FilesRequest write_ext4_files;
        BangerReadExt4FileToRequest read_ext4_file_to;
        BangerWriteExt4FilesFromRequest write_ext4_files_from;
        BangerResolveFirecrackerBinaryRequest resolve_firecracker_binary;
        BangerLaunchFirecrackerRequest launch_firecracker;
        BangerEnsureSocketAccessRequest ensure_socket_access;
        BangerFindFirecrackerPidRequest find_firecracker_pid;
        BangerPid kill_process;
        BangerSignalProcessRequest signal_process;
        BangerProcessRunningRequest process_running;
        BangerMachineRequest create_machine;
        BangerMachineRequest destroy_machine;
        BangerReconcileRequest reconcile;
        BangerStopMachineRequest stop_machine;
        BangerSnapshotMachineRequest snapshot_machine;
    };
} BangerRequest;

typedef struct {
    union {
        BangerCreateDmSnapshotReply create_dm_snapshot;
        BangerFsckSnapshotReply fsck_snapshot;
        BangerCheckImageReply check_image;
        BangerReadExt4FileReply read_ext4_file;
        BangerReadExt4FileToReply read_ext4_file_to;
        BangerResolveFirecrackerBinaryReply resolve_firecracker_binary;
        BangerPid launch_firecracker;
        BangerPid find_firecracker_pid;
        BangerProcessRunningReply process_running;
        BangerCreateMachineReply create_machine;
        BangerReconcileReply reconcile;
        BangerStopMachineReply stop_machine;
    };
    char *warning; /* for the record: what keeps the operation from its purpose; NULL if nothing */
} BangerReply;
