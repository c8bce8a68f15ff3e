/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A worker that a hostile image took over: what it cannot do, and what the helper makes of what it
 * does. The worker misbehaves by image-worker/hooks.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "disk/loop.h"
#include "disk/worker-process.h"
#include "image-worker/hooks.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/worker-protocol.h"

#define MIB ((size_t)1 << 20)
#define CALL_MAX (20 * G_USEC_PER_SEC)
#define WORKER_TIMEOUT_MSEC "4000"

/* What the worker does, and what the caller learns. */
START_TEST(worker_misbehaves)
{
    static const struct {
        const char *hook;
        const char *error;
        const char *words;
    } cases[] = {
        {"crash", "OperationFailed", "the image worker was killed"},
        {"hang", "Timeout", "not done in time"},
        {"spin", "Timeout", "not done in time"},
        {"lie-magic", "OperationFailed", "makes no sense"},
        {"lie-length", "OperationFailed", "makes no sense"},
        {"lie-status", "OperationFailed", "makes no sense"},
        {"lie-short", "OperationFailed", "without an answer"},
    };
    g_autofree char *image = image_make("image", 4 * MIB, "");
    g_autofree char *hook = g_strconcat(BANGER_HOOK_PREFIX, cases[_i].hook, NULL);
    g_autofree char *message = NULL;
    g_autofree char *before = image_digest(image), *after = NULL;
    ImageFile file = {hook, "x", 1, 0};
    pid_t helper;

    ck_assert_str_eq(image_read(image, hook, NULL, &message), cases[_i].error);
    ck_assert_msg(strstr(message, cases[_i].words) != NULL, "%s", message);
    helper = rig_pid_of("org.banger.Helper1");
    ck_assert_str_eq(image_write(image, &file, 1, NULL), cases[_i].error);
    ck_assert_uint_le(image_count_workers(), 1); /* the next one waits */
    ck_assert_int_eq(rig_pid_of("org.banger.Helper1"), helper);
    after = image_digest(image);
    ck_assert_str_eq(before, after);
    file.path = "/fine";
    image_write_ok(image, &file, 1);
    (void)unlink(image);
}
END_TEST

/* A worker that stops while it writes. */
START_TEST(worker_hangs_in_commit)
{
    g_autofree char *image = image_make("image", 4 * MIB, "");
    g_autofree char *message = NULL;
    ImageFile file = {BANGER_HOOK_PREFIX "lie-committing", "x", 1, 0};

    ck_assert_str_eq(image_write(image, &file, 1, &message), "Timeout");
    ck_assert_msg(strstr(message, "may have been changed in part") != NULL, "%s", message);
    (void)unlink(image);
}
END_TEST

START_TEST(worker_eats_memory)
{
    g_autofree char *image = image_make("image", 4 * MIB, "");
    static const char expected[] = "refused: memory: errno 12\n";

    image_read_equals(image, BANGER_HOOK_PREFIX "memory", expected, strlen(expected));
    (void)unlink(image);
}
END_TEST

static const char *const probes[] = {
    "probe-code",   "probe-exec",        "probe-fork",    "probe-kill",
    "probe-mount",  "probe-open",        "probe-ptrace",  "probe-setuid",
    "probe-socket", "probe-unix-socket", "probe-unshare",
};

/* As libext2fs: each attempt is the end of the worker. */
START_TEST(sandbox_of_library)
{
    g_autofree char *image = image_make("image", 4 * MIB, "");
    g_autofree char *hook = g_strconcat(BANGER_HOOK_PREFIX, probes[_i], NULL);
    g_autofree char *message = NULL;

    ck_assert_str_eq(image_read(image, hook, NULL, &message), "OperationFailed");
    ck_assert_msg(strstr(message, "system call") != NULL, "%s", message);
    (void)unlink(image);
}
END_TEST

/* The image is written to within its size, and takes no more of the host's disk than that. */
START_TEST(sandbox_bounds_the_image)
{
    g_autofree char *image = image_make("image", 4 * MIB, "");
    ImageFile file = {BANGER_HOOK_PREFIX "probe-allocate", "x", 1, 0};
    struct stat st;

    ck_assert_str_eq(image_write(image, &file, 1, NULL), "OperationFailed");
    ck_assert_int_eq(stat(image, &st), 0);
    ck_assert_int_eq(st.st_size, 4 * MIB);
    ck_assert_int_le(st.st_blocks, (4 + 2) * MIB / 512);
    file.path = "/fine";
    image_write_ok(image, &file, 1);
    (void)unlink(image);
}
END_TEST

/* A reader does not wait until what others wrote to the image is on the disk. */
START_TEST(sandbox_of_readers_flushes_nothing)
{
    g_autofree char *image = image_make("image", 4 * MIB, "");
    static const char expected[] = "refused: probe-flush: errno 30\n";

    image_read_equals(image, BANGER_HOOK_PREFIX "probe-flush", expected, strlen(expected));
    (void)unlink(image);
}
END_TEST

START_TEST(sandbox_has_no_other_descriptor)
{
    g_autofree char *image = image_make("image", 4 * MIB, "");
    static const char expected[] = "refused: probe-write: errno 9\n";

    image_read_equals(image, BANGER_HOOK_PREFIX "probe-write", expected, strlen(expected));
    (void)unlink(image);
}
END_TEST

