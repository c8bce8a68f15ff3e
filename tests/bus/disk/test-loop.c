/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loop devices by themselves, in this process and in a rig: attached with what they must have,
 * detached, and refusals. The storage methods, which need device-mapper too, are built on them.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk/loop.h"
#include "rig/rig-client.h"
#include "util/error.h"
#include "util/fd.h"

#define SIZE (1 << 20)
#define MANAGED BANGER_STATE_DIRECTORY "/loop.img"
#define FOREIGN "/run/loop.img"

static const BangerSettings settings = {
    .owner_user = (char *)"banger",
    .owner_uid = RIG_UID_OWNER,
    .owner_gid = RIG_UID_OWNER,
    .state_directory = (char *)BANGER_STATE_DIRECTORY,
    .runtime_directory = (char *)BANGER_RUNTIME_DIRECTORY,
};

static bool
has_loops(void)
{
    banger_autofd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

    if (control >= 0)
        return true;
    harness_skip("no loop devices");
    return false;
}

/* A new file of the owner's at @path, open. */
static int
make_file(const char *path, struct stat *ret_st)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, SIZE), 0);
    ck_assert_int_eq(fchown(fd, RIG_UID_OWNER, RIG_UID_OWNER), 0);
    ck_assert_int_eq(fstat(fd, ret_st), 0);
    return fd;
}

static int
attach(int backing, const char *path, bool read_only, char **ret_device)
{
    g_autoptr(GError) error = NULL;
    int fd = banger_loop_attach(backing, path, read_only, ret_device, &error);

    ck_assert_msg(fd >= 0, "%s", error == NULL ? "" : error->message);
    return fd;
}

/* What the finder says about the file of @st. */
static BangerDiskUse
find_loop(const struct stat *st, BangerDiskMode mode)
{
    g_autofree char *who = NULL;

    return banger_disk_find_loop(&settings, st, mode, &who);
}

static bool
is_detached(void *data)
{
    return find_loop(data, BANGER_DISK_WRITE) == BANGER_DISK_UNUSED;
}

/* The kernel lets go of a device that was closed in its own time. */
static void
wait_until_detached(struct stat *st)
{
    rig_wait_for(is_detached, st, "the end of the loop device");
}

static void
check_refused(const char *loop, BangerErrorCode code)
{
    g_autoptr(GError) error = NULL;

    ck_assert(!banger_loop_detach(&settings, loop, &error));
    ck_assert_msg(g_error_matches(error, BANGER_ERROR, (int)code), "%s", error->message);
}

/* What is gone is success; a test of another rig may have the device of that number meanwhile. */
static bool
is_gone(void *data)
{
    g_autoptr(GError) error = NULL;

    return banger_loop_detach(&settings, data, &error);
}

/* It is found by its file, as long as its descriptor is open. */
START_TEST(attached)
{
    bool read_only = _i == 1;
    g_autofree char *device = NULL, *who = NULL, *by_number = NULL, *other = NULL;
    struct stat st, loop;
    int backing, fd, is_read_only = -1;

    if (!has_loops())
        return;
    backing = make_file(MANAGED, &st);
    fd = attach(backing, MANAGED, read_only, &device);
    ck_assert_int_eq(ioctl(fd, BLKROGET, &is_read_only), 0);
    ck_assert_int_eq(is_read_only, read_only);
    ck_assert_int_eq(fstat(fd, &loop), 0);

    /* AUTOCLEAR, and no device is made of it: it may go at any moment. */
    ck_assert_int_eq(banger_disk_find_loop(&settings, &st, BANGER_DISK_WRITE, &who),
                     BANGER_DISK_DETACHING);
    ck_assert_ptr_nonnull(strstr(who, device));
    ck_assert_int_eq(find_loop(&st, BANGER_DISK_READ),
                     read_only ? BANGER_DISK_UNUSED : BANGER_DISK_DETACHING);
    ck_assert_int_eq(find_loop(&loop, BANGER_DISK_WRITE), BANGER_DISK_UNUSED);
    by_number = banger_loop_path_if_backed_by(loop.st_rdev, st.st_dev, st.st_ino);
    ck_assert_str_eq(by_number, device);
    other = banger_loop_path_if_backed_by(loop.st_rdev, st.st_dev, st.st_ino + 1);
    ck_assert_ptr_null(other);

    (void)close(fd);
    wait_until_detached(&st);
    (void)close(backing);
    ck_assert_int_eq(unlink(MANAGED), 0);
}
END_TEST

