/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots by the real device-mapper. Skipped where the kernel has none; tests/vm runs this
 * program on a system that has.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "disk/loop.h"
#include "util/fd.h"

#define MIB ((uint64_t)1 << 20)
#define NAME "fc-rootfs-test"
#define DEVICE "/dev/mapper/" NAME
#define HELPER "org.banger.Helper1"
#define KILLS 10 /* the VM tier has a campaign of its own, with all operations at once */

typedef struct {
    char *base;
    char *cow;
    char *base_loop;
    char *cow_loop;
} Snapshot;

/* The reply of CreateDMSnapshot, or its error's name in @ret_error. */
static bool
create(Snapshot *snapshot, const char *name, const char **ret_error)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    const char *base_loop, *cow_loop, *dm_name, *dm_dev;
    g_autofree char *device = g_strconcat("/dev/mapper/", name, NULL);
    sd_bus_message *reply = rig_call(image_bus(), "CreateDMSnapshot", &error, "ssss",
                                     snapshot->base, snapshot->cow, name, "");

    if (ret_error == NULL)
        ck_assert_msg(reply != NULL, "%s: %s", error.name, error.message);
    else
        *ret_error = image_error_name(&error);
    sd_bus_error_free(&error);
    if (reply == NULL)
        return false;
    ck_assert_int_ge(sd_bus_message_read(reply, "ssss", &base_loop, &cow_loop, &dm_name, &dm_dev),
                     0);
    ck_assert_str_eq(dm_name, name);
    ck_assert_str_eq(dm_dev, device);
    g_free(snapshot->base_loop);
    g_free(snapshot->cow_loop);
    snapshot->base_loop = g_strdup(base_loop);
    snapshot->cow_loop = g_strdup(cow_loop);
    sd_bus_message_unref(reply);
    return true;
}

static const char *
remove_snapshot(const char *target)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = rig_call(image_bus(), "RemoveDMSnapshot", &error, "ss", target, "");
    const char *result = image_error_name(&error);

    sd_bus_message_unref(reply);
    sd_bus_error_free(&error);
    return result;
}

/* An ext4 base of 32 MiB and a COW file of @cow_size bytes. */
static Snapshot
make_files(uint64_t cow_size)
{
    Snapshot snapshot = {.base = image_make("base", 32 * MIB, "-t ext4"),
                         .cow = image_path_of("cow")};

    image_make_file(snapshot.cow, cow_size);
    return snapshot;
}

static void
drop_files(Snapshot *snapshot)
{
    (void)unlink(snapshot->base);
    (void)unlink(snapshot->cow);
    g_free(snapshot->base);
    g_free(snapshot->cow);
    g_free(snapshot->base_loop);
    g_free(snapshot->cow_loop);
}

static void
assert_detached(const Snapshot *snapshot)
{
    image_assert_no_loops(snapshot->base);
    image_assert_no_loops(snapshot->cow);
}

/* Nothing of it is left; then the files go, too. */
static void
finish(Snapshot *snapshot)
{
    ck_assert_ptr_null(remove_snapshot(NAME));
    ck_assert_int_ne(access(DEVICE, F_OK), 0);
    assert_detached(snapshot);
    drop_files(snapshot);
}

START_TEST(no_device_mapper)
{
    const char *error = NULL;
    Snapshot snapshot;

    if (image_kernel_has_dm()) {
        harness_skip("this kernel has device-mapper");
        return;
    }
    snapshot = make_files(MIB);
    ck_assert(!create(&snapshot, NAME, &error));
    ck_assert_str_eq(error, "NotSupported");
    ck_assert_str_eq(remove_snapshot(NAME), "NotSupported");
    assert_detached(&snapshot);
    drop_files(&snapshot);
}
END_TEST

