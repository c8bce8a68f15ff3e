/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/requests.h"

/*
 * What is sent to firecracker, as its public API specification defines it (v1.7 and later). Pure.
 *
 * The helper writes JSON and never parses it: bodies are put together from validated members, and
 * of an answer, which comes from a program that its guest may have taken over, only the one string
 * that explains a refusal is picked out, by a scan that allocates nothing but the result.
 */

typedef struct {
    const char *method; /* "PUT", "PATCH" or "GET" */
    char *path;         /* "/drives/rootfs" */
    char *body;         /* a JSON object; NULL for GET */
} BangerFirecrackerRequest;

/*
 * The requests that configure the machine @launch, in the order in which they are made: logger,
 * metrics, machine-config, cpu-config, boot-source, drives, network interfaces from eth0 on, mmds,
 * vsock, entropy, balloon. All but InstanceStart. A machine that is loaded has its snapshot in
 * place of all of them but the first two. Free with g_ptr_array_unref().
 */
GPtrArray *banger_firecracker_configuration(const BangerLaunchFirecrackerRequest *launch);

/*
 * The last ones: the logger's level, which firecracker logs every body at, and InstanceStart if the
 * guest is to be started; or that it goes on. Free with g_ptr_array_unref().
 */
GPtrArray *banger_firecracker_start(const BangerLaunchFirecrackerRequest *launch);

/*
 * What loads the snapshot of @launch for a firecracker before 1.16, which knows no vsock_override
 * and binds the socket where it was. NULL if @launch loads none. Free with
 * banger_firecracker_request_free().
 */
BangerFirecrackerRequest *
banger_firecracker_load_without_override(const BangerLaunchFirecrackerRequest *launch);

/* What has the guest go on, or stand still. Free with banger_firecracker_request_free(). */
BangerFirecrackerRequest *banger_firecracker_set_running(bool running);

/*
 * What writes the state and the memory of a machine that stands still to two files that are not
 * there; @type is Full or Diff. Free with banger_firecracker_request_free().
 */
BangerFirecrackerRequest *banger_firecracker_create_snapshot(const char *type,
                                                             const char *snapshot_path,
                                                             const char *mem_file_path);

void banger_firecracker_request_free(BangerFirecrackerRequest *request);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerFirecrackerRequest, banger_firecracker_request_free)

/*
 * The value of "fault_message" in the answer @body of @length bytes, at most 1 KiB of it, without
 * control characters and valid UTF-8; NULL if it has none. Free with g_free().
 */
char *banger_firecracker_fault_message(const char *body, size_t length);

/* Whether the answer @body to GET / says that the guest stands still. */
bool banger_firecracker_is_paused(const char *body, size_t length);

/* Whether it says that the guest was never started. */
bool banger_firecracker_is_unstarted(const char *body, size_t length);
