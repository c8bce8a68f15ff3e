/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Claims of disks: who shares a key with whom, what the finders are asked, and what is refused. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/harness.h"
#include "util/disk-use.h"
#include "util/error.h"

static const BangerSettings settings = {.owner_user = (char *)"owner"};

/* A file of its own, open for reading. */
static BangerDisk
make_disk(const char *name, BangerDiskMode mode)
{
    BangerDisk disk = {.path = name, .mode = mode, .fd = -1};
    char path[] = "/tmp/test-disk-use-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    disk.fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(disk.fd, 0);
    ck_assert_int_eq(fstat(disk.fd, &disk.st), 0);
    (void)close(fd);
    (void)unlink(path);
    return disk;
}

static BangerDisk
in_mode(BangerDisk disk, BangerDiskMode mode)
{
    disk.mode = mode;
    return disk;
}

/* Another descriptor of @disk, as a reader has one. */
static int
open_again(const BangerDisk *disk)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", disk->fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static BangerDiskUse found;
static unsigned int n_asked;
static BangerDiskMode asked_mode;

static BangerDiskUse
find(const BangerSettings *of, const struct stat *st, BangerDiskMode mode, char **ret_who)
{
    ck_assert_ptr_eq(of, &settings);
    ck_assert_uint_ne(st->st_mode, 0);
    n_asked++;
    asked_mode = mode;
    if (found == BANGER_DISK_UNUSED || found == BANGER_DISK_FREE)
        return found;
    *ret_who = g_strdup("the finder's find");
    if (found == BANGER_DISK_UNKNOWN)
        return found;
    /* What passes has passed when it is looked at once more. */
    if (found != BANGER_DISK_IN_USE)
        found = BANGER_DISK_UNUSED;
    return found == BANGER_DISK_UNUSED ? BANGER_DISK_PASSING : found;
}

/* Must not be asked where the first finder knows that the disk is free. */
static BangerDiskUse
find_second(const BangerSettings *of, const struct stat *st, BangerDiskMode mode, char **ret_who)
{
    (void)of, (void)st, (void)mode, (void)ret_who;
    ck_assert_int_ne(found, BANGER_DISK_FREE);
    return BANGER_DISK_UNUSED;
}

static void
set_up(void)
{
    static BangerDiskFinder *const finders[] = {find, find_second, NULL};

    banger_disk_set_finders(finders);
    found = BANGER_DISK_UNUSED;
    n_asked = 0;
}

static void
claim_fails(const BangerDisk *disks, size_t n, BangerErrorCode code, const char *words)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(banger_disk_claim(&settings, disks, n, &error));
    ck_assert_msg(g_error_matches(error, BANGER_ERROR, (int)code), "%s", error->message);
    ck_assert_msg(strstr(error->message, words) != NULL, "%s", error->message);
}

typedef struct {
    const BangerDisk *disk;
    gint done;
} Waiter;

static gpointer
claim_in_thread(gpointer data)
{
    Waiter *waiter = data;
    BangerDiskClaim *claim = banger_disk_claim(&settings, waiter->disk, 1, NULL);

    g_atomic_int_set(&waiter->done, 1);
    return claim;
}

/* Readers share a key; a writer waits for them, and they for it. */
START_TEST(keys)
{
    BangerDisk disk = make_disk("disk", BANGER_DISK_READ);
    BangerDisk writer = in_mode(disk, BANGER_DISK_WRITE);
    BangerDiskClaim *one = banger_disk_claim(&settings, &disk, 1, NULL);
    BangerDiskClaim *two = banger_disk_claim(&settings, &disk, 1, NULL);
    Waiter waiter = {&writer, 0};
    BangerDiskClaim *claim;
    GThread *thread;

    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_nonnull(two);
    thread = g_thread_new("writer", claim_in_thread, &waiter);
    banger_disk_claim_free(one);
    ck_assert_int_eq(g_atomic_int_get(&waiter.done), 0);
    banger_disk_claim_free(two);
    claim = g_thread_join(thread);
    ck_assert_ptr_nonnull(claim);
    waiter = (Waiter){&disk, 0};
    thread = g_thread_new("reader", claim_in_thread, &waiter);
    ck_assert_int_eq(g_atomic_int_get(&waiter.done), 0);
    banger_disk_claim_free(claim);
    claim = g_thread_join(thread);
    ck_assert_ptr_nonnull(claim);
    banger_disk_claim_free(claim);
}
END_TEST

/* All of a claim's keys or none: a claim that fails delays nothing. */
START_TEST(all_or_none)
{
    BangerDisk disks[] = {make_disk("one", BANGER_DISK_WRITE), make_disk("two", BANGER_DISK_READ),
                          make_disk("three", BANGER_DISK_LOG)};
    BangerDiskClaim *claim;
    int reader = open_again(&disks[2]);

    found = BANGER_DISK_IN_USE; /* of the third, which a process has open */
    claim_fails(disks, 3, BANGER_ERROR_BUSY, "three is in use by the finder's find");
    found = BANGER_DISK_UNUSED;
    claim = banger_disk_claim(&settings, disks, 3, NULL);
    ck_assert_ptr_nonnull(claim);
    banger_disk_claim_free(claim);
    (void)close(reader);
}
END_TEST

