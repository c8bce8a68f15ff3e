/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/field-tables.h"

#include "model/bounds.h"

/* An optional key whose struct says whether it was given. */
#define GIVEN(owner, field_name, member, wire, ...)                                                \
    {                                                                                              \
        .name = (field_name), .type = BANGER_TYPE_##wire, .offset = offsetof(owner, member),       \
        .flags = OPTIONAL | BANGER_FIELD_PRESENCE, .presence = offsetof(owner, has_##member),      \
        __VA_ARGS__                                                                                \
    }
#define WIDE_NUMBER(field_name, field_offset, field_min)                                           \
    {                                                                                              \
        .name = (field_name), .type = BANGER_TYPE_UINT64, .offset = (field_offset),                \
        .kind = BANGER_KIND_NUMBER, .min = (field_min), .max = INT64_MAX                           \
    }

static const BangerField bucket_members[] = {
    WIDE_NUMBER("size", offsetof(BangerTokenBucket, size), 1),
    WIDE_NUMBER("one_time_burst", offsetof(BangerTokenBucket, one_time_burst), 0),
    WIDE_NUMBER("refill_ms", offsetof(BangerTokenBucket, refill_ms), 1),
    END,
};

static const BangerField limiter_members[] = {
    GIVEN(BangerRateLimiter, "bandwidth", bandwidth, STRUCT, .members = bucket_members,
          .size = sizeof(BangerTokenBucket)),
    GIVEN(BangerRateLimiter, "ops", ops, STRUCT, .members = bucket_members,
          .size = sizeof(BangerTokenBucket)),
    END,
};

#define LIMITER(owner, field_name, member)                                                         \
    GIVEN(owner, field_name, member, DICT, .members = limiter_members,                             \
          .size = sizeof(BangerRateLimiter))

static const BangerField drive_options_value[] = {
    STRING("cache_type", offsetof(BangerDriveOptions, cache_type), TEXT, OPTIONAL),
    STRING("io_engine", offsetof(BangerDriveOptions, io_engine), TEXT, OPTIONAL),
    STRING("partuuid", offsetof(BangerDriveOptions, partuuid), TEXT, OPTIONAL),
    LIMITER(BangerDriveOptions, "rate_limiter", rate_limiter),
    END,
};

static const BangerField drive_options_members[] = {
    STRING("id", offsetof(BangerDriveOptions, drive_id), DRIVE_ID, 0),
    {.name = "options",
     .type = BANGER_TYPE_DICT,
     .members = drive_options_value,
     .size = sizeof(BangerDriveOptions)},
    END,
};

static const BangerField interface_options[] = {
    STRING("guest_mac", offsetof(BangerInterfaceOptions, guest_mac), MAC, OPTIONAL),
    GIVEN(BangerInterfaceOptions, "mtu", mtu, UINT32, .kind = BANGER_KIND_NUMBER,
          .min = BANGER_MTU_MIN, .max = BANGER_MTU_MAX),
    LIMITER(BangerInterfaceOptions, "rx_rate_limiter", rx_rate_limiter),
    LIMITER(BangerInterfaceOptions, "tx_rate_limiter", tx_rate_limiter),
    END,
};

static const BangerField interface_members[] = {
    STRING("iface_id", offsetof(BangerInterface, iface_id), DRIVE_ID, 0),
    STRING("tap_device", offsetof(BangerInterface, tap_device), TAP_NAME, EXCLUSIVE),
    {.name = "options",
     .type = BANGER_TYPE_DICT,
     .offset = offsetof(BangerInterface, options),
     .members = interface_options,
     .size = sizeof(BangerInterfaceOptions)},
    END,
};

static const BangerField interface_id_members[] = {
    {.name = "iface_id", .type = BANGER_TYPE_STRING, .kind = BANGER_KIND_DRIVE_ID},
    END,
};

static const BangerField mmds_members[] = {
    STRING("version", offsetof(BangerMmds, version), TEXT, OPTIONAL),
    STRING("ipv4_address", offsetof(BangerMmds, ipv4_address), ADDRESS, OPTIONAL),
    {.name = "interfaces",
     .type = BANGER_TYPE_LIST,
     .offset = offsetof(BangerMmds, interfaces),
     .min = 1,
     .max = BANGER_INTERFACES_MAX,
     .members = interface_id_members,
     .size = sizeof(char *)},
    STRING("data", offsetof(BangerMmds, data), JSON, OPTIONAL | SECRET),
    END,
};

static const BangerField balloon_members[] = {
    NUMBER("amount_mib", offsetof(BangerBalloon, amount_mib), 0, 0, BANGER_MEMORY_MIB_MAX),
    BOOLEAN("deflate_on_oom", offsetof(BangerBalloon, deflate_on_oom), OPTIONAL),
    NUMBER("stats_polling_interval_s", offsetof(BangerBalloon, stats_polling_interval_s), OPTIONAL,
           0, 65535),
    BOOLEAN("free_page_hinting", offsetof(BangerBalloon, free_page_hinting), OPTIONAL),
    BOOLEAN("free_page_reporting", offsetof(BangerBalloon, free_page_reporting), OPTIONAL),
    END,
};

static const BangerField drive_members[] = {
    STRING("id", offsetof(BangerDrive, id), DRIVE_ID, 0),
    {.name = "path",
     .type = BANGER_TYPE_STRING,
     .offset = offsetof(BangerDrive, image),
     .kind = BANGER_KIND_IMAGE_PATH,
     .flags = BANGER_FIELD_EXCLUSIVE | BANGER_FIELD_READ_ONLY,
     .read_only = offsetof(BangerDrive, read_only)},
    BOOLEAN("read_only", offsetof(BangerDrive, read_only), BARE_NAME),
    BOOLEAN("is_root", offsetof(BangerDrive, is_root), BARE_NAME),
    END,
};

static const BangerField network_members[] = {
    STRING("bridge_name", offsetof(BangerBridge, bridge_name), LINK_NAME, MAY_BE_EMPTY),
    STRING("bridge_ip", offsetof(BangerBridge, bridge_ip), ADDRESS, MAY_BE_EMPTY),
    STRING("cidr", offsetof(BangerBridge, cidr), CIDR, MAY_BE_EMPTY),
    END,
};

/* Many machines are made on one bridge at a time, while nothing else is done to it. */
static const BangerField shared_network_members[] = {
    STRING("bridge_name", offsetof(BangerBridge, bridge_name), LINK_NAME, MAY_BE_EMPTY | SHARED),
    STRING("bridge_ip", offsetof(BangerBridge, bridge_ip), ADDRESS, MAY_BE_EMPTY),
    STRING("cidr", offsetof(BangerBridge, cidr), CIDR, MAY_BE_EMPTY),
    END,
};

static const BangerField override_members[] = {
    STRING("iface_id", offsetof(BangerNetworkOverride, iface_id), DRIVE_ID, 0),
    STRING("tap_device", offsetof(BangerNetworkOverride, tap_device), TAP_NAME, EXCLUSIVE),
    END,
};

static const BangerField load_snapshot_members[] = {
    STRING("snapshot_path", offsetof(BangerLoadSnapshot, snapshot_path), STATE_PATH, 0),
    STRING("mem_file_path", offsetof(BangerLoadSnapshot, mem_file_path), STATE_PATH, 0),
    {.name = "resume",
     .type = BANGER_TYPE_BOOLEAN,
     .offset = offsetof(BangerLoadSnapshot, resume),
     .flags = OPTIONAL,
     .default_number = true},
    {.name = "network_overrides",
     .type = BANGER_TYPE_ARRAY,
     .offset = offsetof(BangerLoadSnapshot, network_overrides),
     .flags = OPTIONAL,
     .max = BANGER_INTERFACES_MAX,
     .members = override_members,
     .size = sizeof(BangerNetworkOverride)},
    END,
};

static const BangerField port_members[] = {
    STRING("protocol", offsetof(BangerMachinePort, protocol), TEXT, 0),
    PORT("host_port", offsetof(BangerMachinePort, host_port), 0),
    PORT("guest_port", offsetof(BangerMachinePort, guest_port), 0),
    END,
};

#define MACHINE(member) offsetof(BangerLaunchFirecrackerRequest, member)
#define GIVEN_OPTION(field_name, member, has_member, wire, ...)                                    \
    {                                                                                              \
        .name = (field_name), .type = BANGER_TYPE_##wire, .offset = MACHINE(options.member),       \
        .flags = OPTIONAL | BANGER_FIELD_PRESENCE, .presence = MACHINE(options.has_member),        \
        __VA_ARGS__                                                                                \
    }

/* A number from 1 on. */
#define FROM_ONE(field_name, field_offset, field_flags, field_max)                                 \
    {                                                                                              \
        .name = (field_name), .type = BANGER_TYPE_UINT32, .offset = (field_offset),                \
        .kind = BANGER_KIND_NUMBER, .flags = (field_flags), .min = 1, .max = (field_max),          \
        .default_number = 1                                                                        \
    }

/* A key that a machine must have unless it is loaded: banger_relations_machine_options(). */
#define UNLESS_LOADED(field_name, member, wire, more_flags, ...)                                   \
    {                                                                                              \
        .name = (field_name), .type = BANGER_TYPE_##wire, .offset = MACHINE(member),               \
        .flags = OPTIONAL | BANGER_FIELD_PRESENCE | BANGER_FIELD_JSON_ZERO | (more_flags),         \
        .presence = MACHINE(has_##member), __VA_ARGS__                                             \
    }

/*
 * The keys of a launch. @required is a flag of those that a launch cannot do without: 0, or
 * OPTIONAL for a method that can. @of_network are the members of network.
 */
#define LAUNCH_MEMBERS(required, of_network)                                                       \
    STRING("binary_path", MACHINE(binary_path), BINARY_PATH, required),                            \
        STRING("vm_id", MACHINE(vm_id), VM_ID, OBJECT | EXCLUSIVE),                                \
        STRING("socket_path", MACHINE(socket_path), RUNTIME_PATH, (required) | EXCLUSIVE),         \
        STRING("log_path", MACHINE(log_path), STATE_PATH, (required) | EXCLUSIVE),                 \
        STRING("metrics_path", MACHINE(metrics_path), STATE_PATH, (required) | EXCLUSIVE),         \
        UNLESS_LOADED("kernel_image_path", kernel_image_path, STRING, MAY_BE_EMPTY,                \
                      .kind = BANGER_KIND_STATE_PATH),                                             \
        STRING("initrd_path", MACHINE(initrd_path), STATE_PATH, OPTIONAL | MAY_BE_EMPTY),          \
        UNLESS_LOADED("kernel_args", kernel_args, STRING, SECRET | MAY_BE_EMPTY,                   \
                      .kind = BANGER_KIND_TEXT),                                                   \
        UNLESS_LOADED("drives", drives, ARRAY, 0, .max = BANGER_DRIVES_MAX,                        \
                      .members = drive_members, .size = sizeof(BangerDrive)),                      \
        STRING("tap_device", MACHINE(tap_device), TAP_NAME, (required) | EXCLUSIVE),               \
        STRING("vsock_path", MACHINE(vsock_path), RUNTIME_PATH,                                    \
               OPTIONAL | MAY_BE_EMPTY | EXCLUSIVE),                                               \
        NUMBER("vsock_cid", MACHINE(vsock_cid), OPTIONAL, 0, UINT32_MAX),                          \
        FROM_ONE("vcpu_count", MACHINE(vcpu_count), required, BANGER_VCPUS_MAX),                   \
        FROM_ONE("memory_mib", MACHINE(memory_mib), required, BANGER_MEMORY_MIB_MAX),              \
        {.name = "network",                                                                        \
         .type = BANGER_TYPE_STRUCT,                                                               \
         .offset = MACHINE(network),                                                               \
         .flags = OPTIONAL,                                                                        \
         .members = (of_network),                                                                  \
         .size = sizeof(BangerBridge)},                                                            \
        STRING("guest_mac", MACHINE(options.eth0.guest_mac), MAC, OPTIONAL),                       \
        GIVEN_OPTION("mtu", eth0.mtu, eth0.has_mtu, UINT32, .kind = BANGER_KIND_NUMBER,            \
                     .min = BANGER_MTU_MIN, .max = BANGER_MTU_MAX),                                \
        GIVEN_OPTION("rx_rate_limiter", eth0.rx_rate_limiter, eth0.has_rx_rate_limiter, DICT,      \
                     .members = limiter_members, .size = sizeof(BangerRateLimiter)),               \
        GIVEN_OPTION("tx_rate_limiter", eth0.tx_rate_limiter, eth0.has_tx_rate_limiter, DICT,      \
                     .members = limiter_members, .size = sizeof(BangerRateLimiter)),               \
        {.name = "network_interfaces",                                                             \
         .type = BANGER_TYPE_ARRAY,                                                                \
         .offset = MACHINE(options.network_interfaces),                                            \
         .flags = OPTIONAL,                                                                        \
         .max = BANGER_INTERFACES_MAX - 1,                                                         \
         .members = interface_members,                                                             \
         .size = sizeof(BangerInterface)},                                                         \
        {.name = "drive_options",                                                                  \
         .type = BANGER_TYPE_MAP,                                                                  \
         .offset = MACHINE(options.drive_options),                                                 \
         .flags = OPTIONAL,                                                                        \
         .max = BANGER_DRIVES_MAX,                                                                 \
         .members = drive_options_members,                                                         \
         .size = sizeof(BangerDriveOptions)},                                                      \
        GIVEN_OPTION("mmds", mmds, has_mmds, DICT, .members = mmds_members,                        \
                     .size = sizeof(BangerMmds)),                                                  \
        GIVEN_OPTION("balloon", balloon, has_balloon, DICT, .members = balloon_members,            \
                     .size = sizeof(BangerBalloon)),                                               \
        STRING("huge_pages", MACHINE(options.huge_pages), TEXT, OPTIONAL),                         \
        STRING("cpu_template", MACHINE(options.cpu_template), TEXT, OPTIONAL),                     \
        STRING("cpu_config", MACHINE(options.cpu_config), JSON, OPTIONAL | SECRET),                \
        BOOLEAN("entropy", MACHINE(options.entropy), OPTIONAL),                                    \
        BOOLEAN("smt", MACHINE(options.smt), OPTIONAL),                                            \
        BOOLEAN("track_dirty_pages", MACHINE(options.track_dirty_pages), OPTIONAL),                \
        GIVEN_OPTION("load_snapshot", load_snapshot, has_load_snapshot, DICT,                      \
                     .members = load_snapshot_members, .size = sizeof(BangerLoadSnapshot)),        \
        {.name = "start",                                                                          \
         .type = BANGER_TYPE_BOOLEAN,                                                              \
         .offset = MACHINE(options.start),                                                         \
         .flags = OPTIONAL,                                                                        \
         .default_number = true},                                                                  \
        GIVEN_OPTION("memory_max", memory_max, has_memory_max, UINT64, .kind = BANGER_KIND_NUMBER, \
                     .min = 1 << 20, .max = INT64_MAX),                                            \
        GIVEN_OPTION("tasks_max", tasks_max, has_tasks_max, UINT64, .kind = BANGER_KIND_NUMBER,    \
                     .min = 1, .max = 1 << 22),                                                    \
        GIVEN_OPTION("cpu_weight", cpu_weight, has_cpu_weight, UINT64, .kind = BANGER_KIND_NUMBER, \
                     .min = 1, .max = 10000),                                                      \
        GIVEN_OPTION("cpu_quota_usec", cpu_quota_usec, has_cpu_quota_usec, UINT64,                 \
                     .kind = BANGER_KIND_NUMBER, .min = 1000, .max = (uint64_t)1000000 * 4096),    \
        GIVEN_OPTION("io_weight", io_weight, has_io_weight, UINT64, .kind = BANGER_KIND_NUMBER,    \
                     .min = 1, .max = 10000)

const BangerField banger_launch_members[] = {
    LAUNCH_MEMBERS(0, network_members),
    END,
};

#define WHOLE(member) offsetof(BangerMachineRequest, member)

/* The keys of what a machine has besides its VMM. */
#define HOST_MEMBERS                                                                               \
    STRING("guest_ip", WHOLE(guest_ip), ADDRESS, OPTIONAL | OBJECT),                               \
        BOOLEAN("nat", WHOLE(nat), OPTIONAL),                                                      \
        {.name = "port_forwards",                                                                  \
         .type = BANGER_TYPE_ARRAY,                                                                \
         .offset = WHOLE(port_forwards),                                                           \
         .flags = OPTIONAL,                                                                        \
         .max = BANGER_PORT_FORWARDS_MAX,                                                          \
         .members = port_members,                                                                  \
         .size = sizeof(BangerMachinePort)},                                                       \
        GIVEN(BangerMachineRequest, "egress", egress, LIST, .min = 1, .max = BANGER_EGRESS_MAX,    \
              .members = banger_destination_members, .size = sizeof(char *)),                      \
        STRING("resolver", WHOLE(resolver), SERVER, OPTIONAL | MAY_BE_EMPTY),                      \
        STRING("rootfs_path", WHOLE(rootfs_path), STATE_PATH, OPTIONAL | SHARED),                  \
        STRING("cow_path", WHOLE(cow_path), STATE_PATH, OPTIONAL | EXCLUSIVE),                     \
        GIVEN(BangerMachineRequest, "cow_size", cow_size, UINT64, .kind = BANGER_KIND_NUMBER,      \
              .min = BANGER_COW_MIN, .max = INT64_MAX),                                            \
        STRING("dm_name", WHOLE(dm_name), DM_NAME, OPTIONAL | OBJECT | EXCLUSIVE),                 \
        BOOLEAN("fsck", WHOLE(fsck), OPTIONAL),                                                    \
        {.name = "files",                                                                          \
         .type = BANGER_TYPE_ARRAY,                                                                \
         .offset = WHOLE(files),                                                                   \
         .flags = OPTIONAL,                                                                        \
         .max = BANGER_GUEST_FILES_MAX,                                                            \
         .members = banger_ext4_file_members,                                                      \
         .size = sizeof(BangerExt4File)},                                                          \
        BOOLEAN("dry_run", WHOLE(dry_run), OPTIONAL | OBJECT),                                     \
        NUMBER("stop_timeout_s", WHOLE(stop_timeout_s), OPTIONAL, 0, BANGER_STOP_TIMEOUT_MAX_S),   \
        BOOLEAN("remove_cow", WHOLE(remove_cow), OPTIONAL)

const BangerField banger_create_machine_members[] = {
    LAUNCH_MEMBERS(0, shared_network_members),
    HOST_MEMBERS,
    END,
};

const BangerField banger_destroy_machine_members[] = {
    LAUNCH_MEMBERS(OPTIONAL, shared_network_members),
    HOST_MEMBERS,
    END,
};
