/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/field.h"
#include "model/requests.h"

/* How the descriptors of the method table (methods.c, machine-fields.c) are written. */

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
#define PORT(field_name, field_offset, field_flags)                                                \
    {                                                                                              \
        .name = (field_name), .type = BANGER_TYPE_UINT16, .offset = (field_offset),                \
        .kind = BANGER_KIND_NUMBER, .flags = (field_flags), .min = 1, .max = UINT16_MAX            \
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
#define SHARED BANGER_FIELD_SHARED
#define BARE_NAME BANGER_FIELD_BARE_NAME

/* The members of a file that is written into an image, and of a network that a guest may reach. */
extern const BangerField banger_ext4_file_members[];
extern const BangerField banger_destination_members[];

/*
 * The keys of the dictionaries that LaunchFirecracker takes, at a BangerLaunchFirecrackerRequest,
 * and CreateMachine and DestroyMachine, at a BangerMachineRequest.
 */
extern const BangerField banger_launch_members[];
extern const BangerField banger_create_machine_members[];
extern const BangerField banger_destroy_machine_members[];
