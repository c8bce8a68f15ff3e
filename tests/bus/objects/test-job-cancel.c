/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A job that is cancelled, at each stage and at any moment: what is left of what it has done. */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bus/objects/job-fixture.h"
#include "util/fd.h"

#define MIB ((uint64_t)1 << 20)
#define STREAMS 4U /* that run at once (disk/worker-slots.c) */

/*
 * What e2fsck is let to mend cannot be undone: until then nothing has changed, and then it is done.
 */
START_TEST(cancel_of_a_repair)
{
    static const char *const damages[] = {
        "clri /lost+found", /* found by looking */
        "ssv state 2",      /* the superblock says so */
    };
    g_autofree char *image = image_make("image", 16 * MIB, "-t ext4");
    g_autofree char *before = NULL, *after = NULL, *path = NULL, *second = NULL;
    g_autofree char *op_id = g_strdup_printf("op-look-%d", _i);
    RigPending *pending;
    pid_t worker;

    g_free(image_run_words(NULL, "debugfs", "-w", "-R", damages[_i], image));
    before = image_digest(image);
    job_stop_workers("verify", true);
    pending = job_start_check(image, true, op_id);
    (void)job_wait_for_stopped();
    path = job_wait_for("Step", "checking");
    ck_assert_ptr_null(job_cancel(job_owner, path));
    job_assert_cancelled(pending, RIG_UID_OWNER, op_id);
    job_stop_workers("verify", false);
    after = image_digest(image);
    ck_assert_str_eq(after, before);

    job_stop_workers("check", true);
    pending = job_start_check(image, true, "op-mend");
    worker = job_wait_for_stopped();
    second = job_wait_for("Step", "repairing");
    ck_assert_str_eq(job_cancel(job_owner, second), RIG_ERROR("Busy"));
    ck_assert_str_eq(job_cancel(image_bus(), second), RIG_ERROR("Busy"));
    job_stop_workers("check", false);
    ck_assert_int_eq(kill(worker, SIGCONT), 0);
    job_assert_done(pending);
    image_check_clean(image);
    image_assert_no_loops(image);
    (void)unlink(image);
}
END_TEST

/* A replay is not broken off; the call ends after it, and has written nothing. */
START_TEST(cancel_of_a_replay)
{
    g_autofree char *image = image_make("image", 16 * MIB, "-t ext4");
    g_autofree char *path = NULL;
    banger_autofd int content = memfd_create("content", MFD_CLOEXEC);
    RigPending *pending;
    pid_t worker;

    g_free(image_run_words(NULL, "debugfs", "-w", "-R", "feature needs_recovery", image));
    job_stop_workers("recover", true);
    pending = job_start_write(image, content, "op-replay");
    worker = job_wait_for_stopped();
    path = job_wait_for("Step", "replaying the journal");
    ck_assert_ptr_null(job_cancel(job_owner, path));
    objects_assert(job_other, path, OBJECT_JOB, "Step", "replaying the journal");
    job_stop_workers("recover", false);
    ck_assert_int_eq(kill(worker, SIGCONT), 0);
    job_assert_cancelled(pending, RIG_UID_OWNER, "op-replay");
    image_check_clean(image);
    ck_assert_str_eq(image_read(image, "/f", NULL, NULL), "NotFound");
    (void)unlink(image);
}
END_TEST

/* Who waits for another call about the same object ends at once, and the other goes on. */
START_TEST(cancel_before_its_turn)
{
    g_autofree char *image = image_make("image", 16 * MIB, "-t ext4");
    g_autofree char *path = NULL;
    RigPending *first, *second, *third;
    pid_t worker;

    job_stop_workers("verify", true);
    first = job_start_check(image, false, "op-first");
    worker = job_wait_for_stopped();
    second = job_start_check(image, false, "op-second");
    third = job_start_check(image, false, "op-third");
    path = job_wait_for("OpId", "op-second");
    objects_assert(job_other, path, OBJECT_JOB, "Step", "waiting");
    ck_assert_ptr_null(job_cancel(job_owner, path));
    rig_pending_wait(job_owner, second);
    ck_assert_str_eq(second->error_name, RIG_ERROR("OperationFailed"));
    ck_assert(!first->done && !third->done);
    rig_pending_free(second);
    job_stop_workers("verify", false);
    ck_assert_int_eq(kill(worker, SIGCONT), 0);
    job_assert_done(first);
    job_assert_done(third);
    (void)unlink(image);
}
END_TEST

