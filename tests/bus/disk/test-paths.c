/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths that lead elsewhere, given to the methods that take files; and swapped under the helper. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/path.h"

#define MIB ((uint64_t)1 << 20)
#define ROUNDS 20000
#define OUTSIDE "/run/outside.img"
#define COMPONENT_16 "sixteen-letters-"
#define COMPONENT_64 COMPONENT_16 COMPONENT_16 COMPONENT_16 COMPONENT_16
#define COMPONENT_256 COMPONENT_64 COMPONENT_64 COMPONENT_64 COMPONENT_64 /* one too many */

/* Every way for a path to be no file of the owner's, in the state directory. */
static void
make_hostile_files(void)
{
    g_autofree char *script = g_strdup_printf(
        "cd %s && mkdir -p real directory && cp image real/inner && chown " BANGER_OWNER
        " real/inner && ln -s image link && ln -s real linked && ln -s %s out && ln -s / root && "
        "cp image two && ln two two-names && chown " BANGER_OWNER " two && mkfifo fifo && "
        "mknod device b 7 0 && cp image another && chown 64004 another && ln -s link chain && "
        "ln -s /proc/self/fd/0 magic && ln -s nowhere dangling",
        BANGER_STATE_DIRECTORY, OUTSIDE);

    g_free(image_run_words(NULL, "sh", "-ec", script));
}

static void
remove_hostile_files(void)
{
    g_autofree char *script = g_strdup_printf("cd %s && rm -rf real directory link linked out root "
                                              "two two-names fifo device another chain magic "
                                              "dangling image cow " OUTSIDE,
                                              BANGER_STATE_DIRECTORY);

    g_free(image_run_words(NULL, "sh", "-ec", script));
}

static const struct {
    const char *path; /* relative to the state directory, or absolute */
    const char *error;
} hostile[] = {
    {"link", "BadParams"},
    {"chain", "BadParams"},
    {"dangling", "BadParams"},
    {"magic", "BadParams"},
    {"linked/inner", "BadParams"},
    {"out", "BadParams"},
    {"root" OUTSIDE, "BadParams"},
    {"two", "BadParams"},
    {"two-names", "BadParams"},
    {"fifo", "BadParams"},
    {"device", "BadParams"},
    {"directory", "BadParams"},
    {"directory/../image", "BadParams"},
    {"./image", "BadParams"},
    {"directory//image", "BadParams"},
    {"image/", "BadParams"},
    {"image/below", "BadParams"},
    {COMPONENT_256, "BadParams"},
    {"directory/" COMPONENT_256, "BadParams"},
    {"another", "NotManaged"},
    {"absent", "NotFound"},
    {"directory/absent", "NotFound"},
    {OUTSIDE, "BadParams"},
    {"/etc/passwd", "BadParams"},
    {"/dev/loop0", "BadParams"},
    {"/dev/mapper/control", "BadParams"},
    {"/dev/mapper/other", "BadParams"},
    {"/dev/mapper/fc-rootfs-x/../control", "BadParams"},
};

START_TEST(hostile_paths)
{
    g_autofree char *image = image_make("image", 4 * MIB, "");
    g_autofree char *cow = image_path_of("cow");
    g_autofree char *before = NULL, *after = NULL;
    ImageFile file = {"/f", "x", 1, 0};

    image_make_file(cow, MIB);
    g_free(image_run_words(NULL, "cp", image, OUTSIDE));
    make_hostile_files();
    before = image_digest(OUTSIDE);
    for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++) {
        /* As written: what is odd about a path is part of the test. */
        g_autofree char *path = g_strconcat(
            hostile[i].path[0] == '/' ? "" : BANGER_STATE_DIRECTORY "/", hostile[i].path, NULL);
        g_autofree char *message = NULL;
        const char *error;

        error = image_write(path, &file, 1, &message);
        ck_assert_msg(g_strcmp0(error, hostile[i].error) == 0, "%s: %s: %s", path, error, message);
        ck_assert_str_eq(image_read(path, "/f", NULL, NULL), hostile[i].error);
        if (g_str_has_prefix(hostile[i].path, "/dev/mapper/"))
            continue;
        ck_assert_str_eq(image_create_snapshot(path, cow, "fc-rootfs-paths"), hostile[i].error);
        ck_assert_str_eq(image_create_snapshot(image, path, "fc-rootfs-paths"), hostile[i].error);
    }
    after = image_digest(OUTSIDE);
    ck_assert_str_eq(before, after);
    ck_assert_str_eq(image_write("image", &file, 1, NULL), "BadParams");
    ck_assert_str_eq(image_write("", &file, 1, NULL), "BadParams");
    image_write_ok(image, &file, 1);
    remove_hostile_files();
}
END_TEST

