/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Looks up the user @name and its primary group (getpwnam_r(3)). Errors: NotFound if there is no
 * such user; OperationFailed if the name service cannot say.
 */
bool banger_user_find(const char *name, uid_t *ret_uid, gid_t *ret_gid, GError **error);