START_TEST(create_is_idempotent)
{
    Snapshot snapshot, again, other;
    const char *error = NULL;

    if (!image_have_dm())
        return;
    snapshot = make_files(8 * MIB);
    (void)create(&snapshot, NAME, NULL);
    ck_assert_int_eq(access(DEVICE, F_OK), 0);
    again = (Snapshot){.base = snapshot.base, .cow = snapshot.cow};
    (void)create(&again, NAME, NULL);
    ck_assert_str_eq(again.base_loop, snapshot.base_loop);
    ck_assert_str_eq(again.cow_loop, snapshot.cow_loop);
    ck_assert_uint_eq(image_count_loops(snapshot.base), 1);
    ck_assert_uint_eq(image_count_loops(snapshot.cow), 1);
    /* The COW file under another name, another COW file under this name. */
    ck_assert(!create(&again, NAME "-2", &error));
    ck_assert_str_eq(error, "Busy");
    other = (Snapshot){.base = snapshot.base, .cow = image_path_of("cow-2")};
    image_make_file(other.cow, 8 * MIB);
    ck_assert(!create(&other, NAME, &error));
    ck_assert_str_eq(error, "AlreadyExists");
    /* The COW file as a base. */
    again = (Snapshot){.base = snapshot.cow, .cow = other.cow};
    ck_assert(!create(&again, NAME "-3", &error));
    ck_assert_str_eq(error, "Busy");
    /* One base serves many. */
    (void)create(&other, NAME "-2", NULL);
    ck_assert_ptr_null(remove_snapshot("/dev/mapper/" NAME "-2"));
    (void)unlink(other.cow);
    finish(&snapshot);
}
END_TEST

/* What is written to the device goes to the COW file, and is there when it is made again. */
START_TEST(reads_and_writes)
{
    g_autofree char *data = image_bytes(5, MIB);
    g_autofree char *got = g_malloc(MIB);
    g_autofree char *before = NULL, *after = NULL;
    ImageFile file = {"/etc/file", "content", 7, 0600};
    Snapshot snapshot;

    if (!image_have_dm())
        return;
    snapshot = make_files(16 * MIB);
    before = image_digest(snapshot.base);
    (void)create(&snapshot, NAME, NULL);
    image_write_ok(DEVICE, &file, 1);
    image_read_equals(DEVICE, "/etc/file", "content", 7);
    image_check_clean(DEVICE);
    for (int round = 0; round < 2; round++) {
        banger_autofd int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        if (round == 0) {
            ck_assert_int_eq(pwrite(fd, data, MIB, 20 * MIB), (ssize_t)MIB);
            ck_assert_int_eq(fsync(fd), 0);
        }
        ck_assert_int_eq(pread(fd, got, MIB, 20 * MIB), (ssize_t)MIB);
        ck_assert_int_eq(memcmp(data, got, MIB), 0);
        banger_close_fd(&fd);
        ck_assert_ptr_null(remove_snapshot(NAME));
        assert_detached(&snapshot);
        (void)create(&snapshot, NAME, NULL);
    }
    after = image_digest(snapshot.base);
    ck_assert_str_eq(before, after);
    finish(&snapshot);
}
END_TEST