START_TEST(snapshot_sizes)
{
    g_autofree char *base = image_path_of("image");
    g_autofree char *cow = image_path_of("cow");

    image_make_file(base, MIB);
    image_make_file(cow, MIB);
    ck_assert_str_eq(image_create_snapshot(base, base, "fc-rootfs-s"), "BadParams");
    image_make_file(base, MIB + 511);
    ck_assert_str_eq(image_create_snapshot(base, cow, "fc-rootfs-s"), "BadParams");
    image_make_file(base, 0);
    ck_assert_str_eq(image_create_snapshot(base, cow, "fc-rootfs-s"), "BadParams");
    image_make_file(base, MIB);
    image_make_file(cow, (64 << 10) - 1);
    ck_assert_str_eq(image_create_snapshot(base, cow, "fc-rootfs-s"), "BadParams");
    ck_assert_str_eq(image_create_snapshot(base, cow, "other"), "BadParams");
    ck_assert_str_eq(image_create_snapshot(base, cow, "fc-rootfs-"), "BadParams");
    ck_assert_str_eq(image_create_snapshot(base, cow, "fc-rootfs-/x"), "BadParams");
    image_assert_no_loops(base);
    image_assert_no_loops(cow);
    (void)unlink(base);
    (void)unlink(cow);
}
END_TEST

/* What a COW file begins with: the kernel would believe it. */
START_TEST(cow_headers)
{
    static const struct {
        uint32_t header[4]; /* magic, valid, version, chunk size */
        const char *error;  /* NULL: it gets as far as device-mapper */
    } cases[] = {
        {{0, 0, 0, 0}, NULL},
        {{0x70416e53, 1, 1, 8}, NULL},
        {{0x70416e53, 0, 1, 8}, "OperationFailed"}, /* it ran over */
        {{0x70416e53, 1, 1, 16}, "BadParams"},
        {{0x70416e53, 1, 2, 8}, "BadParams"},
        {{0x12345678, 1, 1, 8}, "BadParams"},
        {{0, 1, 1, 8}, "BadParams"},
    };
    g_autofree char *base = image_path_of("image");
    g_autofree char *cow = image_path_of("cow");

    image_make_file(base, MIB);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        banger_autofd int fd = -1;
        const char *error;

        image_make_file(cow, MIB);
        fd = open(cow, O_WRONLY | O_CLOEXEC);
        ck_assert_int_eq(pwrite(fd, cases[i].header, sizeof cases[i].header, 0), 16);
        banger_close_fd(&fd);
        error = image_create_snapshot(base, cow, "fc-rootfs-headers");
        if (error == NULL)
            rig_call_ok(image_bus(), "RemoveDMSnapshot", "ss", "fc-rootfs-headers", "");
        else if (cases[i].error == NULL)
            ck_assert_str_eq(error, "NotSupported"); /* this kernel has no device-mapper */
        ck_assert_msg(cases[i].error == NULL || g_strcmp0(error, cases[i].error) == 0, "%zu: %s", i,
                      error);
        (void)unlink(cow);
    }
    (void)unlink(base);
}
END_TEST

/* A sparse COW file where the host has no room for it. */
START_TEST(cow_on_full_host)
{
    g_autofree char *directory = image_path_of("small-disk"),
                    *cow = image_path_of("small-disk/cow");
    g_autofree char *base = image_path_of("image"), *filler = image_path_of("small-disk/filler");

    image_make_file(base, MIB);
    ck_assert_int_eq(mkdir(directory, 0755), 0);
    ck_assert_int_eq(mount("tmpfs", directory, "tmpfs", 0, "size=256k,mode=0755"), 0);
    image_make_file(cow, MIB);
    g_free(
        image_run_words(NULL, "sh", "-c", "head -c 300k /dev/zero >\"$0\" 2>&1 || true", filler));
    ck_assert_str_eq(image_create_snapshot(base, cow, "fc-rootfs-full"), "OperationFailed");
    ck_assert_int_eq(umount2(directory, MNT_DETACH), 0);
    (void)rmdir(directory);
    (void)unlink(base);
}
END_TEST

