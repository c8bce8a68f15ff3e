/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/file-access.h"

#include <acl/libacl.h>
#include <errno.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/xattr.h>

#include "util/error.h"
#include "util/fd.h"

#define DYNAMIC_UID_FIRST 61184u
#define DYNAMIC_UID_LAST 65519u
#define READ 4u
#define WRITE 2u
#define EXECUTE 1u
#define ALL (READ | WRITE | EXECUTE)

static GMutex lock; /* a list is read, changed and written: launches share kernels */

/* The entry to add; with @permissions 0 it is removed. */
typedef struct {
    acl_tag_t tag; /* ACL_USER or ACL_GROUP */
    id_t id;
    unsigned int permissions;
    const BangerStaleUids *stale;
} Change;

bool
banger_file_access_is_dynamic(uid_t uid)
{
    return uid >= DYNAMIC_UID_FIRST && uid <= DYNAMIC_UID_LAST;
}

static unsigned int
get_permissions(acl_entry_t entry)
{
    acl_permset_t set;
    unsigned int permissions = 0;

    if (acl_get_permset(entry, &set) < 0)
        return 0;
    permissions |= acl_get_perm(set, ACL_READ) > 0 ? READ : 0;
    permissions |= acl_get_perm(set, ACL_WRITE) > 0 ? WRITE : 0;
    permissions |= acl_get_perm(set, ACL_EXECUTE) > 0 ? EXECUTE : 0;
    return permissions;
}

static bool
set_permissions(acl_entry_t entry, unsigned int permissions)
{
    acl_permset_t set;

    return acl_get_permset(entry, &set) == 0 && acl_clear_perms(set) == 0 &&
           ((permissions & READ) == 0 || acl_add_perm(set, ACL_READ) == 0) &&
           ((permissions & WRITE) == 0 || acl_add_perm(set, ACL_WRITE) == 0) &&
           ((permissions & EXECUTE) == 0 || acl_add_perm(set, ACL_EXECUTE) == 0) &&
           acl_set_permset(entry, set) == 0;
}

static acl_tag_t
get_tag(acl_entry_t entry)
{
    acl_tag_t tag = ACL_UNDEFINED_TAG;

    (void)acl_get_tag_type(entry, &tag);
    return tag;
}

static id_t
get_id(acl_entry_t entry)
{
    id_t *qualifier = acl_get_qualifier(entry);
    id_t id = qualifier != NULL ? *qualifier : (id_t)-1;

    (void)acl_free(qualifier);
    return id;
}

/* The mask of @acl, or all permissions if it has none. */
static unsigned int
get_mask(acl_t acl)
{
    acl_entry_t entry;

    for (int r = acl_get_entry(acl, ACL_FIRST_ENTRY, &entry); r > 0;
         r = acl_get_entry(acl, ACL_NEXT_ENTRY, &entry))
        if (get_tag(entry) == ACL_MASK)
            return get_permissions(entry);
    return ALL;
}

/* Whether @entry is to go: it is the one to change, or of a VM that is gone. */
static bool
is_removed(acl_entry_t entry, const Change *change)
{
    acl_tag_t tag = get_tag(entry);
    const BangerStaleUids *stale = change->stale;

    if (tag != ACL_USER && tag != ACL_GROUP)
        return false;
    if (tag == change->tag && get_id(entry) == change->id)
        return true;
    return tag == ACL_USER && stale != NULL && banger_file_access_is_dynamic(get_id(entry)) &&
           stale->is_stale(get_id(entry), stale->user_data);
}

/* Removes one entry that is to go. Whether there was one: then look again from the start. */
static bool
remove_one(acl_t acl, const Change *change)
{
    acl_entry_t entry;

    for (int r = acl_get_entry(acl, ACL_FIRST_ENTRY, &entry); r > 0;
         r = acl_get_entry(acl, ACL_NEXT_ENTRY, &entry))
        if (is_removed(entry, change))
            return acl_delete_entry(acl, entry) == 0;
    return false;
}

