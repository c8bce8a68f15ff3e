/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths that lead elsewhere, given to the methods that take files; and swapped under the helper. */
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bus/image-aid.h"
#include "sys/path.h"
#include "util/error.h"
#include "util/fd.h"

#define MIB ((uint64_t)1 << 20)
#define ROUNDS 20000
#define OUTSIDE "/run/outside.img"
#define COMPONENT_16 "sixteen-letters-"
#define COMPONENT_64 COMPONENT_16 COMPONENT_16 COMPONENT_16 COMPONENT_16
#define COMPONENT_256 COMPONENT_64 COMPONENT_64 COMPONENT_64 COMPONENT_64 /* one too many */

/* Calls CreateDMSnapshot; the error's name, or NULL. */
static const char *
create_snapshot(const char *base, const char *cow, const char *name)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply =
        rig_call(aid_bus(), "CreateDMSnapshot", &error, "ssss", base, cow, name, "");
    const char *result = NULL;

    if (reply == NULL)
        result = g_intern_string(error.name + strlen(AID_ERROR("")));
    sd_bus_message_unref(reply);
    sd_bus_error_free(&error);
    return result;
}

/* Every way for a path to be no file of banger's, in the state directory. */
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

    g_free(aid_run_words(NULL, "sh", "-ec", script));
}

static void
remove_hostile_files(void)
{
    g_autofree char *script = g_strdup_printf("cd %s && rm -rf real directory link linked out root "
                                              "two two-names fifo device another chain magic "
                                              "dangling image cow " OUTSIDE,
                                              BANGER_STATE_DIRECTORY);

    g_free(aid_run_words(NULL, "sh", "-ec", script));
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
    g_autofree char *image = aid_make_image("image", 4 * MIB, "");
    g_autofree char *cow = aid_path("cow");
    g_autofree char *before = NULL, *after = NULL;
    AidFile file = {"/f", "x", 1, 0};

    aid_make_file(cow, MIB);
    g_free(aid_run_words(NULL, "cp", image, OUTSIDE));
    make_hostile_files();
    before = aid_digest(OUTSIDE);
    for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++) {
        /* As written: what is odd about a path is part of the test. */
        g_autofree char *path = g_strconcat(
            hostile[i].path[0] == '/' ? "" : BANGER_STATE_DIRECTORY "/", hostile[i].path, NULL);
        g_autofree char *message = NULL;
        const char *error;

        error = aid_write(path, &file, 1, &message);
        ck_assert_msg(g_strcmp0(error, hostile[i].error) == 0, "%s: %s: %s", path, error, message);
        ck_assert_str_eq(aid_read(path, "/f", NULL, NULL), hostile[i].error);
        if (g_str_has_prefix(hostile[i].path, "/dev/mapper/"))
            continue;
        ck_assert_str_eq(create_snapshot(path, cow, "fc-rootfs-paths"), hostile[i].error);
        ck_assert_str_eq(create_snapshot(image, path, "fc-rootfs-paths"), hostile[i].error);
    }
    after = aid_digest(OUTSIDE);
    ck_assert_str_eq(before, after);
    ck_assert_str_eq(aid_write("image", &file, 1, NULL), "BadParams");
    ck_assert_str_eq(aid_write("", &file, 1, NULL), "BadParams");
    aid_write_ok(image, &file, 1);
    remove_hostile_files();
}
END_TEST

