/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <libdevmapper.h>

#include "disk/dm.h"

/* What the files about device-mapper share. */

#define BANGER_DM_SECTOR 512u

/*
 * Takes the lock around libdevmapper, which is not thread-safe; nothing is waited for under it but
 * the kernel. On failure it is not taken. Errors: NotSupported without device-mapper.
 */
bool banger_dm_lock(GError **error);

void banger_dm_unlock(void);

/* A task of @type for the device @name; NULL without memory. */
struct dm_task *banger_dm_task_new(int type, const char *name);

/*
 * Under the lock: sets @error to what libdevmapper and the kernel say about @task, which may
 * be NULL. Always false.
 */
bool banger_dm_refuse(struct dm_task *task, const char *what, const char *name, GError **error);

/* As g_autoptr would: a struct of a library without GLib. */
void banger_dm_task_free(struct dm_task **task);
#define banger_auto_dm_task __attribute__((cleanup(banger_dm_task_free))) struct dm_task
