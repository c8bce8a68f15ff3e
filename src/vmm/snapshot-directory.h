/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "util/settings.h"

/*
 * <state directory>/.vm/<vm_id>, in which a VMM writes a snapshot before it is put where it was
 * asked for. It is root's, mode 0700, but for the time of one snapshot. It is on the file system of
 * the state directory, so what is in it can be renamed.
 */

#define BANGER_SNAPSHOT_DIRECTORY ".vm" /* below the state directory; has one for each VM */

/* Its path. Free with g_free(). */
char *banger_snapshot_directory_path(const BangerSettings *settings, const char *vm_id);

/*
 * Makes it, a new one whatever was left there. Returns a descriptor, or -1. Errors: NotManaged if
 * the directory of all of them is not root's, OperationFailed.
 */
int banger_snapshot_directory_make(const BangerSettings *settings, const char *vm_id,
                                   GError **error);

/* Opens the directory of all of them. Returns a descriptor, or -1 without one of root's. */
int banger_snapshot_directory_open_all(const BangerSettings *settings);

/* Opens it. Returns a descriptor, or -1 if it is not there. */
int banger_snapshot_directory_open(const BangerSettings *settings, const char *vm_id);

/* Removes it, which @fd is open on, with all that is in it. Best effort, and bounded. */
void banger_snapshot_directory_remove(const BangerSettings *settings, const char *vm_id, int fd);

/* Makes it that of @uid alone. Errors: OperationFailed. */
bool banger_snapshot_directory_grant(int fd, const char *path, uid_t uid, GError **error);

/*
 * Makes it root's again, whatever access its owner has set meanwhile. Errors: OperationFailed.
 */
bool banger_snapshot_directory_revoke(int fd, const char *path, GError **error);
