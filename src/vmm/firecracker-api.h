/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "util/job.h"
#include "vmm/firecracker-config.h"
#include "vmm/process.h"

/*
 * A client of firecracker's API: HTTP/1.1 over its unix socket, by libcurl. What answers is a
 * program that its guest may have taken over: every answer is bounded in time and in size, and
 * nothing of it is believed but its status and the reason it gives for a refusal. Used by one
 * thread at a time.
 */
typedef struct BangerFirecrackerApi BangerFirecrackerApi;

/*
 * A client of @process, which listens at the socket that the O_PATH descriptor @path_fd is open on;
 * both must outlive it. @path is for messages. All requests together may take @timeout_ms; that
 * @job, which may be NULL and must outlive it too, is cancelled ends them within a second. Nothing
 * is connected yet. Errors: OperationFailed.
 */
BangerFirecrackerApi *banger_firecracker_api_new(int path_fd, const char *path,
                                                 const BangerProcess *process, int timeout_ms,
                                                 BangerJob *job, GError **error);

/*
 * Makes @request. Errors: OperationFailed with firecracker's fault_message, or with what went wrong
 * on the way; Timeout; NotManaged if another process than the one given answers; those of
 * banger_job_check().
 */
bool banger_firecracker_api_request(BangerFirecrackerApi *api,
                                    const BangerFirecrackerRequest *request, GError **error);

/* Asks whether the guest stands still. Errors: as above. */
bool banger_firecracker_api_get_paused(BangerFirecrackerApi *api, bool *ret_paused, GError **error);

/* Asks whether the guest was never started. Errors: as above. */
bool banger_firecracker_api_get_unstarted(BangerFirecrackerApi *api, bool *ret_unstarted,
                                          GError **error);

/*
 * Waits for the process to end if it closed the connection at the last request, which is often the
 * first sign of that: for 2 s, as long as all requests may take, or until the job is cancelled,
 * whichever is the least. For who goes on to say how it ended.
 */
void banger_firecracker_api_await_end(const BangerFirecrackerApi *api);

void banger_firecracker_api_free(BangerFirecrackerApi *api);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerFirecrackerApi, banger_firecracker_api_free)