/* A loop over a block device: who wants that device, if only to read it, hears of it. */
START_TEST(over_a_device)
{
    bool read_only = _i == 1;
    g_autofree char *lower = NULL, *upper = NULL, *who = NULL;
    struct stat st, device;
    int backing, lower_fd, upper_fd;

    if (!has_loops())
        return;
    backing = make_file(MANAGED, &st);
    lower_fd = attach(backing, MANAGED, false, &lower);
    ck_assert_int_eq(fstat(lower_fd, &device), 0);
    upper_fd = attach(lower_fd, lower, read_only, &upper);
    ck_assert_int_eq(banger_disk_find_loop(&settings, &device, BANGER_DISK_WRITE, &who),
                     BANGER_DISK_DETACHING);
    ck_assert_ptr_nonnull(strstr(who, upper));
    ck_assert_int_eq(find_loop(&device, BANGER_DISK_READ),
                     read_only ? BANGER_DISK_UNUSED : BANGER_DISK_DETACHING);
    (void)close(upper_fd);
    wait_until_detached(&device);
    (void)close(lower_fd);
    wait_until_detached(&st);
    (void)close(backing);
    ck_assert_int_eq(unlink(MANAGED), 0);
}
END_TEST

START_TEST(numbers_of_other_devices)
{
    struct stat st;

    ck_assert_int_eq(stat("/dev/null", &st), 0);
    ck_assert_ptr_null(banger_loop_path_if_backed_by(st.st_rdev, st.st_dev, st.st_ino));
}
END_TEST

/* What can be no backing file is refused, and no device stays behind. */
START_TEST(no_backing_file)
{
    g_autofree char *device = NULL;
    g_autoptr(GError) error = NULL;
    int backing[2];

    if (!has_loops())
        return;
    ck_assert_int_eq(pipe(backing), 0);
    ck_assert_int_lt(banger_loop_attach(backing[0], "a pipe", false, &device, &error), 0);
    ck_assert_ptr_null(device);
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_OPERATION_FAILED));
    ck_assert(g_str_has_prefix(error->message, "cannot attach a pipe to a loop device"));
    (void)close(backing[0]);
    (void)close(backing[1]);
}
END_TEST

/*
 * One that an administrator left, without AUTOCLEAR and with no process that has it open; its file
 * may be deleted by now.
 */
START_TEST(detach)
{
    bool deleted = _i == 1;
    g_autofree char *device = NULL;
    g_autoptr(GError) error = NULL;
    struct loop_info64 info;
    struct stat st;
    int backing, fd;

    if (!has_loops())
        return;
    backing = make_file(MANAGED, &st);
    fd = attach(backing, MANAGED, false, &device);
    ck_assert_int_eq(ioctl(fd, LOOP_GET_STATUS64, &info), 0);
    info.lo_flags &= ~(__u32)LO_FLAGS_AUTOCLEAR;
    ck_assert_int_eq(ioctl(fd, LOOP_SET_STATUS64, &info), 0);
    (void)close(fd);
    (void)close(backing);
    if (deleted) {
        /* By its other name the rig can find whose the device is if this fails. */
        ck_assert_int_eq(link(MANAGED, MANAGED ".other"), 0);
        ck_assert_int_eq(unlink(MANAGED), 0);
    }
    ck_assert(!is_detached(&st));

    ck_assert_msg(banger_loop_detach(&settings, device, &error), "%s",
                  error == NULL ? "" : error->message);
    ck_assert(is_detached(&st));
    rig_wait_for(is_gone, device, "success where nothing is attached");
    ck_assert_int_eq(unlink(deleted ? MANAGED ".other" : MANAGED), 0);
}
END_TEST

/* Neither what is in use is detached at once, nor what is another program's at all. */
START_TEST(detach_is_refused)
{
    const char *path = _i == 0 ? MANAGED : FOREIGN;
    g_autofree char *device = NULL;
    struct stat st;
    int backing, fd;

    if (!has_loops())
        return;
    backing = make_file(path, &st);
    fd = attach(backing, path, false, &device);
    check_refused(device, _i == 0 ? BANGER_ERROR_BUSY : BANGER_ERROR_NOT_MANAGED);
    ck_assert(!is_detached(&st));
    (void)close(fd);
    wait_until_detached(&st);
    (void)close(backing);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(detach_what_is_no_loop)
{
    g_autoptr(GError) error = NULL;

    ck_assert(banger_loop_detach(&settings, "/dev/loop4095", &error));
    check_refused("/dev/null", BANGER_ERROR_OPERATION_FAILED);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/loop", argv, NULL);
    suite = suite_create("loop");
    tcase = tcase_create("loop");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, attached, 0, 2);
    tcase_add_loop_test(tcase, over_a_device, 0, 2);
    tcase_add_test(tcase, numbers_of_other_devices);
    tcase_add_test(tcase, no_backing_file);
    tcase_add_loop_test(tcase, detach, 0, 2);
    tcase_add_loop_test(tcase, detach_is_refused, 0, 2);
    tcase_add_test(tcase, detach_what_is_no_loop);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/loop", suite);
}
