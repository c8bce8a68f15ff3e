/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* Whom the program runs as: the owner of what it makes, and the one peer beside root. */
typedef struct {
    uid_t uid;
    gid_t gid;
    char *name; /* NULL: the user the program was started as, with the groups it has */
} BangerIdentity;

/*
 * The user @name. Without a name: the user the program was started as, unless that is root, who is
 * replaced by the configured owner. Free the name with g_free().
 * Errors: those of banger_user_find(); BadParams if it is root.
 */
bool banger_identity_find(const char *name, BangerIdentity *ret_identity, GError **error);

/* Becomes @identity for good: groups, group, user, and no new privileges by any exec. */
bool banger_identity_assume(const BangerIdentity *identity, GError **error);