START_TEST(one_file_twice)
{
    BangerDisk one = make_disk("one", BANGER_DISK_READ);
    BangerDisk disks[] = {one, one};
    BangerDisk block = {.path = "/dev/a", .mode = BANGER_DISK_WRITE, .fd = -1};
    BangerDisk blocks[2];
    BangerDiskClaim *claim = banger_disk_claim(&settings, disks, 2, NULL);

    ck_assert_ptr_nonnull(claim);
    banger_disk_claim_free(claim);
    disks[1].mode = BANGER_DISK_WRITE;
    disks[1].path = "alias";
    claim_fails(disks, 2, BANGER_ERROR_BAD_PARAMS, "alias is named twice");
    disks[1].mode = BANGER_DISK_LOG;
    claim_fails(disks, 2, BANGER_ERROR_BAD_PARAMS, "as one");
    /* Two nodes of one device. */
    block.st.st_mode = S_IFBLK;
    block.st.st_rdev = 1234;
    blocks[0] = blocks[1] = block;
    blocks[1].st.st_ino = 7;
    claim_fails(blocks, 2, BANGER_ERROR_BAD_PARAMS, "/dev/a");
}
END_TEST

/* A file that is open for writing elsewhere, and one that is only read. */
START_TEST(other_processes)
{
    BangerDisk disk = make_disk("disk", BANGER_DISK_READ);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", disk.fd);
    BangerDisk writer = in_mode(disk, BANGER_DISK_WRITE);
    BangerDiskClaim *claim;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    claim = banger_disk_claim(&settings, &writer, 1, NULL);
    ck_assert_ptr_nonnull(claim);
    ck_assert_uint_eq(n_asked, 1); /* whose reader is it? */
    ck_assert_int_eq(asked_mode, BANGER_DISK_WRITE);
    banger_disk_claim_free(claim);
    claim = banger_disk_claim(&settings, &disk, 1, NULL);
    ck_assert_ptr_nonnull(claim);
    ck_assert_uint_eq(n_asked, 1); /* a reader is no obstacle for a reader */
    banger_disk_claim_free(claim);
    (void)close(fd);
    claim = banger_disk_claim(&settings, &writer, 1, NULL);
    ck_assert_ptr_nonnull(claim);
    ck_assert_uint_eq(n_asked, 1); /* no other process has it */
    banger_disk_claim_free(claim);

    fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    claim_fails(&disk, 1, BANGER_ERROR_BUSY, "open for writing");
    claim_fails(&writer, 1, BANGER_ERROR_BUSY, "open for writing");
    found = BANGER_DISK_IN_USE;
    claim_fails(&disk, 1, BANGER_ERROR_BUSY, "the finder's find");
    ck_assert_int_eq(asked_mode, BANGER_DISK_READ);
    (void)close(fd);
}
END_TEST

/* What may be about to go is looked at again; so it is with a block device, which has no leases. */
START_TEST(passing)
{
    BangerDisk log = in_mode(make_disk("log", BANGER_DISK_LOG), BANGER_DISK_LOG);
    BangerDisk block = {.path = "/dev/a", .mode = BANGER_DISK_READ, .fd = -1};
    BangerDiskClaim *claim;
    int reader = open_again(&log);

    found = BANGER_DISK_PASSING;
    claim = banger_disk_claim(&settings, &log, 1, NULL);
    ck_assert_ptr_nonnull(claim);
    ck_assert_uint_eq(n_asked, 2);
    banger_disk_claim_free(claim);
    block.st.st_mode = S_IFBLK;
    block.st.st_rdev = 1234;
    found = BANGER_DISK_IN_USE;
    claim_fails(&block, 1, BANGER_ERROR_BUSY, "the finder's find");
    (void)close(reader);
}
END_TEST

/* A finder that could not look is no reason to take the disk for free. */
START_TEST(unknown)
{
    BangerDisk block = {.path = "/dev/a", .mode = BANGER_DISK_WRITE, .fd = -1};

    block.st.st_mode = S_IFBLK;
    block.st.st_rdev = 1234;
    found = BANGER_DISK_UNKNOWN;
    claim_fails(&block, 1, BANGER_ERROR_OPERATION_FAILED, "whether /dev/a is in use: the finder's");
    ck_assert_uint_gt(n_asked, 1);
}
END_TEST

/* Only the caller has it: the processes of all VMMs are not looked through. */
START_TEST(nobody_has_it)
{
    BangerDisk log = in_mode(make_disk("log", BANGER_DISK_LOG), BANGER_DISK_LOG);
    BangerDisk block = {.path = "/dev/a", .mode = BANGER_DISK_WRITE, .fd = -1};
    BangerDiskClaim *claim = banger_disk_claim(&settings, &log, 1, NULL);

    ck_assert_ptr_nonnull(claim);
    ck_assert_uint_eq(n_asked, 0);
    banger_disk_claim_free(claim);
    block.st.st_mode = S_IFBLK;
    block.st.st_rdev = 1234;
    found = BANGER_DISK_FREE;
    claim = banger_disk_claim(&settings, &block, 1, NULL);
    ck_assert_ptr_nonnull(claim);
    ck_assert_uint_eq(n_asked, 1);
    banger_disk_claim_free(claim);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("disk-use");
    TCase *tcase = tcase_create("disk-use");

    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, keys);
    tcase_add_test(tcase, all_or_none);
    tcase_add_test(tcase, one_file_twice);
    tcase_add_test(tcase, other_processes);
    tcase_add_test(tcase, passing);
    tcase_add_test(tcase, unknown);
    tcase_add_test(tcase, nobody_has_it);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/disk-use", suite);
}
