/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

/*
 * Access of one VMM to one file, socket or device node, by an entry of its access control list
 * (acl(5), libacl). The other entries are left at what was effective before, and the mask becomes
 * what all of them together need, so an entry that the mask had shut out does not come to life. An
 * entry of the range of dynamic users (systemd.exec(5), DynamicUser=) that @is_stale says is of no
 * VM that runs is taken off at the same time.
 *
 * @fd, which may be an O_PATH descriptor, is open on the file, @path is for messages. Errors:
 * NotSupported if the file system has no such lists.
 */
typedef bool BangerUidIsStale(uid_t uid, void *user_data);

typedef struct {
    BangerUidIsStale *is_stale;
    void *user_data;
} BangerStaleUids;

/* Lets the members of @group read the file. */
bool banger_file_access_grant_group(int fd, const char *path, gid_t group,
                                    const BangerStaleUids *stale, GError **error);

/* Lets @uid read the file, and write it too if @writable. */
bool banger_file_access_grant_user(int fd, const char *path, uid_t uid, bool writable,
                                   const BangerStaleUids *stale, GError **error);

/*
 * Takes the lists off, a directory's default one too: its permission bits are what counts. False
 * with errno set.
 */
bool banger_file_access_clear(int fd);

/* Takes the entry of @uid off again. Best effort. */
void banger_file_access_revoke_user(int fd, uid_t uid);

/* Whether @uid is in the range from which systemd takes dynamic users. */
bool banger_file_access_is_dynamic(uid_t uid);
