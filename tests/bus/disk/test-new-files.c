/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that the helper makes for the owner: whole, or not at all, whatever ends it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/path-walk.h"
#include "util/path.h"

/* Linked in place of what src/util/path.c calls (-Wl,--wrap). */
int __real_fchownat(int directory, const char *name, uid_t uid, gid_t gid, int flags);
int __wrap_fchownat(int directory, const char *name, uid_t uid, gid_t gid, int flags);
int __real_banger_walk_create(int directory, const char *name, int flags, mode_t mode);
int __wrap_banger_walk_create(int directory, const char *name, int flags, mode_t mode);
int __real_linkat(int from, const char *name, int to, const char *new_name, int flags);
int __wrap_linkat(int from, const char *name, int to, const char *new_name, int flags);

static enum { GIVE, GIVE_IN_VAIN, END_BEFORE } giving;
static enum { NAME, NAME_IN_VAIN, NAME_NEVER, NAME_TAKEN, NAME_TAKEN_AND_FREE } naming;
static bool has_unnamed_files = true;

int
__wrap_fchownat(int directory, const char *name, uid_t uid, gid_t gid, int flags)
{
    if (giving == END_BEFORE)
        _exit(7);
    if (giving == GIVE_IN_VAIN) {
        errno = EPERM;
        return -1;
    }
    return __real_fchownat(directory, name, uid, gid, flags);
}

int
__wrap_banger_walk_create(int directory, const char *name, int flags, mode_t mode)
{
    if ((flags & O_TMPFILE) == O_TMPFILE && !has_unnamed_files) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return __real_banger_walk_create(directory, name, flags, mode);
}

/* NAME_TAKEN: another call has made a file of that name a moment before. */
int
__wrap_linkat(int from, const char *name, int to, const char *new_name, int flags)
{
    if (naming == NAME_IN_VAIN || naming == NAME_NEVER) {
        errno = naming == NAME_NEVER ? EPERM : EDQUOT;
        return -1;
    }
    if (naming == NAME_TAKEN) {
        banger_autofd int fd = openat(to, new_name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0640);

        ck_assert_int_eq(
            fchown(fd, image_settings_of_owner().owner_uid, image_settings_of_owner().owner_gid),
            0);
    }
    if (naming == NAME_TAKEN_AND_FREE) {
        naming = NAME;
        errno = EEXIST;
        return -1;
    }
    return __real_linkat(from, name, to, new_name, flags);
}

static int
create_log(const char *path, bool *ret_created, GError **error)
{
    BangerSettings settings = image_settings_of_owner();

    return banger_path_create_file(&settings, BANGER_PATH_STATE, path, settings.owner_uid,
                                   settings.owner_gid, 0640, ret_created, error);
}

/* The file is there, as create_log() was asked for it, and has @size bytes. */
static void
check_log(const char *path, off_t size)
{
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_uid, image_settings_of_owner().owner_uid);
    ck_assert_uint_eq(st.st_gid, image_settings_of_owner().owner_gid);
    ck_assert_uint_eq(st.st_mode, S_IFREG | 0640);
    ck_assert_uint_eq(st.st_nlink, 1);
    ck_assert_int_eq(st.st_size, size);
}

/* Made, or not there: _i is whether the file system has files without a name. */
START_TEST(made_whole_or_not_at_all)
{
    g_autofree char *path = image_path_of("made");
    g_autoptr(GError) error = NULL;
    bool created = false;
    int fd;

    has_unnamed_files = _i == 1;
    giving = GIVE_IN_VAIN;
    ck_assert_int_eq(create_log(path, NULL, &error), -1);
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_OPERATION_FAILED));
    ck_assert_int_ne(access(path, F_OK), 0);
    giving = GIVE;
    fd = create_log(path, &created, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert(created);
    ck_assert_int_eq(write(fd, "one", 3), 3);
    banger_close_fd(&fd);
    fd = create_log(path, &created, NULL); /* there already: nothing of it is lost */
    ck_assert_int_ge(fd, 0);
    ck_assert(!created);
    ck_assert_int_eq(write(fd, "two", 3), 3);
    banger_close_fd(&fd);
    check_log(path, 6);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* What can come of giving the file its name, when all else is done. */
START_TEST(named_last)
{
    g_autofree char *path = image_path_of("made");
    g_autoptr(GError) error = NULL;
    bool created = true;
    int fd;

    naming = NAME_IN_VAIN;
    ck_assert_int_eq(create_log(path, NULL, &error), -1);
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_OPERATION_FAILED));
    ck_assert_ptr_nonnull(strstr(error->message, path));
    ck_assert_int_ne(access(path, F_OK), 0);

    naming = NAME_NEVER; /* a file system without hard links */
    fd = create_log(path, &created, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert(created);
    banger_close_fd(&fd);
    check_log(path, 0);
    ck_assert_int_eq(unlink(path), 0);

    created = true;
    naming = NAME_TAKEN; /* that file is both calls' */
    fd = create_log(path, &created, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert(!created);
    ck_assert_int_eq(write(fd, "one", 3), 3);
    banger_close_fd(&fd);
    check_log(path, 3);
    ck_assert_int_eq(unlink(path), 0);

    naming = NAME_TAKEN_AND_FREE; /* the file of the other call is gone again: another attempt */
    fd = create_log(path, &created, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert(created);
    banger_close_fd(&fd);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* A helper that ends before a new file is its owner's leaves none. */
START_TEST(killed_while_making_it)
{
    g_autofree char *path = image_path_of("made");
    pid_t child = fork();
    int status;

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        giving = END_BEFORE;
        (void)create_log(path, NULL, NULL);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("new-files");
    TCase *tcase = tcase_create("new-files");

    (void)argc;
    image_enter("bus/new-files", argv, NULL);
    tcase_add_loop_test(tcase, made_whole_or_not_at_all, 0, 2);
    tcase_add_test(tcase, named_last);
    tcase_add_test(tcase, killed_while_making_it);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/new-files", suite);
}
