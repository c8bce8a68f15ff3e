/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/image-stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "disk/dm.h"
#include "disk/image-claim.h"
#include "disk/image.h"
#include "disk/worker-client.h"
#include "model/bounds.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/path-walk.h"

/*
 * Whether the caller's file @fd is on a file system that answers. One that a user serves (FUSE)
 * might not, and who waits for it cannot even be killed. What can be sealed is memory (a memfd,
 * tmpfs).
 */
static bool
check_file_system(int fd, const char *name, GError **error)
{
    if (fcntl(fd, F_GET_SEALS) >= 0 || banger_walk_check_mount(fd, "the file", NULL))
        return true;
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "%s: the descriptor is of a file on a file system that a user serves "
                            "(FUSE), or that is mounted elsewhere only: give a pipe instead",
                            name);
}

/*
 * Whether the caller's descriptor @fd is of a kind that can be streamed, open for @access. Nothing
 * is asked of the file system before it is known to answer.
 */
static bool
check_descriptor(int fd, int access, const char *name, GError **error)
{
    int flags = fcntl(fd, F_GETFL);
    struct statx stx;

    if (flags < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0)
        return banger_set_errno(error, BANGER_ERROR_BAD_PARAMS, errno,
                                "%s: cannot examine the descriptor", name);
    if (!S_ISREG(stx.stx_mode) && !S_ISFIFO(stx.stx_mode))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s: the descriptor is neither of a regular file nor of a pipe",
                                name);
    if (S_ISREG(stx.stx_mode) && !check_file_system(fd, name, error))
        return false;
    return ((flags & O_PATH) == 0 &&
            ((flags & O_ACCMODE) == access || (flags & O_ACCMODE) == O_RDWR)) ||
           banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: the descriptor is not open for %s",
                            name, access == O_RDONLY ? "reading" : "writing");
}

bool
banger_op_read_ext4_file_to(const BangerSettings *settings, const BangerRequest *request,
                            BangerReply *reply, GError **error)
{
    const BangerReadExt4FileToRequest *wanted = &request->read_ext4_file_to;
    const BangerReadTo to = {wanted->to.fd, &reply->read_ext4_file_to.size, request->job};

    banger_job_set_step(request->job, "reading");
    return check_descriptor(wanted->to.fd, O_WRONLY, "to", error) &&
           banger_image_read_recovered(settings, &wanted->image, wanted->guest_path, &to, NULL,
                                       error);
}

/* The files as WriteExt4Files has them, without content; *@ret_fds is where that comes from. */
static GArray *
list_files(const GArray *files, int *ret_fds, GError **error)
{
    g_autoptr(GArray) list = g_array_new(FALSE, TRUE, sizeof(BangerExt4File));

    for (unsigned int i = 0; i < files->len; i++) {
        const BangerExt4FileFrom *from = &g_array_index(files, BangerExt4FileFrom, i);
        BangerExt4File file = {.guest_path = from->guest_path, .mode = from->mode};

        if (!check_descriptor(from->content.fd, O_RDONLY, from->guest_path, error))
            return NULL;
        ret_fds[i] = from->content.fd;
        g_array_append_val(list, file);
    }
    return g_steal_pointer(&list);
}

bool
banger_op_write_ext4_files_from(const BangerSettings *settings, const BangerRequest *request,
                                BangerReply *reply, GError **error)
{
    const BangerWriteExt4FilesFromRequest *wanted = &request->write_ext4_files_from;
    int fds[BANGER_DESCRIPTORS_MAX];
    g_autoptr(GArray) files = list_files(wanted->files, fds, error);

    (void)reply;
    banger_job_set_step(request->job, "writing");
    return files != NULL &&
           banger_image_write_recovered(settings, &wanted->image, files, fds, request->job, error);
}
