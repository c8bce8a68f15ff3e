/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <glib.h>

#include "util/disk-use.h"
#include "util/settings.h"

/*
 * Loop devices (loop(4), linux/loop.h). Every device attached here has LO_FLAGS_AUTOCLEAR: it is
 * detached by the kernel at its last close, so a helper that dies leaves none behind.
 */

/*
 * Attaches @backing_fd, open on @path (for messages), to a free loop device, read-only or not.
 * *@ret_device is "/dev/loopN"; free it. Returns a descriptor open on the device, or -1: the device
 * exists as long as this descriptor or another one is open. Errors: NotSupported (no loop devices),
 * Busy (every attempt lost its device to another program), OperationFailed.
 */
int banger_loop_attach(int backing_fd, const char *path, bool read_only, char **ret_device,
                       GError **error);

/*
 * Detaches the device that @fd of banger_loop_attach() is open on, at its last close at the latest.
 */
void banger_loop_clear(int fd);

/* The finder of util/disk-use.h for loop devices whose backing file, or backing device, it is. */
BangerDiskFinder banger_disk_find_loop;

/*
 * The path of the loop device whose device number is @number, if its backing file is @inode on
 * @device; else NULL. Free it.
 */
char *banger_loop_path_if_backed_by(dev_t number, dev_t device, ino_t inode);

/*
 * Opens the backing file of the loop device whose device number is @number by O_PATH, if it lies in
 * the state directory; *@ret_stat is of it. Returns a descriptor, or -1.
 */
int banger_loop_open_backing(const BangerSettings *settings, dev_t number, struct stat *ret_stat);

/*
 * Detaches @loop ("/dev/loopN"), if its backing file lies in the state directory: a device that is
 * not attached is success, one that belongs to another program is left alone and NotManaged.
 * Returns when it is gone. One that a dm device is made of is left alone and Busy; one that a
 * program has open is detached at its last close, and Busy if that does not come within 5 s.
 */
bool banger_loop_detach(const BangerSettings *settings, const char *loop, GError **error);
