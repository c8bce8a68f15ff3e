/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "disk/worker-client.h"
#include "model/operation.h"

/*
 * ReadExt4File. The image may be in use: what is read is then as old as the last write of its user.
 * Where it is not in use a journal that needs recovery is replayed first.
 */
BangerOperation banger_op_read_ext4_file;

/*
 * WriteExt4Files. An image that is in use (util/disk-use.h) is Busy and left alone. Above all, the
 * journal of a running guest would look like one that needs to be replayed.
 */
BangerOperation banger_op_write_ext4_files;

/* FsckSnapshot: e2fsck -fy on a device that no other process uses. */
BangerOperation banger_op_fsck_snapshot;

/* CheckImage: the same for an image file too; without repair nothing is changed (e2fsck -fn). */
BangerOperation banger_op_check_image;

/*
 * What ReadExt4File and its variant do: reads @guest_path of the image @where, after its journal
 * was replayed if it is not in use, to @to (whose job it is) or, if that is NULL, into *@ret_data.
 */
bool banger_image_read_recovered(const BangerSettings *settings, const BangerImagePath *where,
                                 const char *guest_path, const BangerReadTo *to, GBytes **ret_data,
                                 GError **error);

/*
 * Whether @files (of BangerExt4File) could be written into @where as it is, and, with @fsck, after
 * a check that mends what is wrong. @is_base: it is what a snapshot is about to be made of. Nothing
 * is changed. Errors: NotSupported without a program that it takes; those of WriteExt4Files.
 */
bool banger_image_check_write(const BangerSettings *settings, const BangerImagePath *where,
                              bool is_base, const GArray *files, bool fsck, GError **error);

/*
 * What WriteExt4Files and its variant do: writes @files (of BangerExt4File), with their content
 * from @fds (one a file) if that is not NULL. @job (or NULL) can be cancelled until all is prepared
 * and the image itself is written to.
 */
bool banger_image_write_recovered(const BangerSettings *settings, const BangerImagePath *where,
                                  const GArray *files, const int *fds, BangerJob *job,
                                  GError **error);
