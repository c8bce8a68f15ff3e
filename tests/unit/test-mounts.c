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

/* In a mount namespace of its own, which is what CK_FORK=no has no process for. */
START_TEST(later_mounts_are_seen)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = g_dir_make_tmp("mounts-XXXXXX", NULL);
    g_autofree char *before = NULL, *during = NULL, *after = NULL;
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
    suite_add_tcase(suite, tcase);
    return harness_run("unit/mounts", suite);
}
