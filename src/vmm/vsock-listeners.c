/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/vsock-listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/path.h"
#include "vmm/file-access.h"
#include "vmm/unix-socket.h"

#define LISTENERS_MAX 64
#define PORT_DIGITS_MAX 10

bool
banger_vsock_listener_parse(const char *path, char **ret_vsock_path)
{
    const char *separator = strrchr(path, '_');
    size_t digits;

    if (separator == NULL)
        return false;
    digits = strspn(separator + 1, "0123456789");
    if (digits == 0 || digits > PORT_DIGITS_MAX || separator[1 + digits] != '\0')
        return false;
    *ret_vsock_path = g_strndup(path, (gsize)(separator - path));
    return true;
}

/* Gives the socket @fd a second name, in the VM's directory, in place of what may be there. */
static bool
link_socket(const BangerJail *jail, const char *path, int fd, GError **error)
{
    g_autofree char *outside = banger_jail_outside(jail, path);
    const char *name;
    banger_autofd int directory =
        banger_path_open_parent(jail->settings, BANGER_PATH_RUNTIME, outside, &name, error);
    struct stat wanted, found;

    if (directory < 0)
        return false;
    if (fstat(fd, &wanted) == 0 && fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        wanted.st_dev == found.st_dev && wanted.st_ino == found.st_ino)
        return true;
    if ((unlinkat(directory, name, 0) < 0 && errno != ENOENT) ||
        linkat(AT_FDCWD, banger_fd_path(fd).text, directory, name, AT_SYMLINK_FOLLOW) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot show %s to the virtual machine %s", path, jail->vm_id);
    return true;
}

bool
banger_vsock_listener_link(const BangerJail *jail, const char *path, GError **error)
{
    const BangerSettings *settings = jail->settings;
    banger_autofd int fd = -1;
    struct stat st;

    fd = banger_unix_socket_open(settings, path, settings->owner_uid, 2, error);
    if (fd < 0)
        return false;
    /* Whatever the mask let in before is shut out; the VM's entry opens it again. */
    if (fstat(fd, &st) == 0 && st.st_nlink == 1 &&
        !banger_path_give(fd, path, settings->owner_uid, settings->owner_gid, 0600, error))
        return false;
    return banger_file_access_grant_user(fd, path, jail->uid, true, NULL, error) &&
           link_socket(jail, path, fd, error);
}

bool
banger_vsock_listeners_link_all(const BangerJail *jail, const char *vsock_path, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(vsock_path);
    const char *base;
    banger_autofd int fd =
        banger_path_open_parent(jail->settings, BANGER_PATH_RUNTIME, vsock_path, &base, error);
    g_autoptr(GDir) directory = NULL;
    unsigned int linked = 0;
    const char *name;

    if (fd < 0)
        return false;
    directory = g_dir_open(banger_fd_path(fd).text, 0, NULL);
    while (directory != NULL && linked < LISTENERS_MAX &&
           (name = g_dir_read_name(directory)) != NULL) {
        g_autofree char *prefix = NULL;
        g_autofree char *path = NULL;
        g_autoptr(GError) failure = NULL;

        /* First what sets the sockets of all other VMs aside. */
        if (!g_str_has_prefix(name, base) || !banger_vsock_listener_parse(name, &prefix) ||
            !g_str_equal(prefix, base))
            continue;
        path = g_build_filename(parent, name, NULL);
        /* What is no socket of the owner's, or goes meanwhile, is nothing to connect to. */
        if (!banger_vsock_listener_link(jail, path, &failure) &&
            banger_error_code(failure) != BANGER_ERROR_NOT_FOUND &&
            banger_error_code(failure) != BANGER_ERROR_NOT_MANAGED) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
        linked++;
    }
    return true;
}
