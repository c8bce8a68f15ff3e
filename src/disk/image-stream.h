/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"

/*
 * ReadExt4FileTo: as ReadExt4File, for a file of any size, into a caller's descriptor. Errors also:
 * BadParams for a descriptor that is neither a regular file (a memfd is one) nor a pipe, of a file
 * on a FUSE file system that a user serves, or not open for writing; Timeout if nothing goes on for
 * 60 s, or after an hour.
 */
BangerOperation banger_op_read_ext4_file_to;

/*
 * WriteExt4FilesFrom: as WriteExt4Files, with the content from descriptors, and the same limits of
 * time. Content goes into blocks that are free first: the old and the new content must fit side by
 * side, and until the files themselves are changed no failure is to be seen in the file system.
 */
BangerOperation banger_op_write_ext4_files_from;
