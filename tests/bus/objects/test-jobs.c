/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs: their properties and signals, who may cancel them, and what becomes of them when the helper
 * is stopped.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bus/objects/job-fixture.h"
#include "util/fd.h"
#include "util/settings.h"

#define MIB ((uint64_t)1 << 20)
#define DENIED "org.freedesktop.DBus.Error.AccessDenied"

/* Every property, while the call runs, and nothing after it. */
START_TEST(properties)
{
    g_autofree char *image = image_make("image", 16 * MIB, "-t ext4");
    g_autofree char *path = NULL, *since = NULL, *xml = NULL;
    const gint64 before = g_get_real_time();
    RigPending *pending;
    pid_t worker;

    job_stop_workers("verify", true);
    pending = job_start_check(image, false, "op-job");
    worker = job_wait_for_stopped();
    path = job_wait_for("OpId", "op-job");
    ck_assert(g_str_has_prefix(path, BANGER_OBJECT_PATH "/jobs/_3"));
    objects_assert(job_other, path, OBJECT_JOB, "Method", "CheckImage");
    objects_assert(job_other, path, OBJECT_JOB, "Object", "");
    objects_assert(job_other, path, OBJECT_JOB, "CallerUID", G_STRINGIFY(RIG_UID_OWNER));
    objects_assert(job_other, path, OBJECT_JOB, "Step", "checking");
    objects_assert(job_other, path, OBJECT_JOB, "Progress", "-1.00");
    since = objects_get(job_other, path, OBJECT_JOB, "Since");
    ck_assert_int_ge(g_ascii_strtoll(since, NULL, 10), before);
    ck_assert_int_le(g_ascii_strtoll(since, NULL, 10), g_get_real_time());
    xml = objects_introspect(job_other, path);
    ck_assert_ptr_nonnull(strstr(xml, OBJECT_JOB));
    job_stop_workers("verify", false);
    ck_assert_int_eq(kill(worker, SIGCONT), 0);
    job_assert_done(pending);
    ck_assert(job_are_gone());
    objects_assert(job_other, path, OBJECT_JOB, "Step", NULL);
    ck_assert_str_eq(job_cancel(job_owner, path), "org.freedesktop.DBus.Error.UnknownObject");
    (void)unlink(image);
}
END_TEST

/* The signals, for who is subscribed, in their order; those of calls that last no time too. */
START_TEST(signals_of_jobs)
{
    g_autofree char *image = image_make("image", 256 * MIB, "-t ext4");
    g_autofree char *added = NULL, *removed = NULL, *changed = NULL, *path = NULL;
    ObjectSignals *signals = objects_signals_new(job_other);
    RigPending *pending;
    pid_t worker;

    objects_subscribe(job_other);
    job_stop_workers("verify", true);
    pending = job_start_check(image, false, "op-signals");
    worker = job_wait_for_stopped();
    path = job_wait_for("OpId", "op-signals");
    added = g_strdup_printf("InterfacesAdded %s " OBJECT_JOB, path);
    removed = g_strdup_printf("InterfacesRemoved %s " OBJECT_JOB, path);
    changed = g_strdup_printf("PropertiesChanged %s Progress=-1.00 Step=checking", path);
    objects_signals_wait(signals, added);
    objects_signals_wait(signals, changed);
    ck_assert_uint_eq(objects_signals_count(signals, "InterfacesRemoved"), 0);
    job_stop_workers("verify", false);
    ck_assert_int_eq(kill(worker, SIGCONT), 0);
    job_assert_done(pending);
    objects_signals_wait(signals, removed);
    for (int i = 0; i < 5; i++)
        job_assert_done(job_start_check(image, false, ""));
    rig_bus_handle(job_other);
    ck_assert_uint_eq(objects_signals_count(signals, "InterfacesAdded " BANGER_OBJECT_PATH "/jobs"),
                      6);
    ck_assert_uint_eq(
        objects_signals_count(signals, "InterfacesRemoved " BANGER_OBJECT_PATH "/jobs"), 6);
    objects_signals_free(signals);
    (void)unlink(image);
}
END_TEST

static bool
has_progress(void *data)
{
    g_autofree char *text = objects_get(job_other, data, OBJECT_JOB, "Progress");

    ck_assert_ptr_nonnull(text);
    return g_ascii_strtod(text, NULL) > 0;
}

