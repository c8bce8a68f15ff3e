/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/wide-fields.h"

#define FIELD(owner, member, wire, ...)                                                            \
    {                                                                                              \
        .name = #member, .type = BANGER_TYPE_##wire, .offset = offsetof(owner, member),            \
        __VA_ARGS__                                                                                \
    }
#define TEXT .kind = BANGER_KIND_TEXT
#define OPTIONAL BANGER_FIELD_OPTIONAL
#define HAS(owner, member)                                                                         \
    .flags = BANGER_FIELD_OPTIONAL | BANGER_FIELD_PRESENCE,                                        \
    .presence = offsetof(owner, has_##member)
#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const BangerField bucket_members[] = {
    FIELD(WideBucket, size, UINT64, .kind = BANGER_KIND_NUMBER, .min = 1, .max = UINT64_MAX),
    FIELD(WideBucket, burst, UINT64, .kind = BANGER_KIND_NUMBER, .max = UINT64_MAX),
    FIELD(WideBucket, refill_ms, UINT64, .kind = BANGER_KIND_NUMBER, .min = 1, .max = UINT64_MAX),
    END,
};

static const BangerField limiter_members[] = {
    FIELD(WideLimiter, bandwidth, STRUCT, HAS(WideLimiter, bandwidth), .members = bucket_members,
          .size = sizeof(WideBucket)),
    FIELD(WideLimiter, note, STRING, TEXT, .flags = OPTIONAL),
    END,
};

static const BangerField options_value_members[] = {
    FIELD(WideOptions, cache, STRING, TEXT, .flags = OPTIONAL, .default_text = "Unsafe"),
    FIELD(WideOptions, limiter, DICT, HAS(WideOptions, limiter), .members = limiter_members,
          .size = sizeof(WideLimiter)),
    END,
};

static const BangerField options_members[] = {
    FIELD(WideOptions, id, STRING, .kind = BANGER_KIND_DRIVE_ID),
    {.name = "options",
     .type = BANGER_TYPE_DICT,
     .members = options_value_members,
     .size = sizeof(WideOptions)},
    END,
};

static const BangerField interface_members[] = {
    FIELD(WideInterface, tap, STRING, .kind = BANGER_KIND_TAP_NAME,
          .flags = BANGER_FIELD_EXCLUSIVE),
    FIELD(WideInterface, limiter, DICT, .members = limiter_members, .size = sizeof(WideLimiter)),
    END,
};

static const BangerField forward_members[] = {
    FIELD(WideForward, protocol, STRING, TEXT),
    FIELD(WideForward, host_port, UINT16, .kind = BANGER_KIND_NUMBER, .min = 1, .max = 65535),
    FIELD(WideForward, guest_port, UINT16, .kind = BANGER_KIND_NUMBER, .min = 1, .max = 65535),
    END,
};

static const BangerField egress_members[] = {
    {.name = "network", .type = BANGER_TYPE_STRING, .kind = BANGER_KIND_ADDRESS},
    END,
};

