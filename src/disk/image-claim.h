/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/requests.h"
#include "util/disk-use.h"
#include "util/job.h"
#include "util/settings.h"

/* An image, a file or a device, that is written or checked, and that no other process uses. */
typedef struct {
    const BangerImagePath *where;
    int file_fd; /* of the file, for reading only; -1 for a device */
    BangerDiskClaim *claim;
} BangerImage;

#define BANGER_IMAGE_INIT                                                                          \
    {                                                                                              \
        NULL, -1, NULL                                                                             \
    }

/*
 * Claims the image @where, which must outlive @image, as a disk that is written (util/disk-use.h).
 * With @writable false root's own image will do, if the owner may read it. Errors: Busy, those of
 * banger_path_open_file() and NotFound or NotManaged for a device.
 */
bool banger_image_claim(BangerImage *image, const BangerSettings *settings,
                        const BangerImagePath *where, bool writable, GError **error);

/*
 * Opens @image for reading and writing; a device exclusively, which keeps mounts out too. Returns a
 * descriptor, or -1.
 */
int banger_image_open(const BangerImage *image, GError **error);

/* Lets go of it. */
void banger_image_clear(BangerImage *image);

typedef enum {
    BANGER_IMAGE_VERIFY,  /* e2fsck -fn: everything, and change nothing */
    BANGER_IMAGE_REPAIR,  /* e2fsck -fy: everything, and mend what is wrong */
    BANGER_IMAGE_RECOVER, /* e2fsck -p: replay the journal, mend what is harmless to mend */
} BangerImageCheck;

/*
 * Runs e2fsck on @image, which must not be open. *@ret_corrected says whether it mended something.
 * The time limit of a run is 10 min. OperationFailed carries the last lines it printed.
 *
 * @job (or NULL) can be cancelled while nothing is changed. REPAIR looks first, unless the
 * superblock asks for work, and changes the image only if there is something to mend: then @job is
 * committed. RECOVER is never broken off; @job can be cancelled, and is when it has ended.
 */
bool banger_image_check(const BangerSettings *settings, const BangerImage *image,
                        BangerImageCheck kind, BangerJob *job, bool *ret_corrected, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerImage, banger_image_clear)
