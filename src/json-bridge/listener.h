/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * The listening socket that systemd passed (sd_listen_fds(3)), or -1 in *@ret_fd if it passed none.
 * Errors: OperationFailed if what it passed is not one listening Unix stream socket.
 */
bool banger_listener_from_systemd(int *ret_fd, GError **error);

/*
 * Binds a listening socket at @path with mode 0600, owned by @uid and @gid. A socket at which no
 * process listens is replaced; a live listener and anything that is no socket are AlreadyExists.
 * Two that do this at the same time do not meet: the folder is locked meanwhile.
 */
int banger_listener_bind(const char *path, uid_t uid, gid_t gid, GError **error);
