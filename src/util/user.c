/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/user.h"

#include <errno.h>
#include <pwd.h>

#include "util/error.h"

/* An entry of a directory service may be larger than any that is in a file. */
#define ENTRY_MAX ((size_t)1 << 20)

bool
banger_user_find(const char *name, uid_t *ret_uid, gid_t *ret_gid, GError **error)
{
    struct passwd entry;
    struct passwd *found = NULL;
    int errnum = ERANGE;

    for (size_t size = 4096; errnum == ERANGE && size <= ENTRY_MAX; size *= 2) {
        g_autofree char *buffer = g_malloc(size);

        errnum = getpwnam_r(name, &entry, buffer, size, &found);
    }
    if (errnum != 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errnum,
                                "cannot look up the user %s", name);
    if (found == NULL)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "there is no user %s", name);
    /* The numbers are in the entry itself, not in the buffer. */
    *ret_uid = entry.pw_uid;
    *ret_gid = entry.pw_gid;
    return true;
}
