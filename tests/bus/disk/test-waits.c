/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening never waits: not for a lease of another's, and not for a file system that the owner
 * serves himself and that does not answer, be it named, passed as a descriptor or under a loop
 * device.
 */
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/disk/fuse-fixture.h"
#include "bus/disk/image-fixture.h"
#include "disk/loop.h"
#include "util/fd.h"

#define MIB ((uint64_t)1 << 20)

/* A process of the owner's with a lease on @path that it does not give up. */
static pid_t
take_lease(const char *path)
{
    const struct passwd *owner = getpwnam(BANGER_OWNER);
    int ends[2];
    char done = 0;
    pid_t pid;

    ck_assert_int_eq(pipe(ends), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        int fd;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setgid(owner->pw_gid) < 0 || setuid(owner->pw_uid) < 0 ||
            signal(SIGIO, SIG_IGN) == SIG_ERR)
            _exit(1);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0 || fcntl(fd, F_SETLEASE, F_WRLCK) < 0 || write(ends[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    (void)close(ends[1]);
    ck_assert_int_eq((int)read(ends[0], &done, 1), 1);
    (void)close(ends[0]);
    return pid;
}

/*
 * The kernel would let the helper wait for it as long as /proc/sys/fs/lease-break-time says, 45 s
 * by default, which is more than a call of these tests may take.
 */
START_TEST(leases)
{
    g_autofree char *image = image_make("image", 4 * MIB, "");
    g_autofree char *base = image_make("base", 4 * MIB, "");
    g_autofree char *message = NULL;
    ImageFile file = {"/f", "x", 1, 0};
    pid_t pid = take_lease(image);

    ck_assert_str_eq(image_read(image, "/f", NULL, &message), "Busy");
    ck_assert_msg(strstr(message, "lease") != NULL, "%s", message);
    ck_assert_str_eq(image_write(image, &file, 1, NULL), "Busy");
    ck_assert_str_eq(image_create_snapshot(base, image, "fc-rootfs-paths"), "Busy");
    /* NOLINTNEXTLINE(readability-suspicious-call-argument): the other way round is meant */
    ck_assert_str_eq(image_create_snapshot(image, base, "fc-rootfs-paths"), "Busy");
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    image_write_ok(image, &file, 1);
    (void)unlink(image);
    (void)unlink(base);
}
END_TEST

/* A file system whose server never answers, below the state directory and in its place. */
START_TEST(file_system_of_the_owner)
{
    const struct passwd *owner = getpwnam(BANGER_OWNER);
    g_autofree char *directory = image_path_of("fuse"), *image = image_path_of("fuse/image");
    g_autofree char *deep = image_path_of("fuse/a/b/c"), *base = image_make("base", 4 * MIB, "");
    ImageFile file = {"/f", "x", 1, 0};
    banger_autofd int fd = -1;

    ck_assert_int_eq(mkdir(directory, 0755), 0);
    fd = fuse_mount_silent(directory, owner->pw_uid);
    if (fd < 0) {
        (void)rmdir(directory);
        harness_skip("FUSE cannot be mounted here");
        return;
    }
    ck_assert_str_eq(image_read(image, "/f", NULL, NULL), "NotManaged");
    ck_assert_str_eq(image_write(deep, &file, 1, NULL), "NotManaged");
    ck_assert_str_eq(image_write(directory, &file, 1, NULL), "NotManaged");
    ck_assert_str_eq(image_create_snapshot(base, image, "fc-rootfs-paths"), "NotManaged");
    ck_assert_int_eq(umount2(directory, MNT_DETACH), 0);
    banger_close_fd(&fd);
    fd = fuse_mount_silent(BANGER_STATE_DIRECTORY, owner->pw_uid);
    ck_assert_int_ge(fd, 0);
    ck_assert_str_eq(image_read(base, "/f", NULL, NULL), "NotManaged");
    ck_assert_int_eq(umount2(BANGER_STATE_DIRECTORY, MNT_DETACH), 0);
    /* Another file system of root's there is like any directory. */
    ck_assert_int_eq(mount("tmpfs", directory, "tmpfs", 0, "size=8m,mode=755"), 0);
    g_free(image_run_words(NULL, "cp", "-p", base, image));
    image_write_ok(image, &file, 1);
    image_read_equals(image, "/f", "x", 1);
    ck_assert_int_eq(umount2(directory, MNT_DETACH), 0);
    (void)rmdir(directory);
    (void)unlink(base);
}
END_TEST

/* The error's name, or NULL, of a call with the descriptor @fd. */
static const char *
call_with_descriptor(const char *method, const char *image, int fd)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply =
        g_str_equal(method, "ReadExt4FileTo")
            ? rig_call(image_bus(), method, &error, "sshs", image, "/f", fd, "")
            : rig_call(image_bus(), method, &error, "sa(shu)s", image, 1, "/f", fd, 0, "");
    const char *name = image_error_name(&error);

    sd_bus_message_unref(reply);
    sd_bus_error_free(&error);
    return name;
}

/*
 * Who waits for such a file system cannot be killed: neither the helper nor a worker asks it
 * anything.
 */
START_TEST(descriptor_of_the_owner)
{
    const struct passwd *owner = getpwnam(BANGER_OWNER);
    g_autofree char *image = image_make("image", 4 * MIB, "");
    ImageFile file = {"/f", "x", 1, 0};
    banger_autofd int fd = -1;

    ck_assert_int_eq(mkdir("/run/fuse", 0755), 0);
    if (!fuse_mount_served("/run/fuse", owner->pw_uid)) {
        (void)rmdir("/run/fuse");
        harness_skip("FUSE cannot be mounted here");
        return;
    }
    fd = open("/run/fuse/file", O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    image_write_ok(image, &file, 1);
    fuse_fall_silent();
    ck_assert_str_eq(call_with_descriptor("ReadExt4FileTo", image, fd), "BadParams");
    ck_assert_str_eq(call_with_descriptor("WriteExt4FilesFrom", image, fd), "BadParams");
    image_read_equals(image, "/f", "x", 1);
    banger_close_fd(&fd);
    fuse_end("/run/fuse");
    (void)rmdir("/run/fuse");
    (void)unlink(image);
}
END_TEST

/* The status of such a loop device asks the file system: it is none that the helper looks for. */
START_TEST(loop_of_the_owner)
{
    const struct passwd *owner = getpwnam(BANGER_OWNER);
    g_autofree char *image = image_make("image", 4 * MIB, ""), *loop = NULL;
    banger_autofd int fd = -1, reader = open(image, O_RDONLY | O_CLOEXEC);
    ImageFile file = {"/f", "x", 1, 0};
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int loop_fd;

    ck_assert_int_eq(mkdir("/run/fuse", 0755), 0);
    if (!fuse_mount_served("/run/fuse", owner->pw_uid)) {
        (void)rmdir("/run/fuse");
        harness_skip("FUSE cannot be mounted here");
        return;
    }
    fd = open("/run/fuse/file", O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    loop_fd = banger_loop_attach(fd, "a file of FUSE", false, &loop, NULL);
    ck_assert_int_ge(loop_fd, 0);
    fuse_fall_silent();
    /* The image is read meanwhile, so that all loops are looked at. */
    ck_assert_int_ge(reader, 0);
    image_write_ok(image, &file, 1);
    ck_assert_ptr_null(
        rig_call(image_bus(), "CleanupDMSnapshot", &error, "sssss", loop, "", "", "", ""));
    ck_assert_str_eq(error.name, RIG_ERROR("NotManaged"));
    sd_bus_error_free(&error);
    (void)close(loop_fd);
    banger_close_fd(&fd);
    fuse_end("/run/fuse");
    (void)rmdir("/run/fuse");
    (void)unlink(image);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("waits");
    TCase *tcase = tcase_create("waits");

    (void)argc;
    image_enter("bus/waits", argv, NULL);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, leases);
    tcase_add_test(tcase, file_system_of_the_owner);
    tcase_add_test(tcase, descriptor_of_the_owner);
    tcase_add_test(tcase, loop_of_the_owner);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/waits", suite);
}
