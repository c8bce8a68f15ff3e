/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/identity.h"

#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "util/error.h"
#include "util/user.h"

bool
banger_identity_find(const char *name, BangerIdentity *ret_identity, GError **error)
{
    BangerIdentity identity = {0};

    if (name == NULL && geteuid() != 0) {
        *ret_identity = (BangerIdentity){geteuid(), getegid(), NULL};
        return true;
    }
    if (name == NULL)
        name = BANGER_OWNER;
    if (!banger_user_find(name, &identity.uid, &identity.gid, error))
        return false;
    if (identity.uid == 0)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "the bridge does not run as root; use --user NAME");
    identity.name = g_strdup(name);
    *ret_identity = identity;
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