/* Who waits for a place among the workers does so too. */
START_TEST(cancel_before_a_worker_is_free)
{
    char *images[STREAMS + 1];
    RigPending *pending[STREAMS + 1];
    int ends[STREAMS + 1][2];
    g_autofree char *path = NULL, *op_id = NULL;

    for (unsigned int i = 0; i <= STREAMS; i++) {
        g_autofree char *name = g_strdup_printf("image-%u", i);
        g_autofree char *op = g_strdup_printf("op-slot-%u", i);

        images[i] = image_make(name, 16 * MIB, "-t ext4");
        job_make_pipe(ends[i]);
        pending[i] = job_start_write(images[i], ends[i][0], op);
        g_free(job_wait_for("OpId", op));
    }
    op_id = g_strdup_printf("op-slot-%u", STREAMS);
    path = job_wait_for("OpId", op_id);
    ck_assert_ptr_null(job_cancel(job_owner, path));
    rig_pending_wait(job_owner, pending[STREAMS]);
    ck_assert_str_eq(pending[STREAMS]->error_name, RIG_ERROR("OperationFailed"));
    rig_pending_free(pending[STREAMS]);
    for (unsigned int i = 0; i <= STREAMS; i++) {
        (void)close(ends[i][1]);
        if (i < STREAMS)
            job_assert_done(pending[i]);
        (void)close(ends[i][0]);
        image_check_clean(images[i]);
        (void)unlink(images[i]);
        g_free(images[i]);
    }
}
END_TEST

/* A digest of all that the file system in @image has in use. */
static char *
digest_of_used(const char *image)
{
    g_autofree char *copy = g_strconcat(image, ".used", NULL);
    char *digest;

    g_free(image_run_words(NULL, "e2image", "-ra", image, copy));
    digest = image_digest(copy);
    (void)unlink(copy);
    return digest;
}

/* A call that waits for more content, of which some has come and is in the image. */
START_TEST(cancel_of_a_write)
{
    g_autofree char *image = image_make("image", 64 * MIB, "-t ext4");
    g_autofree char *data = image_bytes(22, MIB);
    g_autofree char *before = NULL, *after = NULL, *path = NULL;
    RigPending *pending;
    int ends[2];

    image_write_ok(image, &(ImageFile){"/f", "old", 3, 0}, 1);
    before = digest_of_used(image);
    job_make_pipe(ends);
    pending = job_start_write(image, ends[0], "op-write");
    (void)close(ends[0]);
    path = job_wait_for("Step", "writing");
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(write(ends[1], data, MIB), (ssize_t)MIB);
    ck_assert_ptr_null(job_cancel(job_owner, path));
    job_assert_cancelled(pending, RIG_UID_OWNER, "op-write");
    (void)close(ends[1]);
    after = digest_of_used(image);
    ck_assert_str_eq(after, before);
    image_check_clean(image);
    image_read_equals(image, "/f", "old", 3);
    (void)unlink(image);
}
END_TEST

