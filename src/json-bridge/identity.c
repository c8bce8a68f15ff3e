/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bridge/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "util/error.h"

#define PASSWD_ENTRY_MAX (1u << 20)

bool
banger_identity_find(const char *name, BangerIdentity *ret_identity, GError **error)
{
    struct passwd user;
    struct passwd *found;
    g_autofree char *buffer = NULL;
    size_t size = 4096;
    int errnum;

    if (name == NULL && geteuid() != 0) {
        *ret_identity = (BangerIdentity){geteuid(), getegid(), NULL};
        return true;
    }
    if (name == NULL)
        name = BANGER_OWNER;
    /* An entry of a directory service may be larger than any that is in a file. */
    do {
        size *= 2;
        buffer = g_realloc(buffer, size);
        errnum = getpwnam_r(name, &user, buffer, size, &found);
    } while (errnum == ERANGE && size < PASSWD_ENTRY_MAX);
    if (errnum != 0)
        return banger_set_errno(error, BANGER_ERROR_NOT_FOUND, errnum, "cannot look up the user %s",
                                name);
    if (found == NULL)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "there is no user %s", name);
    if (user.pw_uid == 0)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "the bridge does not run as root; use --user NAME");
    *ret_identity = (BangerIdentity){user.pw_uid, user.pw_gid, g_strdup(name)};
    return true;
}

bool
banger_identity_assume(const BangerIdentity *identity, GError **error)
{
    if (identity->name != NULL && identity->uid != geteuid() &&
        (initgroups(identity->name, identity->gid) < 0 ||
         setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
         setresuid(identity->uid, identity->uid, identity->uid) < 0))
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot become the user %s", identity->name);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot give up new privileges");
    return true;
}
