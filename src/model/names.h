/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "util/path.h"

/*
 * Which names and paths are the project's own. All pure: nothing is looked up, so a path that
 * passes here is only well-formed; what it leads to is util/path's to find out. Every refusal is
 * BadParams and names the value.
 */

#define BANGER_TAP_PREFIX "tap-fc-"
#define BANGER_TAP_POOL_PREFIX "tap-pool-"
#define BANGER_DM_PREFIX "fc-rootfs-"
#define BANGER_DM_DIRECTORY "/dev/mapper/"
#define BANGER_DM_UUID_PREFIX "BANGER-"
#define BANGER_BINARY_DEFAULT "firecracker" /* what is looked for where no program is named */

/*
 * 1-15 bytes of [A-Za-z0-9._-], not ".", "..", "all" or "default". The kernel would expand "%d" and
 * shorten a longer name.
 */
bool banger_name_check_link(const char *name, GError **error);

/* A link name that begins with one of the TAP prefixes and has at least one byte more. */
bool banger_name_check_tap(const char *name, GError **error);

/* "fc-rootfs-" and more, at most 121 bytes of [A-Za-z0-9._+-]. */
bool banger_name_check_dm(const char *name, GError **error);

/* "/dev/mapper/" and a dm name, nothing else. */
bool banger_name_check_dm_path(const char *path, GError **error);

/* "/dev/loop" and a number. */
bool banger_name_check_loop_path(const char *path, GError **error);

/* 1-64 bytes of [A-Za-z0-9-]: what firecracker accepts as --id. */
bool banger_name_check_vm_id(const char *vm_id, GError **error);

/* 1-64 bytes of [A-Za-z0-9_]: what firecracker accepts as a drive's id. */
bool banger_name_check_drive_id(const char *id, GError **error);

/* As banger_path_check_below(), and short enough for sockaddr_un's sun_path with its NUL. */
bool banger_path_check_socket(const char *path, const char *directory, GError **error);

/*
 * The clean form of @path in *@ret_clean: an absolute path of less than PATH_MAX bytes that names
 * something, without empty and "." components and without a slash at the end. A ".." component is
 * BadParams: where it leads depends on links. Free with g_free().
 */
bool banger_path_clean(const char *path, char **ret_clean, GError **error);

/*
 * The number of the signal @name: "TERM", "SIGTERM", "RTMIN+1", in any case, or a number from 1 to
 * SIGRTMAX; 0 with BadParams if there is no such signal.
 */
int banger_signal_parse(const char *name, GError **error);

/*
 * The canonical name of the signal @number: "TERM", "RTMIN+1", or the number where it has no name;
 * "" for 0. Free with g_free().
 */
char *banger_signal_format(int number);

/*
 * "06:00:AC:10:00:02", a unicast Ethernet address that is not zero, into *@ret_mac in lower case.
 */
bool banger_name_parse_mac(const char *text, char **ret_mac, GError **error);