START_TEST(cancel_of_a_read)
{
    g_autofree char *image = image_make("image", 16 * MIB, "-t ext4");
    g_autofree char *data = image_bytes(23, MIB), *before = NULL, *after = NULL, *path = NULL;
    sd_bus_message *message = rig_message_new(job_owner, "ReadExt4FileTo");
    RigPending *pending;
    int ends[2];

    image_write_ok(image, &(ImageFile){"/f", data, MIB, 0}, 1);
    before = image_digest(image);
    job_make_pipe(ends);
    ck_assert_int_ge(sd_bus_message_append(message, "sshs", image, "/f", ends[1], "op-read-end"),
                     0);
    pending = rig_call_start(job_owner, message);
    path = job_wait_for("Step", "reading");
    ck_assert_ptr_null(job_cancel(job_owner, path));
    job_assert_cancelled(pending, RIG_UID_OWNER, "op-read-end");
    (void)close(ends[0]);
    (void)close(ends[1]);
    after = image_digest(image);
    ck_assert_str_eq(after, before);
    (void)unlink(image);
}
END_TEST

/* Requires that /f is @data. */
static void
holds(const char *image, const char *data, size_t length)
{
    banger_autofd int fd = memfd_create("got", MFD_CLOEXEC);
    g_autofree char *got = g_malloc(length + 1);

    rig_call_ok(image_bus(), "ReadExt4FileTo", "sshs", image, "/f", fd, "");
    ck_assert_int_eq(pread(fd, got, length + 1, 0), (ssize_t)length);
    ck_assert_int_eq(memcmp(got, data, length), 0);
}

/*
 * At any moment: what was cancelled has written nothing, and what was not has written everything.
 */
START_TEST(cancel_at_any_moment)
{
    g_autofree char *image = image_make("image", 64 * MIB, "-t ext4");
    g_autofree char *data = image_bytes(24, 24 * MIB);
    banger_autofd int content = memfd_create("content", MFD_CLOEXEC);
    GRand *rand = g_rand_new_with_seed(25);
    unsigned int n_done = 0, n_cancelled = 0;
    g_autofree char *before = digest_of_used(image);

    ck_assert_int_eq(write(content, data, 24 * MIB), (ssize_t)(24 * MIB));
    for (unsigned int i = 0; i < 30; i++) {
        g_autofree char *after = NULL, *path = NULL;
        g_autofree char *op_id = g_strdup_printf("op-any-%u", i);
        RigPending *pending = job_start_write(image, content, op_id);
        JobWanted wanted = {"OpId", op_id, NULL};
        const char *refusal;

        g_usleep((unsigned long)g_rand_int_range(rand, 0, 60000));
        (void)job_find(&wanted);
        path = wanted.path;
        refusal = path != NULL ? job_cancel(job_owner, path) : "it has ended";
        rig_pending_wait(job_owner, pending);
        after = digest_of_used(image);
        if (refusal == NULL) {
            n_cancelled++;
            ck_assert_str_eq(pending->error_name, RIG_ERROR("OperationFailed"));
            ck_assert_str_eq(after, before);
        } else {
            n_done++;
            ck_assert_ptr_null(pending->error_name);
            holds(image, data, 24 * MIB);
        }
        g_free(before);
        before = g_steal_pointer(&after);
        image_check_clean(image);
        rig_pending_free(pending);
    }
    g_printerr("%u cancelled, %u done\n", n_cancelled, n_done);
    g_rand_free(rand);
    (void)unlink(image);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("job-cancel");
    TCase *tcase = tcase_create("job-cancel");

    (void)argc;
    job_enter("bus/job-cancel", argv);
    tcase_set_timeout(tcase, 200);
    tcase_add_checked_fixture(tcase, job_set_up, job_tear_down);
    tcase_add_loop_test(tcase, cancel_of_a_repair, 0, 2);
    tcase_add_test(tcase, cancel_of_a_replay);
    tcase_add_test(tcase, cancel_before_its_turn);
    tcase_add_test(tcase, cancel_before_a_worker_is_free);
    tcase_add_test(tcase, cancel_of_a_write);
    tcase_add_test(tcase, cancel_of_a_read);
    tcase_add_test(tcase, cancel_at_any_moment);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/job-cancel", suite);
}
