/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "disk/dm.h"
#include "disk/image-claim.h"
#include "util/job.h"
#include "util/settings.h"

/*
 * The helper's end of banger-image-worker (util/worker-protocol.h): one sandboxed process a call,
 * which alone looks into the file system of an image. All functions take @fd, open on the image,
 * and @path for messages. None returns before the process is gone.
 *
 * Errors of all of them: NotSupported (a file system feature that the library does not know),
 * Timeout, OperationFailed (the file system is damaged, the worker crashed or answered nonsense,
 * a part of its sandbox could not be set up), and where it says so BadParams and NotFound about
 * guest paths.
 */

/* Where a file goes, instead of into memory; *@ret_size is how many bytes it has. */
typedef struct {
    int fd;
    uint64_t *ret_size;
    BangerJob *job;
} BangerReadTo;

/*
 * Reads the file @guest_path, with @to NULL at most BANGER_GUEST_FILE_MAX bytes. @fd is open for
 * reading. If *@ret_needs_recovery is true after a success there is no data: the journal must be
 * replayed by banger_image_check() first. With NULL what is only in the journal does not count.
 */
bool banger_image_read(const BangerSettings *settings, int fd, const char *path,
                       const char *guest_path, const BangerReadTo *to, bool *ret_needs_recovery,
                       GBytes **ret_data, GError **error);

/*
 * Writes @files (of BangerExt4File), all or none, flushed to the disk, with their content from
 * @fds, one a file, if that is not NULL. @fd is open for reading and writing. @room is what a
 * snapshot takes of changes, and NULL if the image is a file. @job is cancelled in vain once all is
 * prepared and the image itself is written to. If *@ret_recovery is set after a success, nothing
 * was written: it says what must be done first, by BANGER_IMAGE_RECOVER. Free it.
 */
bool banger_image_write(const BangerSettings *settings, int fd, const char *path,
                        const GArray *files, const int *fds, const BangerDmRoom *room,
                        BangerJob *job, char **ret_recovery, GError **error);

/*
 * Whether banger_image_write() of @files could be done, as far as it gets without a change; @fd is
 * open for reading. What the journal has, or a state that e2fsck is to mend, is no hindrance.
 */
bool banger_image_try_write(const BangerSettings *settings, int fd, const char *path,
                            const GArray *files, const BangerDmRoom *room, GError **error);

/*
 * Runs e2fsck on the block device that @fd is open on; @fd must not be open exclusively, e2fsck
 * itself wants to be the only one. *@ret_corrected says whether it mended something. The time limit
 * of a run is 10 min. OperationFailed carries the last lines it printed. As banger_image_check()
 * says, @job can be cancelled while nothing is changed.
 */
bool banger_worker_check(const BangerSettings *settings, int fd, const char *path,
                         BangerImageCheck kind, BangerJob *job, bool *ret_corrected,
                         GError **error);