/* More changes than the COW file has room for: an error of writing, and it can be removed. */
START_TEST(cow_overflow)
{
    g_autofree char *data = image_bytes(6, MIB);
    Snapshot snapshot;
    banger_autofd int fd = -1;
    int r = 0;

    if (!image_have_dm())
        return;
    snapshot = make_files(256 << 10);
    (void)create(&snapshot, NAME, NULL);
    fd = open(DEVICE, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    for (int i = 0; i < 8 && r == 0; i++) {
        r = pwrite(fd, data, MIB, (off_t)i * (off_t)MIB) == (ssize_t)MIB ? 0 : -1;
        if (r == 0)
            r = fsync(fd);
    }
    ck_assert_int_eq(r, -1);
    ck_assert_int_eq(errno, EIO);
    banger_close_fd(&fd);
    finish(&snapshot);
}
END_TEST

/* What the COW file has no room for is not begun to be written: the kernel would give all up. */
START_TEST(cow_has_no_room)
{
    g_autofree char *data = image_bytes(8, MIB);
    g_autofree char *before = NULL, *after = NULL, *message = NULL;
    ImageFile files[] = {{"/etc/small", "small", 5, 0}, {"/large", data, MIB, 0}};
    Snapshot snapshot;

    if (!image_have_dm())
        return;
    snapshot = make_files(512 << 10);
    (void)create(&snapshot, NAME, NULL);
    before = image_digest(DEVICE);
    ck_assert_str_eq(image_write(DEVICE, files, 2, &message), "OperationFailed");
    ck_assert_msg(strstr(message, "no room") != NULL, "%s", message);
    after = image_digest(DEVICE);
    ck_assert_str_eq(before, after);
    image_write_ok(DEVICE, files, 1);
    image_check_clean(DEVICE);
    image_read_equals(DEVICE, "/etc/small", "small", 5);
    finish(&snapshot);
}
END_TEST

/* The error's name, or NULL, of WriteExt4FilesFrom with the one descriptor @fd. */
static const char *
write_from(int fd, char **ret_message)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = rig_call(image_bus(), "WriteExt4FilesFrom", &error, "sa(shu)s", DEVICE,
                                     1, "/streamed", fd, 0, "");
    const char *name = image_error_name(&error);

    *ret_message = g_strdup(error.message);
    sd_bus_message_unref(reply);
    sd_bus_error_free(&error);
    return name;
}

/* Of a pipe it is not known how much comes: the snapshot is not given up for it either. */
START_TEST(cow_has_no_room_for_a_pipe)
{
    Snapshot snapshot;

    if (!image_have_dm())
        return;
    snapshot = make_files(MIB);
    (void)create(&snapshot, NAME, NULL);
    for (int i = 0; i < 2; i++) {
        g_autofree char *message = NULL;
        FILE *content = popen("head -c 4m /dev/urandom", "re");

        ck_assert_ptr_nonnull(content);
        ck_assert_str_eq(write_from(fileno(content), &message), "OperationFailed");
        ck_assert_msg(strstr(message, "no room left in the COW file") != NULL, "%s", message);
        (void)pclose(content);
    }
    image_write_ok(DEVICE, &(ImageFile){"/etc/small", "small", 5, 0}, 1);
    image_check_clean(DEVICE);
    finish(&snapshot);
}
END_TEST

/* A sparse COW file on a host that is full: what has no room there is not begun either. */
START_TEST(host_has_no_room)
{
    g_autofree char *data = image_bytes(9, MIB), *message = NULL,
                    *directory = image_path_of("small");
    ImageFile files[] = {{"/etc/small", "small", 5, 0}, {"/large", data, MIB, 0}};
    sd_bus_error error = SD_BUS_ERROR_NULL;
    Snapshot snapshot;

    if (!image_have_dm())
        return;
    ck_assert_int_eq(mkdir(directory, 0755), 0);
    ck_assert_int_eq(mount("tmpfs", directory, "tmpfs", 0, "size=1m,mode=0755"), 0);
    snapshot = (Snapshot){.base = image_make("base", 32 * MIB, "-t ext4"),
                          .cow = image_path_of("small/cow")};
    image_make_file(snapshot.cow, 8 * MIB);
    (void)create(&snapshot, NAME, NULL);
    ck_assert_str_eq(image_write(DEVICE, files, 2, &message), "OperationFailed");
    ck_assert_msg(strstr(message, "no room left on the host's file system") != NULL, "%s", message);
    image_write_ok(DEVICE, files, 1);
    g_free(image_run_words(NULL, "sh", "-c", "head -c 2m /dev/zero >\"$0/fill\" 2>&1 || true",
                           directory));
    ck_assert_ptr_null(rig_call(image_bus(), "FsckSnapshot", &error, "ss", DEVICE, ""));
    ck_assert_msg(strstr(error.message, "the host's file system") != NULL, "%s", error.message);
    sd_bus_error_free(&error);
    image_check_clean(DEVICE);
    finish(&snapshot);
    ck_assert_int_eq(umount2(directory, MNT_DETACH), 0);
    (void)rmdir(directory);
}
END_TEST