/* Starts a worker that runs the hook @probe in the place of e2fsck, on a loop device. */
static int
start_in_cage(const char *probe, BangerWorker *worker, char **ret_device)
{
    BangerSettings settings = image_settings_of_owner();
    g_autofree char *image = image_make("image", 4 * MIB, "");
    banger_autofd int fd = open(image, O_RDWR | O_CLOEXEC);
    banger_autofd int loop = banger_loop_attach(fd, image, false, ret_device, NULL);

    ck_assert_int_ge(loop, 0);
    ck_assert(banger_worker_start(worker, &settings, probe, loop, CALL_MAX, NULL));
    (void)unlink(image);
    return banger_steal_fd(&loop);
}

/* What @probe could do there. */
static char *
probe_cage(const char *probe)
{
    g_auto(BangerWorker) worker = BANGER_WORKER_INIT;
    g_autofree char *device = NULL;
    banger_autofd int loop = start_in_cage(probe, &worker, &device);
    BangerWorkerReply reply;
    char *answer;
    int status;

    ck_assert_int_ge(loop, 0);
    ck_assert(banger_worker_receive(&worker, &reply, sizeof reply, NULL));
    ck_assert_uint_lt(reply.length, 256);
    answer = g_malloc0(reply.length + 1);
    ck_assert(banger_worker_receive(&worker, answer, reply.length, NULL));
    ck_assert(banger_worker_wait(&worker, &status, NULL));
    return answer;
}

START_TEST(sandbox_of_e2fsck)
{
    g_autofree char *answer = NULL;

    if (g_str_equal(probes[_i], "probe-code")) /* a program must be loaded there */
        return;
    answer = probe_cage(probes[_i]);
    ck_assert_msg(g_str_has_prefix(answer, "refused: "), "%s", answer);
}
END_TEST

/* What libext2fs gets a no for, and e2fsck might have needed some of. */
START_TEST(sandbox_of_e2fsck_requests)
{
    static const char *const requests[] = {"probe-loop", "probe-signal-flag", "probe-signal-number",
                                           "probe-signal-owner"};

    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        g_autofree char *expected = g_strdup_printf("refused: %s: errno %d\n", requests[i], EPERM);
        g_autofree char *answer = probe_cage(requests[i]);

        ck_assert_str_eq(answer, expected);
    }
}
END_TEST

START_TEST(sandbox_of_e2fsck_threads)
{
    g_autofree char *expected = g_strdup_printf("refused: probe-threads: errno %d\n", EAGAIN);
    g_autofree char *answer = probe_cage("probe-threads");

    ck_assert_str_eq(answer, expected);
}
END_TEST

/* A helper whose unit gives it a low priority may check images all the same. */
START_TEST(sandbox_of_e2fsck_below_its_priority)
{
    g_autofree char *answer = NULL;

    /* As the helper's unit, so that the worker has no right to raise a priority. */
    ck_assert_int_eq(prctl(PR_CAPBSET_DROP, CAP_SYS_NICE), 0);
    ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, 15), 0);
    answer = probe_cage("probe-write");
    ck_assert_msg(g_str_has_prefix(answer, "refused: probe-write"), "%s", answer);
}
END_TEST

/* What never stops talking is stopped when its time is over. */
START_TEST(time_is_over_while_it_talks)
{
    g_auto(BangerWorker) worker = BANGER_WORKER_INIT;
    g_autofree char *device = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    banger_autofd int loop = start_in_cage("babble", &worker, &device);

    ck_assert(!banger_worker_receive_check(&worker, 1024, text, &error));
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_TIMEOUT));
    ck_assert_uint_le(text->len, 1024);
    ck_assert_int_ge(loop, 0);
}
END_TEST

START_TEST(sandbox_of_e2fsck_descriptors)
{
    g_autofree char *answer = probe_cage("probe-write");

    ck_assert_msg(g_str_has_prefix(answer, "refused: "), "%s", answer);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("image-cage");
    TCase *tcase = tcase_create("cage");

    (void)argc;
    (void)g_setenv("BANGER_IMAGE_TIMEOUT_MSEC", WORKER_TIMEOUT_MSEC, TRUE);
    image_enter("bus/image-cage", argv, NULL);
    tcase_set_timeout(tcase, 400);
    tcase_add_loop_test(tcase, worker_misbehaves, 0, 7);
    tcase_add_test(tcase, worker_hangs_in_commit);
    tcase_add_test(tcase, worker_eats_memory);
    tcase_add_loop_test(tcase, sandbox_of_library, 0, G_N_ELEMENTS(probes));
    tcase_add_test(tcase, sandbox_bounds_the_image);
    tcase_add_test(tcase, sandbox_of_readers_flushes_nothing);
    tcase_add_test(tcase, sandbox_has_no_other_descriptor);
    tcase_add_loop_test(tcase, sandbox_of_e2fsck, 0, G_N_ELEMENTS(probes));
    tcase_add_test(tcase, sandbox_of_e2fsck_requests);
    tcase_add_test(tcase, sandbox_of_e2fsck_below_its_priority);
    tcase_add_test(tcase, sandbox_of_e2fsck_threads);
    tcase_add_test(tcase, time_is_over_while_it_talks);
    tcase_add_test(tcase, sandbox_of_e2fsck_descriptors);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/image-cage", suite);
}