START_TEST(snapshot_sizes)
{
    g_autofree char *base = aid_path("image");
    g_autofree char *cow = aid_path("cow");

    aid_make_file(base, MIB);
    aid_make_file(cow, MIB);
    ck_assert_str_eq(create_snapshot(base, base, "fc-rootfs-s"), "BadParams");
    aid_make_file(base, MIB + 511);
    ck_assert_str_eq(create_snapshot(base, cow, "fc-rootfs-s"), "BadParams");
    aid_make_file(base, 0);
    ck_assert_str_eq(create_snapshot(base, cow, "fc-rootfs-s"), "BadParams");
    aid_make_file(base, MIB);
    aid_make_file(cow, (64 << 10) - 1);
    ck_assert_str_eq(create_snapshot(base, cow, "fc-rootfs-s"), "BadParams");
    ck_assert_str_eq(create_snapshot(base, cow, "other"), "BadParams");
    ck_assert_str_eq(create_snapshot(base, cow, "fc-rootfs-"), "BadParams");
    ck_assert_str_eq(create_snapshot(base, cow, "fc-rootfs-/x"), "BadParams");
    ck_assert_uint_eq(aid_count_loops(base), 0);
    ck_assert_uint_eq(aid_count_loops(cow), 0);
    (void)unlink(base);
    (void)unlink(cow);
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
    unsigned int n_opened = 0, n_refused = 0;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, swap, wanted), 0);
    for (int i = 0; i < ROUNDS; i++) {
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
                      "round %d opened another file", i);
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
    const struct passwd *owner = getpwnam(BANGER_OWNER);
    BangerSettings settings = {.owner_user = owner->pw_name,
                               .owner_uid = owner->pw_uid,
                               .owner_gid = owner->pw_gid,
                               .state_directory = (char *)BANGER_STATE_DIRECTORY,
                               .runtime_directory = (char *)BANGER_RUNTIME_DIRECTORY};
    g_autofree char *directory = aid_path("raced"), *evil = aid_path("raced-evil");
    g_autofree char *file = aid_path("raced/file"), *other = aid_path("raced-other");
    struct stat good;
    Swap by_file = {.path = file, .hostile = other};
    Swap by_directory = {.path = directory, .hostile = evil};

    ck_assert_int_eq(mkdir(directory, 0755), 0);
    aid_make_file(file, 4096);
    ck_assert_int_eq(stat(file, &good), 0);
    ck_assert_int_eq(mkdir("/run/raced-outside", 0755), 0);
    aid_make_file("/run/raced-outside/file", 4096);
    ck_assert_int_eq(symlink("/run/raced-outside/file", other), 0);
    race(&settings, &by_file, file, &good);
    g_free(aid_run_words(NULL, "rm", "-f", file, other));
    aid_make_file(file, 4096);
    ck_assert_int_eq(stat(file, &good), 0);
    ck_assert_int_eq(symlink("/run/raced-outside", evil), 0);
    race(&settings, &by_directory, file, &good);
    g_free(aid_run_words(NULL, "rm", "-rf", directory, evil, "/run/raced-outside"));
}
END_TEST

/* The same through the helper: what is outside stays as it is. */
START_TEST(swapped_under_the_helper)
{
    g_autofree char *image = aid_make_image("image", 4 * MIB, "");
    g_autofree char *other = aid_path("other");
    g_autofree char *before = NULL, *after = NULL;
    AidFile file = {"/f", "x", 1, 0};
    Swap wanted = {.path = image, .hostile = other};
    unsigned int n_written = 0, n_refused = 0;
    pthread_t thread;

    g_free(aid_run_words(NULL, "cp", "-p", image, OUTSIDE));
    before = aid_digest(OUTSIDE);
    ck_assert_int_eq(symlink(OUTSIDE, other), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, swap, &wanted), 0);
    for (int i = 0; i < 300; i++) {
        const char *error = aid_write(image, &file, 1, NULL);

        ck_assert_msg(error == NULL || g_str_equal(error, "BadParams"), "%s", error);
        n_written += error == NULL;
        n_refused += error != NULL;
    }
    wanted.stop = true;
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_gt(n_written, 0);
    ck_assert_uint_gt(n_refused, 0);
    after = aid_digest(OUTSIDE);
    ck_assert_str_eq(before, after);
    g_free(aid_run_words(NULL, "rm", "-f", image, other, OUTSIDE));
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("paths");
    TCase *tcase = tcase_create("paths");

    (void)argc;
    aid_enter("bus/paths", argv, NULL);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, hostile_paths);
    tcase_add_test(tcase, snapshot_sizes);
    tcase_add_test(tcase, swapped_during_the_call);
    tcase_add_test(tcase, swapped_under_the_helper);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/paths", suite);
}