/* Content as far as the reader of a pipe lets it come: the progress is that of its bytes. */
START_TEST(progress_of_content)
{
    g_autofree char *image = image_make("image", 64 * MIB, "-t ext4");
    g_autofree char *data = image_bytes(21, 40 * MIB), *path = NULL, *progress = NULL;
    g_autofree char *rest = g_malloc(40 * MIB);
    banger_autofd int content = memfd_create("content", MFD_CLOEXEC);
    sd_bus_message *message = rig_message_new(job_owner, "ReadExt4FileTo");
    RigPending *pending;
    uint64_t got = 0;
    ssize_t n = 1;
    int ends[2];

    ck_assert_int_eq(write(content, data, 40 * MIB), (ssize_t)(40 * MIB));
    job_assert_done(job_start_write(image, content, ""));
    job_make_pipe(ends);
    ck_assert_int_ge(sd_bus_message_append(message, "sshs", image, "/f", ends[1], "op-read"), 0);
    pending = rig_call_start(job_owner, message);
    (void)close(ends[1]);
    path = job_wait_for("OpId", "op-read");
    while (got < 20 * MIB) {
        n = read(ends[0], rest, MIB);
        ck_assert_int_gt(n, 0);
        got += (uint64_t)n;
    }
    rig_wait_for(has_progress, path, "progress");
    objects_assert(job_other, path, OBJECT_JOB, "Step", "reading");
    progress = objects_get(job_other, path, OBJECT_JOB, "Progress");
    ck_assert_double_ge(g_ascii_strtod(progress, NULL), 0.4);
    ck_assert_double_le(g_ascii_strtod(progress, NULL), 0.6);
    while ((n = read(ends[0], rest, MIB)) > 0)
        got += (uint64_t)n;
    ck_assert_uint_eq(got, 40 * MIB);
    job_assert_done(pending);
    (void)close(ends[0]);
    (void)unlink(image);
}
END_TEST

/* A stranger, and another member of the group, may not; the caller and root may. */
START_TEST(who_may_cancel)
{
    static const unsigned int uids[] = {RIG_UID_OWNER, 0};
    g_autofree char *image = image_make("image", 16 * MIB, "-t ext4");
    g_autofree char *before = image_digest(image), *after = NULL, *path = NULL;
    g_autofree char *op_id = g_strdup_printf("op-who-%u", uids[_i]);
    sd_bus *member = rig_bus_open(RIG_UID_MEMBER);
    RigPending *pending;

    job_stop_workers("verify", true);
    pending = job_start_check(image, _i == 0, op_id);
    (void)job_wait_for_stopped();
    path = job_wait_for("OpId", op_id);
    ck_assert_str_eq(job_cancel(job_other, path), DENIED);
    ck_assert_str_eq(job_cancel(member, path), DENIED);
    ck_assert_ptr_null(job_cancel(uids[_i] == 0 ? image_bus() : job_owner, path));
    job_assert_cancelled(pending, uids[_i], op_id);
    job_stop_workers("verify", false);
    after = image_digest(image);
    ck_assert_str_eq(after, before);
    image_assert_no_loops(image);
    sd_bus_flush_close_unref(member);
    (void)unlink(image);
}
END_TEST

/* A helper that is stopped cancels what can be undone, whoever waits for it; the rest completes. */
START_TEST(stop_of_the_helper)
{
    g_autofree char *image = image_make("image", 16 * MIB, "-t ext4");
    g_autofree char *broken = image_make("broken", 16 * MIB, "-t ext4");
    g_autofree char *before = image_digest(image), *after = NULL;
    RigPending *first, *second, *repair;
    pid_t helper, worker, mending;

    g_free(image_run_words(NULL, "debugfs", "-w", "-R", "clri /lost+found", broken));
    job_stop_workers("verify", true);
    first = job_start_check(image, false, "op-first");
    worker = job_wait_for_stopped();
    second = job_start_check(image, false, "op-second");
    g_free(job_wait_for("OpId", "op-second"));
    job_stop_workers("verify", false);
    job_stop_workers("check", true);
    repair = job_start_check(broken, true, "op-repair");
    mending = job_wait_for_stopped();
    g_free(job_wait_for("Step", "repairing"));
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_eq(kill(helper, SIGTERM), 0);
    for (int i = 0; i < 2; i++) {
        RigPending *pending = i == 0 ? first : second;

        rig_pending_wait(job_owner, pending);
        ck_assert_str_eq(pending->error_name, RIG_ERROR("OperationFailed"));
        ck_assert_ptr_nonnull(strstr(pending->error_message, "the helper is stopping"));
        rig_pending_free(pending);
    }
    ck_assert(!repair->done);
    ck_assert_int_eq(kill(mending, SIGCONT), 0);
    job_assert_done(repair);
    rig_wait_pid_gone(helper);
    ck_assert(kill(worker, 0) < 0);
    job_stop_workers("check", false);
    after = image_digest(image);
    ck_assert_str_eq(after, before);
    image_check_clean(broken);
    (void)unlink(image);
    (void)unlink(broken);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("jobs");
    TCase *tcase = tcase_create("jobs");

    (void)argc;
    job_enter("bus/jobs", argv);
    tcase_set_timeout(tcase, 200);
    tcase_add_checked_fixture(tcase, job_set_up, job_tear_down);
    tcase_add_test(tcase, properties);
    tcase_add_test(tcase, signals_of_jobs);
    tcase_add_test(tcase, progress_of_content);
    tcase_add_loop_test(tcase, who_may_cancel, 0, 2);
    tcase_add_test(tcase, stop_of_the_helper);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/jobs", suite);
}
