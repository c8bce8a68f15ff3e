/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/image.h"

#include <fcntl.h>

#include "disk/dm.h"
#include "disk/image-claim.h"
#include "disk/worker-client.h"
#include "disk/worker-process.h"
#include "model/names.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/path.h"

static int
open_to_read(const BangerSettings *settings, const BangerImagePath *image, GError **error)
{
    return image->dm_name != NULL ? banger_dm_open(image->dm_name, O_RDONLY, error)
                                  : banger_path_open_file(settings, BANGER_PATH_STATE, image->path,
                                                          O_RDONLY, NULL, error);
}

/*
 * Replays the journal of an image to be read, unless it is in use: then its user does; or root's:
 * then root does.
 */
static bool
recover_to_read(const BangerSettings *settings, const BangerImagePath *path, BangerJob *job,
                GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_auto(BangerImage) image = BANGER_IMAGE_INIT;
    bool corrected;

    if (banger_image_claim(&image, settings, path, true, &failure))
        return banger_image_check(settings, &image, BANGER_IMAGE_RECOVER, job, &corrected, error);
    if (g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_BUSY) ||
        g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_MANAGED))
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

bool
banger_image_read_recovered(const BangerSettings *settings, const BangerImagePath *where,
                            const char *guest_path, const BangerReadTo *to, GBytes **ret_data,
                            GError **error)
{
    banger_autofd int fd = open_to_read(settings, where, error);
    bool needs_recovery = false;

    if (fd < 0 || !banger_image_read(settings, fd, where->path, guest_path, to, &needs_recovery,
                                     ret_data, error))
        return false;
    if (!needs_recovery)
        return true;
    banger_close_fd(&fd);
    if (!recover_to_read(settings, where, to != NULL ? to->job : NULL, error))
        return false;
    fd = open_to_read(settings, where, error);
    return fd >= 0 &&
           banger_image_read(settings, fd, where->path, guest_path, to, NULL, ret_data, error);
}

bool
banger_op_read_ext4_file(const BangerSettings *settings, const BangerRequest *request,
                         BangerReply *reply, GError **error)
{
    const BangerReadExt4FileRequest *wanted = &request->read_ext4_file;

    return banger_image_read_recovered(settings, &wanted->image, wanted->guest_path, NULL,
                                       &reply->read_ext4_file.data, error);
}

/*
 * Writes into @image. *@ret_recovery is set if nothing was written since the journal comes first.
 */
static bool
write_files(const BangerSettings *settings, const BangerImage *image, const GArray *files,
            const int *fds, BangerJob *job, char **ret_recovery, GError **error)
{
    const char *name = image->where->dm_name;
    banger_autofd int fd = banger_image_open(image, error);
    BangerDmRoom room;

    if (fd < 0 || (name != NULL && !banger_dm_get_room(settings, name, &room, error)))
        return false;
    return banger_image_write(settings, fd, image->where->path, files, fds,
                              name != NULL ? &room : NULL, job, ret_recovery, error);
}

bool
banger_image_write_recovered(const BangerSettings *settings, const BangerImagePath *where,
                             const GArray *files, const int *fds, BangerJob *job, GError **error)
{
    g_auto(BangerImage) image = BANGER_IMAGE_INIT;
    g_autofree char *recovery = NULL, *still = NULL;
    bool corrected;

    if (!banger_image_claim(&image, settings, where, true, error) ||
        !write_files(settings, &image, files, fds, job, &recovery, error))
        return false;
    if (recovery == NULL)
        return true;
    if (!banger_image_check(settings, &image, BANGER_IMAGE_RECOVER, job, &corrected, error) ||
        !write_files(settings, &image, files, fds, job, &still, error))
        return false;
    return still == NULL || banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                             "cannot write into %s: %s, and e2fsck -p did not do "
                                             "it: check it with e2fsck -f",
                                             where->path, still);
}

/* Opens the image @where for reading; no other process uses it unless it is a snapshot's base. */
static int
open_to_try(const BangerSettings *settings, const BangerImagePath *where, bool is_base,
            BangerImage *image, GError **error)
{
    if (is_base)
        return open_to_read(settings, where, error);
    return banger_image_claim(image, settings, where, true, error) ? banger_image_open(image, error)
                                                                   : -1;
}

static bool
try_write(const BangerSettings *settings, const BangerImagePath *where, bool is_base,
          const GArray *files, GError **error)
{
    g_auto(BangerImage) image = BANGER_IMAGE_INIT;
    banger_autofd int fd = open_to_try(settings, where, is_base, &image, error);
    BangerDmRoom room;

    if (fd < 0 ||
        (where->dm_name != NULL && !banger_dm_get_room(settings, where->dm_name, &room, error)))
        return false;
    return banger_image_try_write(settings, fd, where->path, files,
                                  where->dm_name != NULL ? &room : NULL, error);
}

bool
banger_image_check_write(const BangerSettings *settings, const BangerImagePath *where, bool is_base,
                         const GArray *files, bool fsck, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (!banger_worker_check_programs(fsck, error))
        return false;
    if (files->len == 0 || try_write(settings, where, is_base, files, &failure))
        return true;
    /* Damage may be what the check is there for. */
    if (fsck && g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_OPERATION_FAILED))
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

bool
banger_op_write_ext4_files(const BangerSettings *settings, const BangerRequest *request,
                           BangerReply *reply, GError **error)
{
    const BangerWriteExt4FilesRequest *wanted = &request->write_ext4_files;

    (void)reply;
    return banger_image_write_recovered(settings, &wanted->image, wanted->files, NULL, request->job,
                                        error);
}

bool
banger_op_fsck_snapshot(const BangerSettings *settings, const BangerRequest *request,
                        BangerReply *reply, GError **error)
{
    g_autofree char *path = g_strconcat(BANGER_DM_DIRECTORY, request->fsck_snapshot.dm_name, NULL);
    const BangerImagePath where = {path, request->fsck_snapshot.dm_name};
    g_auto(BangerImage) image = BANGER_IMAGE_INIT;

    return banger_image_claim(&image, settings, &where, true, error) &&
           banger_image_check(settings, &image, BANGER_IMAGE_REPAIR, request->job,
                              &reply->fsck_snapshot.corrected, error);
}

bool
banger_op_check_image(const BangerSettings *settings, const BangerRequest *request,
                      BangerReply *reply, GError **error)
{
    const BangerCheckImageRequest *wanted = &request->check_image;
    g_auto(BangerImage) image = BANGER_IMAGE_INIT;

    return banger_image_claim(&image, settings, &wanted->image, wanted->repair, error) &&
           banger_image_check(settings, &image,
                              wanted->repair ? BANGER_IMAGE_REPAIR : BANGER_IMAGE_VERIFY,
                              request->job, &reply->check_image.corrected, error);
}