static const BangerField machine_members[] = {
    FIELD(WideMachine, name, STRING, .kind = BANGER_KIND_VM_ID,
          .flags = BANGER_FIELD_OBJECT | BANGER_FIELD_EXCLUSIVE),
    FIELD(WideMachine, guest_ip, STRING, .kind = BANGER_KIND_ADDRESS, .flags = OPTIONAL),
    FIELD(WideMachine, port, UINT16, .kind = BANGER_KIND_NUMBER, .flags = OPTIONAL, .max = 65535),
    FIELD(WideMachine, cow_size, UINT64, .kind = BANGER_KIND_NUMBER, .flags = OPTIONAL,
          .max = UINT64_C(1) << 60, .default_number = UINT64_C(1) << 40),
    FIELD(WideMachine, start, BOOLEAN, .flags = OPTIONAL, .default_number = true),
    FIELD(WideMachine, mtu, UINT32, .kind = BANGER_KIND_NUMBER, HAS(WideMachine, mtu), .min = 68,
          .max = 65535),
    FIELD(WideMachine, huge_pages, STRING, TEXT, .flags = OPTIONAL, .default_text = "None"),
    FIELD(WideMachine, egress, LIST, HAS(WideMachine, egress), .min = 1, .max = 4,
          .members = egress_members, .size = sizeof(BangerAddress)),
    FIELD(WideMachine, forwards, ARRAY, .flags = OPTIONAL, .max = 4, .members = forward_members,
          .size = sizeof(WideForward)),
    FIELD(WideMachine, options, MAP, .flags = OPTIONAL, .max = 4, .members = options_members,
          .size = sizeof(WideOptions)),
    FIELD(WideMachine, interfaces, ARRAY, .flags = OPTIONAL, .max = 4, .members = interface_members,
          .size = sizeof(WideInterface)),
    FIELD(WideMachine, limiter, DICT, HAS(WideMachine, limiter), .members = limiter_members,
          .size = sizeof(WideLimiter)),
    {.name = "secrets",
     .type = BANGER_TYPE_DICT,
     .offset = offsetof(WideMachine, secrets),
     .flags = OPTIONAL | BANGER_FIELD_PRESENCE | BANGER_FIELD_SECRET,
     .presence = offsetof(WideMachine, has_secrets),
     .members = limiter_members,
     .size = sizeof(WideLimiter)},
    END,
};

const BangerField wide_machine_in[] = {
    {.name = "machine",
     .type = BANGER_TYPE_DICT,
     .offset = offsetof(WideRequest, machine),
     .members = machine_members,
     .size = sizeof(WideMachine)},
    END,
};

static const BangerField file_members[] = {
    FIELD(WideFile, guest_path, STRING, .kind = BANGER_KIND_GUEST_PATH),
    FIELD(WideFile, content, HANDLE, .flags = 0),
    END,
};

static const BangerField in[] = {
    {.name = "machine",
     .type = BANGER_TYPE_DICT,
     .offset = offsetof(WideRequest, machine),
     .members = machine_members,
     .size = sizeof(WideMachine)},
    {.name = "to", .type = BANGER_TYPE_HANDLE, .offset = offsetof(WideRequest, to)},
    {.name = "files",
     .type = BANGER_TYPE_ARRAY,
     .offset = offsetof(WideRequest, files),
     .max = 16,
     .members = file_members,
     .size = sizeof(WideFile)},
    END,
};

static const BangerField item_members[] = {
    FIELD(WideItem, id, STRING, TEXT),
    FIELD(WideItem, leader, UINT32, .kind = BANGER_KIND_NUMBER),
    FIELD(WideItem, object, OBJECT_PATH, .flags = 0),
    END,
};

static const BangerField name_members[] = {
    {.name = "name", .type = BANGER_TYPE_STRING, .kind = BANGER_KIND_TEXT},
    END,
};

static const BangerField out[] = {
    {.name = "machines",
     .type = BANGER_TYPE_ARRAY,
     .offset = offsetof(WideReply, machines),
     .members = item_members,
     .size = sizeof(WideItem)},
    {.name = "names",
     .type = BANGER_TYPE_LIST,
     .offset = offsetof(WideReply, names),
     .members = name_members,
     .size = sizeof(char *)},
    {.name = "object", .type = BANGER_TYPE_OBJECT_PATH, .offset = offsetof(WideReply, object)},
    {.name = "progress", .type = BANGER_TYPE_DOUBLE, .offset = offsetof(WideReply, progress)},
    {.name = "status", .type = BANGER_TYPE_INT32, .offset = offsetof(WideReply, status)},
    {.name = "size", .type = BANGER_TYPE_UINT64, .offset = offsetof(WideReply, size)},
    END,
};

const BangerMethod wide_method = {
    .dbus_name = "Wide",
    .json_name = "priv.wide",
    .action = "org.banger.helper1.wide",
    .in = in,
    .out = out,
};