typedef struct {
    const char *path;    /* what is swapped */
    const char *hostile; /* with what */
    atomic_bool stop;
} Swap;

/* Exchanges the two, without a pause. */
static void *
swap(void *data)
{
    Swap *wanted = data;

    while (!wanted->stop)
        ck_assert_int_eq(
            renameat2(AT_FDCWD, wanted->path, AT_FDCWD, wanted->hostile, RENAME_EXCHANGE), 0);
    return NULL;
}

/* What the thread above offers may be refused or be the good file, and nothing else. */
static void
race(const BangerSettings *settings, Swap *wanted, const char *open_path, const struct stat *good)
{
    const gint64 begun_usec = g_get_monotonic_time();
    unsigned int n_opened = 0, n_refused = 0;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, swap, wanted), 0);
    for (unsigned int i = 0; rig_race_goes_on(begun_usec, i, ROUNDS, n_opened, n_refused); i++) {
        g_autoptr(GError) error = NULL;
        struct stat st;
        banger_autofd int fd =
            banger_path_open_file(settings, BANGER_PATH_STATE, open_path, O_RDWR, NULL, &error);

        if (fd < 0) {
            ck_assert_msg(!g_error_matches(error, BANGER_ERROR, BANGER_ERROR_OPERATION_FAILED),
                          "%s", error->message);
            n_refused++;
            continue;
        }
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_msg(st.st_dev == good->st_dev && st.st_ino == good->st_ino,
                      "round %u opened another file", i);
        n_opened++;
    }
    wanted->stop = true;
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    /* Otherwise nothing was raced. */
    ck_assert_uint_gt(n_opened, 0);
    ck_assert_uint_gt(n_refused, 0);
}

/* The file itself, then a directory on the way, by a symbolic link to the same thing outside. */
START_TEST(swapped_during_the_call)
{
    BangerSettings settings = image_settings_of_owner();
    g_autofree char *directory = image_path_of("raced"), *evil = image_path_of("raced-evil");
    g_autofree char *file = image_path_of("raced/file"), *other = image_path_of("raced-other");
    struct stat good;
    Swap by_file = {.path = file, .hostile = other};
    Swap by_directory = {.path = directory, .hostile = evil};

    ck_assert_int_eq(mkdir(directory, 0755), 0);
    image_make_file(file, 4096);
    ck_assert_int_eq(stat(file, &good), 0);
    ck_assert_int_eq(mkdir("/run/raced-outside", 0755), 0);
    image_make_file("/run/raced-outside/file", 4096);
    ck_assert_int_eq(symlink("/run/raced-outside/file", other), 0);
    race(&settings, &by_file, file, &good);
    g_free(image_run_words(NULL, "rm", "-f", file, other));
    image_make_file(file, 4096);
    ck_assert_int_eq(stat(file, &good), 0);
    ck_assert_int_eq(symlink("/run/raced-outside", evil), 0);
    race(&settings, &by_directory, file, &good);
    g_free(image_run_words(NULL, "rm", "-rf", directory, evil, "/run/raced-outside"));
}
END_TEST

/* The same through the helper: what is outside stays as it is. */
START_TEST(swapped_under_the_helper)
{
    g_autofree char *image = image_make("image", 4 * MIB, "");
    g_autofree char *other = image_path_of("other");
    g_autofree char *before = NULL, *after = NULL;
    ImageFile file = {"/f", "x", 1, 0};
    Swap wanted = {.path = image, .hostile = other};
    const gint64 begun_usec = g_get_monotonic_time();
    unsigned int n_written = 0, n_refused = 0;
    pthread_t thread;

    g_free(image_run_words(NULL, "cp", "-p", image, OUTSIDE));
    before = image_digest(OUTSIDE);
    ck_assert_int_eq(symlink(OUTSIDE, other), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, swap, &wanted), 0);
    for (unsigned int i = 0; rig_race_goes_on(begun_usec, i, 300, n_written, n_refused); i++) {
        const char *error = image_write(image, &file, 1, NULL);

        ck_assert_msg(error == NULL || g_str_equal(error, "BadParams"), "%s", error);
        n_written += error == NULL;
        n_refused += error != NULL;
    }
    wanted.stop = true;
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_gt(n_written, 0);
    ck_assert_uint_gt(n_refused, 0);
    after = image_digest(OUTSIDE);
    ck_assert_str_eq(before, after);
    g_free(image_run_words(NULL, "rm", "-f", image, other, OUTSIDE));
}
END_TEST

