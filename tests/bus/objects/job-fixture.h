/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bus/disk/image-fixture.h"
#include "bus/objects/objects-client.h"

/*
 * What the tests of jobs share: the worker is started by a script that stops itself when a file
 * says so, so each stage lasts as long as it must. A function that cannot do its work fails the
 * test.
 */

extern sd_bus *job_owner; /* who makes the calls */
extern sd_bus *job_other; /* who looks, and may not cancel */

/* As rig_enter(), with that script in place of the worker. */
void job_enter(const char *program, char **argv);

/* For each test: the connections, the script, and at the end a helper without jobs. */
void job_set_up(void);
void job_tear_down(void);

/* Whether the workers of @command are to stop at their start. */
void job_stop_workers(const char *command, bool stop);

/* Waits for the one that has stopped. */
pid_t job_wait_for_stopped(void);

typedef struct {
    const char *property;
    const char *value;
    char *path; /* of the job whose property has the value; NULL if there was none */
} JobWanted;

/* Looks for the JobWanted @wanted; whether it is there. */
bool job_find(void *wanted);

/* Waits for it; its path, to be freed with g_free(). */
char *job_wait_for(const char *property, const char *value);

/* Whether there is no job. */
bool job_are_gone(void);

/* Calls Cancel of the job @path on @bus. The name of the error, or NULL. */
const char *job_cancel(sd_bus *bus, const char *path);

/* Calls of the owner's: CheckImage, and WriteExt4FilesFrom of @fd to /f. */
RigPending *job_start_check(const char *image, bool repair, const char *op_id);
RigPending *job_start_write(const char *image, int fd, const char *op_id);

/* Requires that the call was cancelled by @uid, and frees it. */
void job_assert_cancelled(RigPending *pending, unsigned int uid, const char *op_id);

/* Requires that the call succeeds, and frees it. */
void job_assert_done(RigPending *pending);

void job_make_pipe(int ends[2]);
