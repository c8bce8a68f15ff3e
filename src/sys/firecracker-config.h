/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "model/requests.h"

/*
 * What firecracker is told, as its public API specification defines it (v1.7 and later). Pure.
 *
 * The helper writes JSON and never parses it: bodies are put together from validated members, and
 * of an answer, which comes from a program that its guest may have taken over, only the one string
 * that explains a refusal is picked out, by a scan that allocates nothing but the result.
 */

typedef struct {
    char *path; /* "/drives/rootfs" */
    char *body; /* a JSON object */
} BangerFirecrackerRequest;

/*
 * The PUT requests that configure the machine @launch, in the order in which they are made: logger,
 * metrics, machine-config, boot-source, drives, the network interface eth0, vsock. All but
 * InstanceStart. Free with g_ptr_array_unref().
 */
GPtrArray *banger_firecracker_configuration(const BangerLaunchFirecrackerRequest *launch);

/* The last one: {"action_type":"InstanceStart"} for "/actions". */
extern const BangerFirecrackerRequest banger_firecracker_start;

/*
 * The value of "fault_message" in the answer @body of @length bytes, at most 1 KiB of it, without
 * control characters and valid UTF-8; NULL if it has none. Free with g_free().
 */
char *banger_firecracker_fault_message(const char *body, size_t length);