/*
 * Files and directories of root's in the owner's: read only where the owner could, never written.
 */
START_TEST(files_of_root)
{
    static const struct {
        const char *path;
        const char *read_error; /* NULL: it may be read */
    } cases[] = {
        {"for-all", NULL},
        {"for-group", NULL},
        {"for-root", "NotManaged"},
        {"open/for-all", NULL},
        {"closed/for-all", "NotManaged"},
        {"for-group-only/for-all", NULL},
        {"closed/of-owner", "NotManaged"},
    };
    g_autofree char *image = image_make("image", 4 * MIB, "");
    g_autofree char *cow = image_path_of("cow");
    ImageFile file = {"/f", "x", 1, 0};

    image_make_file(cow, MIB);
    image_write_ok(image, &file, 1);
    g_free(image_run_words(
        NULL, "sh", "-ec",
        "cd " BANGER_STATE_DIRECTORY " && mkdir -m 0755 open && mkdir -m 0700 "
        "closed && mkdir -m 0710 for-group-only && chgrp " BANGER_OWNER
        " for-group-only && install -m 0644 image for-all && install -m 0640 -g " BANGER_OWNER
        " image for-group && install -m 0600 image for-root && "
        "cp for-all open && cp for-all closed && cp for-all for-group-only && "
        "install -o " BANGER_OWNER " image closed/of-owner"));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = image_path_of(cases[i].path);
        g_autofree char *before = image_digest(path), *after = NULL, *message = NULL;

        ck_assert_msg(g_strcmp0(image_read(path, "/f", NULL, &message), cases[i].read_error) == 0,
                      "%s: %s", path, message);
        ck_assert_str_eq(image_write(path, &file, 1, NULL), "NotManaged");
        ck_assert_str_eq(image_create_snapshot(image, path, "fc-rootfs-paths"), "NotManaged");
        if (cases[i].read_error != NULL)
            ck_assert_str_eq(image_create_snapshot(path, cow, "fc-rootfs-paths"), "NotManaged");
        after = image_digest(path);
        ck_assert_str_eq(before, after);
    }
    g_free(image_run_words(NULL, "sh", "-ec",
                           "cd " BANGER_STATE_DIRECTORY " && rm -r open closed for-group-only "
                           "for-all for-group for-root image cow"));
}
END_TEST

/*
 * Nothing new in a directory of root's, whoever its group is; what is there of the owner's opens.
 */
START_TEST(directories_of_root)
{
    BangerSettings settings = image_settings_of_owner();
    g_autofree char *directory = image_path_of("of-root"), *log = image_path_of("of-root/log");
    g_autofree char *new = image_path_of("of-root/new"), *plain = image_path_of("log");
    g_autoptr(GError) error = NULL;
    bool created = false;
    int fd;

    ck_assert_int_eq(mkdir(directory, 0775), 0);
    ck_assert_int_eq(chown(directory, 0, settings.owner_gid), 0);
    image_make_file(log, 0);
    fd = banger_path_create_file(&settings, BANGER_PATH_STATE, log, settings.owner_uid,
                                 settings.owner_gid, 0640, &created, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert(!created);
    banger_close_fd(&fd);
    fd = banger_path_create_file(&settings, BANGER_PATH_STATE, new, settings.owner_uid,
                                 settings.owner_gid, 0640, &created, &error);
    ck_assert_int_eq(fd, -1);
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_NOT_MANAGED));
    ck_assert_int_ne(access(new, F_OK), 0);
    fd = banger_path_create_file(&settings, BANGER_PATH_STATE, plain, settings.owner_uid,
                                 settings.owner_gid, 0640, &created, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert(created);
    banger_close_fd(&fd);
    g_free(image_run_words(NULL, "rm", "-r", directory, plain));
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("paths");
    TCase *tcase = tcase_create("paths");

    (void)argc;
    image_enter("bus/paths", argv, NULL);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, hostile_paths);
    tcase_add_test(tcase, snapshot_sizes);
    tcase_add_test(tcase, cow_headers);
    tcase_add_test(tcase, cow_on_full_host);
    tcase_add_test(tcase, files_of_root);
    tcase_add_test(tcase, directories_of_root);
    tcase_add_test(tcase, swapped_during_the_call);
    tcase_add_test(tcase, swapped_under_the_helper);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/paths", suite);
}
