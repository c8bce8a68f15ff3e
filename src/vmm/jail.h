/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "util/settings.h"
#include "vmm/process.h"
#include "vmm/vm-file.h"

/*
 * The jail of one VMM where systemd is PID 1: a user of its own for as long as it runs
 * (DynamicUser=), a root directory in which there is nothing but its own files and devices
 * (unit-jail.c), and a directory of its own for its sockets, which stands where the runtime
 * directory is outside. docs/trust-model.md has what it keeps a guest from that has taken its VMM
 * over.
 */

#define BANGER_JAIL_GROUP "banger-vmm" /* of all VMMs and of no person */
#define BANGER_JAIL_DIRECTORY ".vm"    /* below the runtime directory; has one for each VM */

typedef struct {
    const BangerSettings *settings;
    char *vm_id;
    char *user;      /* bvm- and 16 hexadecimal digits of SHA-256(vm_id): a name has 31 bytes */
    char *directory; /* <runtime directory>/.vm/<vm_id> */
    char *snapshots; /* <state directory>/.vm/<vm_id> (snapshot-directory.h) */
    gid_t group;     /* BANGER_JAIL_GROUP */
    int fd;          /* of @directory, once it was made */
    int snapshots_fd;
    uid_t uid; /* of @user, once it runs */
} BangerJail;

#define BANGER_JAIL_INIT                                                                           \
    {                                                                                              \
        NULL, NULL, NULL, NULL, NULL, 0, -1, -1, 0                                                 \
    }

/* Names what the jail of @vm_id consists of. Errors: NotSupported without BANGER_JAIL_GROUP. */
bool banger_jail_name(const BangerSettings *settings, const char *vm_id, BangerJail *ret_jail,
                      GError **error);

void banger_jail_clear(BangerJail *jail);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerJail, banger_jail_clear)

/*
 * Makes the directory of snapshots and that of the sockets, empty whatever was left there, with a
 * directory in the latter for each of @sockets (paths below the runtime directory, which end with
 * NULL) that lies deeper.
 */
bool banger_jail_make_directory(BangerJail *jail, const char *const *sockets, GError **error);

/*
 * Takes from the VMM that it can make anything in the directory of its sockets, now that it has
 * bound @sockets, the same as before. Errors: OperationFailed.
 */
bool banger_jail_close_directory(const BangerJail *jail, const char *const *sockets,
                                 GError **error);

/*
 * Opens the directories of a VM that runs, of which @jail knows the names. False if there is none
 * for sockets: the VM has no jail.
 */
bool banger_jail_open_directory(BangerJail *jail);

/*
 * Removes the directories that @jail has open, with all in them, when its VM has ended. Best
 * effort, and bounded; what another launch made meanwhile stays.
 */
void banger_jail_remove_directory(const BangerJail *jail);

/* Where the VMM's socket @path, below the runtime directory, is outside of the jail. */
char *banger_jail_outside(const BangerJail *jail, const char *path);

/*
 * Moves the socket that the VMM bound as @path from its directory to @path itself. Errors:
 * AlreadyExists if something is there.
 */
bool banger_jail_move_socket(const BangerJail *jail, const char *path, GError **error);

/*
 * Takes the uid of @process, which runs in the jail, and compares what it sees at the path of each
 * of @files, and at the runtime directory, with what was checked: systemd resolves the paths by
 * itself, later. Errors: NotManaged.
 */
bool banger_jail_check(BangerJail *jail, const BangerProcess *process, const BangerVmFile *files,
                       size_t n_files, GError **error);

/*
 * Whether what @process sees at @path is what @wanted is of. Errors: NotManaged if it is another,
 * OperationFailed if there is none.
 */
bool banger_jail_check_path(const BangerProcess *process, const char *path,
                            const struct stat *wanted, GError **error);

/*
 * Lets the VMM, after banger_jail_check(), open @files: what is read only by all VMMs' group, since
 * its root directory is what separates one from another, and the rest by its own uid. Root's files
 * get no list and must be readable as they are (BadParams).
 */
bool banger_jail_grant(const BangerJail *jail, const BangerVmFile *files, size_t n_files,
                       GError **error);

/* Takes back what banger_jail_grant() let the VM's own uid open. */
void banger_jail_revoke(const BangerJail *jail, const BangerVmFile *files, size_t n_files);

/*
 * Makes the TAP @name that of @uid and @gid: the kernel wants both of who attaches to it (tun(4)).
 * Errors: Busy if a process is attached.
 */
bool banger_jail_own_tap(const char *name, uid_t uid, gid_t gid, GError **error);

/* Whether the TAP @name is that of a VM in a jail, or was that of one which is gone. */
bool banger_jail_has_tap(const BangerSettings *settings, const char *name);