/* Leaves every entry that the mask limits with what was effective, and the mask out. */
static bool
drop_mask(acl_t acl)
{
    unsigned int mask = get_mask(acl);
    acl_entry_t entry;
    acl_entry_t mask_entry = NULL;

    for (int r = acl_get_entry(acl, ACL_FIRST_ENTRY, &entry); r > 0;
         r = acl_get_entry(acl, ACL_NEXT_ENTRY, &entry)) {
        acl_tag_t tag = get_tag(entry);

        if (tag == ACL_MASK)
            mask_entry = entry;
        else if ((tag == ACL_USER || tag == ACL_GROUP || tag == ACL_GROUP_OBJ) &&
                 !set_permissions(entry, get_permissions(entry) & mask))
            return false;
    }
    return mask_entry == NULL || acl_delete_entry(acl, mask_entry) == 0;
}

/* Makes @change in *@acl. False, with errno set, if memory runs out. */
static bool
apply_change(acl_t *acl, const Change *change)
{
    acl_entry_t entry;
    mode_t mode;

    if (!drop_mask(*acl))
        return false;
    for (bool removed = true; removed;)
        removed = remove_one(*acl, change);
    if (change->permissions != 0 &&
        (acl_create_entry(acl, &entry) < 0 || acl_set_tag_type(entry, change->tag) < 0 ||
         acl_set_qualifier(entry, &change->id) < 0 || !set_permissions(entry, change->permissions)))
        return false;
    /* 0: nothing is left that permission bits cannot say, and they need no mask. */
    return acl_equiv_mode(*acl, &mode) == 0 || acl_calc_mask(acl) == 0;
}

static bool
refuse_list(int errnum, const char *path, GError **error)
{
    if (errnum == EOPNOTSUPP)
        return banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED,
                                "the file system of %s has no access control lists, by which a "
                                "virtual machine gets access to its own files alone",
                                path);
    return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errnum,
                            "cannot change the access control list of %s", path);
}

static bool
change_list(int fd, const char *path, const Change *change, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    BangerFdPath name = banger_fd_path(fd);
    acl_t before, after;
    bool done;

    before = acl_get_file(name.text, ACL_TYPE_ACCESS);
    if (before == NULL)
        return refuse_list(errno, path, error);
    after = acl_dup(before);
    done = after != NULL && apply_change(&after, change) &&
           (acl_cmp(before, after) == 0 || acl_set_file(name.text, ACL_TYPE_ACCESS, after) == 0);
    if (!done)
        (void)refuse_list(errno, path, error);
    (void)acl_free(before);
    (void)acl_free(after);
    return done;
}

bool
banger_file_access_grant_group(int fd, const char *path, gid_t group, const BangerStaleUids *stale,
                               GError **error)
{
    const Change change = {ACL_GROUP, group, READ, stale};

    return change_list(fd, path, &change, error);
}

bool
banger_file_access_grant_user(int fd, const char *path, uid_t uid, bool writable,
                              const BangerStaleUids *stale, GError **error)
{
    const Change change = {ACL_USER, uid, writable ? READ | WRITE : READ, stale};

    return change_list(fd, path, &change, error);
}

/* Whether @r says that there is no list, or none any more. */
static bool
is_gone(int r)
{
    return r == 0 || errno == ENODATA || errno == EOPNOTSUPP;
}

bool
banger_file_access_clear(int fd)
{
    BangerFdPath name = banger_fd_path(fd);

    return is_gone(removexattr(name.text, "system.posix_acl_access")) &&
           is_gone(removexattr(name.text, "system.posix_acl_default"));
}

void
banger_file_access_revoke_user(int fd, uid_t uid)
{
    const Change change = {ACL_USER, uid, 0, NULL};

    (void)change_list(fd, "", &change, NULL);
}
