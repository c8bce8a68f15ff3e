/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of mounts: what is on it, what is not, and what was mounted after it was read. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/harness.h"
#include "util/mounts.h"

static uint64_t
mount_id_of(const char *path)
{
    struct statx stx;

    ck_assert_int_eq(statx(AT_FDCWD, path, 0, STATX_MNT_ID, &stx), 0);
    return stx.stx_mnt_id;
}

START_TEST(mounts_are_described)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *proc = banger_mount_describe(mount_id_of("/proc"), &error);
    g_autofree char *again = banger_mount_describe(mount_id_of("/proc"), &error);
    g_autofree char *none = banger_mount_describe(UINT64_MAX, &error);

    ck_assert_ptr_null(error);
    ck_assert_ptr_nonnull(proc);
    ck_assert(g_str_has_prefix(proc, "proc "));
    ck_assert_str_eq(proc, again);
    ck_assert_ptr_null(none);
}
END_TEST

/* Whether what @path lies on is described by what begins with @beginning. */
static void
check_path(const char *path, const char *beginning)
{
    g_autofree char *text = banger_mount_describe_path(path, NULL);

    ck_assert_ptr_nonnull(text);
    ck_assert_msg(g_str_has_prefix(text, beginning), "%s: %s", path, text);
}

START_TEST(whose_it_is)
{
    ck_assert(banger_mount_is_of_user("fuse.sshfs x rw,user_id=1000,group_id=1000"));
    ck_assert(banger_mount_is_of_user("fuse x rw,user_id=1"));
    ck_assert(!banger_mount_is_of_user("fuse.lxcfs lxcfs rw,user_id=0,group_id=0"));
    ck_assert(!banger_mount_is_of_user("ext4 /dev/vda1 rw"));
    ck_assert(!banger_mount_is_of_user("tmpfs user_id=1 rw"));
}
END_TEST

/* In a mount namespace of its own, which is what CK_FORK=no has no process for. */
START_TEST(later_mounts_are_seen)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = g_dir_make_tmp("mounts of a test-XXXXXX", NULL);
    g_autofree char *before = NULL, *during = NULL, *after = NULL, *by_path = NULL;
    g_autofree char *below = g_strconcat(directory, "/a/b", NULL);
    g_autofree char *beside = g_strconcat(directory, "-beside", NULL);
    uint64_t id;

    ck_assert_ptr_nonnull(directory);
    if (unshare(CLONE_NEWNS) < 0) {
        (void)rmdir(directory);
        harness_skip("needs root");
        return;
    }
    ck_assert_int_eq(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
    before = banger_mount_describe(mount_id_of(directory), &error);
    ck_assert_ptr_nonnull(before);
    ck_assert_int_eq(mount("mine", directory, "ramfs", 0, NULL), 0);
    id = mount_id_of(directory);
    during = banger_mount_describe(id, &error);
    ck_assert_ptr_nonnull(during);
    ck_assert(g_str_has_prefix(during, "ramfs mine "));
    check_path(directory, "ramfs mine ");
    check_path(below, "ramfs mine ");
    ck_assert_int_eq(mount("over", directory, "tmpfs", 0, NULL), 0);
    check_path(below, "tmpfs over ");
    ck_assert_int_eq(umount(directory), 0);
    by_path = banger_mount_describe_path(beside, &error);
    ck_assert_ptr_nonnull(by_path);
    ck_assert(!g_str_has_prefix(by_path, "ramfs mine "));
    ck_assert_int_eq(umount(directory), 0);
    after = banger_mount_describe(id, &error);
    ck_assert_ptr_null(after);
    ck_assert_ptr_null(error);
    (void)rmdir(directory);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("mounts");
    TCase *tcase = tcase_create("mounts");

    tcase_add_test(tcase, later_mounts_are_seen);
    tcase_add_test(tcase, mounts_are_described);
    tcase_add_test(tcase, whose_it_is);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/mounts", suite);
}