START_TEST(remove_while_open)
{
    Snapshot snapshot;
    banger_autofd int fd = -1;
    gint64 start;

    if (!image_have_dm())
        return;
    snapshot = make_files(8 * MIB);
    (void)create(&snapshot, NAME, NULL);
    fd = open(DEVICE, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    start = g_get_monotonic_time();
    ck_assert_str_eq(remove_snapshot(NAME), "Busy");
    ck_assert_int_ge(g_get_monotonic_time() - start, 5 * G_USEC_PER_SEC);
    ck_assert_int_eq(access(DEVICE, F_OK), 0);
    banger_close_fd(&fd);
    ck_assert_ptr_null(remove_snapshot(DEVICE));
    ck_assert_int_ne(access(DEVICE, F_OK), 0);
    ck_assert_ptr_null(remove_snapshot(NAME)); /* absent */
    finish(&snapshot);
}
END_TEST

static void
cleanup_ok(const char *base_loop, const char *cow_loop, const char *name, const char *device)
{
    rig_call_ok(image_bus(), "CleanupDMSnapshot", "sssss", base_loop, cow_loop, name, device, "");
}

/* Loops of other people's in the handles stay as they are. */
START_TEST(cleanup_leaves_foreign_loops)
{
    g_autofree char *loop = NULL;
    banger_autofd int file = -1, attached = -1; /* detached when this process ends */
    Snapshot snapshot;

    if (!image_have_dm())
        return;
    snapshot = make_files(8 * MIB);
    ck_assert(g_file_set_contents("/run/foreign", "", 0, NULL));
    ck_assert_int_eq(truncate("/run/foreign", MIB), 0);
    file = open("/run/foreign", O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(file, 0);
    attached = banger_loop_attach(file, "/run/foreign", false, &loop, NULL);
    ck_assert_int_ge(attached, 0);
    (void)create(&snapshot, NAME, NULL);
    cleanup_ok(loop, loop, NAME, "");
    ck_assert_uint_eq(image_count_loops("/run/foreign"), 1);
    ck_assert_int_ne(access(DEVICE, F_OK), 0);
    assert_detached(&snapshot);
    (void)create(&snapshot, NAME, NULL);
    cleanup_ok(snapshot.base_loop, snapshot.cow_loop, "", DEVICE);
    assert_detached(&snapshot);
    cleanup_ok(snapshot.base_loop, snapshot.cow_loop, NAME, DEVICE); /* once more */
    cleanup_ok("", "", "", "");
    (void)unlink("/run/foreign");
    finish(&snapshot);
}
END_TEST

/* Calls FsckSnapshot; the error's name, or NULL with *@ret_corrected. */
static const char *
fsck(bool *ret_corrected, char **ret_message)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = rig_call(image_bus(), "FsckSnapshot", &error, "ss", DEVICE, "");
    const char *result = image_error_name(&error);
    int corrected = 0;

    if (reply != NULL)
        ck_assert_int_ge(sd_bus_message_read(reply, "b", &corrected), 0);
    *ret_corrected = corrected;
    *ret_message = g_strdup(error.message);
    sd_bus_message_unref(reply);
    sd_bus_error_free(&error);
    return result;
}

START_TEST(fsck_mends)
{
    g_autofree char *m1 = NULL, *m2 = NULL, *m3 = NULL, *m4 = NULL, *m5 = NULL;
    g_autofree char *zeros = g_malloc0(32 * MIB);
    g_autofree char *mount_point = image_path_of("mount");
    ImageFile file = {"/dir/file", "x", 1, 0};
    banger_autofd int fd = -1;
    Snapshot snapshot;
    bool corrected;

    if (!image_have_dm())
        return;
    snapshot = make_files(64 * MIB);
    image_write_ok(snapshot.base, &file, 1);
    (void)create(&snapshot, NAME, NULL);
    ck_assert_ptr_null(fsck(&corrected, &m1));
    ck_assert(!corrected);
    g_free(image_run_words(NULL, "debugfs", "-w", "-R", "clri /dir", DEVICE));
    ck_assert_ptr_null(fsck(&corrected, &m2));
    ck_assert(corrected);
    image_check_clean(DEVICE);
    ck_assert_int_eq(mkdir(mount_point, 0755), 0);
    ck_assert_int_eq(mount(DEVICE, mount_point, "ext4", 0, NULL), 0);
    ck_assert_str_eq(fsck(&corrected, &m3), "Busy");
    ck_assert_str_eq(image_write(DEVICE, &file, 1, NULL), "Busy");
    ck_assert_int_eq(umount(mount_point), 0);
    ck_assert_int_eq(rmdir(mount_point), 0);
    fd = open(DEVICE, O_RDWR | O_CLOEXEC);
    ck_assert_str_eq(fsck(&corrected, &m4), "Busy"); /* a VMM has it open like this */
    ck_assert_int_eq(pwrite(fd, zeros, 32 * MIB, 0), (ssize_t)(32 * MIB));
    ck_assert_int_eq(fsync(fd), 0);
    banger_close_fd(&fd);
    ck_assert_str_eq(fsck(&corrected, &m5), "OperationFailed");
    ck_assert_msg(strstr(m5, "superblock") != NULL, "%s", m5);
    finish(&snapshot);
}
END_TEST

/* Killed at any instant of making and removing: what is left has the caller's name. */
START_TEST(helper_is_killed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4711);
    Snapshot snapshot;

    if (!image_have_dm())
        return;
    snapshot = make_files(8 * MIB);
    for (int i = 0; i < KILLS; i++) {
        sd_bus *bus = rig_bus_open(0);
        sd_bus_message *message =
            rig_message_new(bus, i % 2 == 0 ? "CreateDMSnapshot" : "RemoveDMSnapshot");
        RigPending *pending;

        (void)rig_call(image_bus(), "RemoveDMSnapshot", NULL, "ss", NAME, ""); /* it runs */
        if (i % 2 == 0) {
            ck_assert_int_ge(
                sd_bus_message_append(message, "ssss", snapshot.base, snapshot.cow, NAME, ""), 0);
        } else {
            (void)create(&snapshot, NAME, NULL);
            ck_assert_int_ge(sd_bus_message_append(message, "ss", NAME, ""), 0);
        }
        pending = rig_call_start(bus, message);
        g_usleep((gulong)g_rand_int_range(rand, 0, 40000));
        rig_stop_service(HELPER, SIGKILL);
        rig_pending_free(pending);
        sd_bus_flush_close_unref(bus);
        ck_assert_ptr_null(remove_snapshot(NAME));
        ck_assert_int_ne(access(DEVICE, F_OK), 0);
        assert_detached(&snapshot);
    }
    finish(&snapshot);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("snapshot");
    TCase *tcase = tcase_create("snapshot");

    (void)argc;
    image_enter("bus/snapshot", argv, NULL);
    tcase_set_timeout(tcase, 400);
    tcase_add_test(tcase, no_device_mapper);
    tcase_add_test(tcase, create_is_idempotent);
    tcase_add_test(tcase, reads_and_writes);
    tcase_add_test(tcase, cow_overflow);
    tcase_add_test(tcase, cow_has_no_room);
    tcase_add_test(tcase, cow_has_no_room_for_a_pipe);
    tcase_add_test(tcase, host_has_no_room);
    tcase_add_test(tcase, remove_while_open);
    tcase_add_test(tcase, cleanup_leaves_foreign_loops);
    tcase_add_test(tcase, fsck_mends);
    tcase_add_test(tcase, helper_is_killed);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/snapshot", suite);
}
