/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs: their properties and signals, who may cancel them, and what is left then. The worker is
 * started by a script that stops itself when a file says so, so each stage lasts as long as it
 * must.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "bus/objects/objects-client.h"
#include "util/fd.h"
#include "util/settings.h"

#define MIB ((uint64_t)1 << 20)
#define SCRIPT "/run/job-worker"
#define STOPPED BANGER_STATE_DIRECTORY "/stopped"
#define DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define STREAMS 4U /* that run at once (disk/worker-slots.c) */

static sd_bus *owner; /* who makes the calls */
static sd_bus *other; /* who looks, and may not cancel */

static void
set_up(void)
{
    owner = rig_bus_open(RIG_UID_OWNER);
    other = rig_bus_open(RIG_UID_STRANGER);
    (void)unlink(STOPPED);
    ck_assert(g_file_set_contents(SCRIPT,
                                  "#!/bin/sh\n"
                                  "if [ -e " BANGER_STATE_DIRECTORY "/stop-$1 ]; then\n"
                                  "    echo $$ > " STOPPED ".new && mv " STOPPED ".new " STOPPED
                                  " && kill -STOP $$\n"
                                  "fi\n"
                                  "exec " BANGER_LIBEXECDIR "/banger-image-worker \"$@\"\n",
                                  -1, NULL));
    ck_assert_int_eq(chmod(SCRIPT, 0755), 0);
}

static void
tear_down(void)
{
    sd_bus_flush_close_unref(owner);
    sd_bus_flush_close_unref(other);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
}

/* Whether the workers of @command are to stop at their start. */
static void
stop_workers(const char *command, bool stop)
{
    g_autofree char *name = g_strconcat("stop-", command, NULL);
    g_autofree char *path = image_path_of(name);

    (void)unlink(path);
    if (stop)
        ck_assert(g_file_set_contents(path, "", 0, NULL));
}

static bool
is_stopped(void *data)
{
    pid_t *pid = data;
    g_autofree char *text = NULL, *path = NULL, *state = NULL;

    if (!g_file_get_contents(STOPPED, &text, NULL, NULL))
        return false;
    *pid = (pid_t)g_ascii_strtoll(text, NULL, 10);
    path = g_strdup_printf("/proc/%d/stat", *pid);
    return g_file_get_contents(path, &state, NULL, NULL) && strstr(state, ") T ") != NULL;
}

/* Waits for the one that has stopped. */
static pid_t
wait_for_stopped(void)
{
    pid_t pid = 0;

    rig_wait_for(is_stopped, &pid, "a worker that stopped");
    (void)unlink(STOPPED);
    return pid;
}

typedef struct {
    const char *property;
    const char *value;
    char *path;
} Wanted;

/* Keeps the path of the job whose property has the value. */
static bool
find_job(void *data)
{
    Wanted *wanted = data;
    g_autoptr(GHashTable) managed = objects_managed(other);
    g_autofree char *end = g_strdup_printf(" " OBJECT_JOB ".%s", wanted->property);
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, managed);
    while (g_hash_table_iter_next(&iter, &key, &value))
        if (g_str_has_suffix(key, end) && strcmp(value, wanted->value) == 0)
            wanted->path = g_strndup(key, strlen(key) - strlen(end));
    return wanted->path != NULL;
}

static char *
wait_for_job(const char *property, const char *value)
{
    Wanted wanted = {property, value, NULL};

    rig_wait_for(find_job, &wanted, value);
    return wanted.path;
}

static bool
are_gone(void *data)
{
    g_autofree char *text = objects_introspect(other, BANGER_OBJECT_PATH "/jobs");

    (void)data;
    return strstr(text, "<node name") == NULL;
}

/* The name of the error, or NULL. */
static const char *
cancel(sd_bus *bus, const char *path)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    const char *name = NULL;

    if (sd_bus_call_method(bus, BANGER_BUS_NAME, path, OBJECT_JOB, "Cancel", &error, NULL, "") < 0)
        name = g_intern_string(error.name);
    sd_bus_error_free(&error);
    return name;
}

static RigPending *
start_check(const char *image, bool repair, const char *op_id)
{
    sd_bus_message *message = rig_message_new(owner, "CheckImage");

    ck_assert_int_ge(sd_bus_message_append(message, "sbs", image, repair, op_id), 0);
    return rig_call_start(owner, message);
}

static RigPending *
start_write(const char *image, int fd, const char *op_id)
{
    sd_bus_message *message = rig_message_new(owner, "WriteExt4FilesFrom");

    ck_assert_int_ge(
        sd_bus_message_append(message, "sa(shu)s", image, 1, "/f", fd, (uint32_t)0, op_id), 0);
    return rig_call_start(owner, message);
}

/* Requires that the call was cancelled by @uid. */
static void
was_cancelled(RigPending *pending, unsigned int uid, const char *op_id)
{
    g_autofree char *words = g_strdup_printf("uid %u cancelled it", uid);
    GHashTable *record;

    rig_pending_wait(owner, pending);
    ck_assert_str_eq(pending->error_name, RIG_ERROR("OperationFailed"));
    ck_assert_msg(strstr(pending->error_message, words) != NULL, "%s", pending->error_message);
    rig_pending_free(pending);
    record = rig_journal_wait(op_id);
    ck_assert_ptr_nonnull(strstr(g_hash_table_lookup(record, "ERROR"), words));
    g_hash_table_unref(record);
    ck_assert(are_gone(NULL));
}

static void
was_done(RigPending *pending)
{
    rig_pending_wait(owner, pending);
    ck_assert_msg(pending->error_name == NULL, "%s: %s", pending->error_name,
                  pending->error_message);
    rig_pending_free(pending);
}

static void
make_pipe(int ends[2])
{
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
}

/* Every property, while the call runs, and nothing after it. */
START_TEST(properties)
{
    g_autofree char *image = image_make("image", 16 * MIB, "-t ext4");
    g_autofree char *path = NULL, *since = NULL, *xml = NULL;
    const gint64 before = g_get_real_time();
    RigPending *pending;
    pid_t worker;

    stop_workers("verify", true);
    pending = start_check(image, false, "op-job");
    worker = wait_for_stopped();
    path = wait_for_job("OpId", "op-job");
    ck_assert(g_str_has_prefix(path, BANGER_OBJECT_PATH "/jobs/_3"));
    objects_assert(other, path, OBJECT_JOB, "Method", "CheckImage");
    objects_assert(other, path, OBJECT_JOB, "Object", "");
    objects_assert(other, path, OBJECT_JOB, "CallerUID", G_STRINGIFY(RIG_UID_OWNER));
    objects_assert(other, path, OBJECT_JOB, "Step", "checking");
    objects_assert(other, path, OBJECT_JOB, "Progress", "-1.00");
    since = objects_get(other, path, OBJECT_JOB, "Since");
    ck_assert_int_ge(g_ascii_strtoll(since, NULL, 10), before);
    ck_assert_int_le(g_ascii_strtoll(since, NULL, 10), g_get_real_time());
    xml = objects_introspect(other, path);
    ck_assert_ptr_nonnull(strstr(xml, OBJECT_JOB));
    stop_workers("verify", false);
    ck_assert_int_eq(kill(worker, SIGCONT), 0);
    was_done(pending);
    ck_assert(are_gone(NULL));
    objects_assert(other, path, OBJECT_JOB, "Step", NULL);
    ck_assert_str_eq(cancel(owner, path), "org.freedesktop.DBus.Error.UnknownObject");
    (void)unlink(image);
}
END_TEST

/* The signals, for who is subscribed, in their order; those of calls that last no time too. */
START_TEST(signals_of_jobs)
{
    g_autofree char *image = image_make("image", 256 * MIB, "-t ext4");
    g_autofree char *added = NULL, *removed = NULL, *changed = NULL, *path = NULL;
    ObjectSignals *signals = objects_signals_new(other);
    RigPending *pending;
    pid_t worker;

    objects_subscribe(other);
    stop_workers("verify", true);
    pending = start_check(image, false, "op-signals");
    worker = wait_for_stopped();
    path = wait_for_job("OpId", "op-signals");
    added = g_strdup_printf("InterfacesAdded %s " OBJECT_JOB, path);
    removed = g_strdup_printf("InterfacesRemoved %s " OBJECT_JOB, path);
    changed = g_strdup_printf("PropertiesChanged %s Progress=-1.00 Step=checking", path);
    objects_signals_wait(signals, added);
    objects_signals_wait(signals, changed);
    ck_assert_uint_eq(objects_signals_count(signals, "InterfacesRemoved"), 0);
    stop_workers("verify", false);
    ck_assert_int_eq(kill(worker, SIGCONT), 0);
    was_done(pending);
    objects_signals_wait(signals, removed);
    for (int i = 0; i < 5; i++)
        was_done(start_check(image, false, ""));
    rig_bus_handle(other);
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
    g_autofree char *text = objects_get(other, data, OBJECT_JOB, "Progress");

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
    sd_bus_message *message = rig_message_new(owner, "ReadExt4FileTo");
    RigPending *pending;
    uint64_t got = 0;
    ssize_t n = 1;
    int ends[2];

    ck_assert_int_eq(write(content, data, 40 * MIB), (ssize_t)(40 * MIB));
    was_done(start_write(image, content, ""));
    make_pipe(ends);
    ck_assert_int_ge(sd_bus_message_append(message, "sshs", image, "/f", ends[1], "op-read"), 0);
    pending = rig_call_start(owner, message);
    (void)close(ends[1]);
    path = wait_for_job("OpId", "op-read");
    while (got < 20 * MIB) {
        n = read(ends[0], rest, MIB);
        ck_assert_int_gt(n, 0);
        got += (uint64_t)n;
    }
    rig_wait_for(has_progress, path, "progress");
    objects_assert(other, path, OBJECT_JOB, "Step", "reading");
    progress = objects_get(other, path, OBJECT_JOB, "Progress");
    ck_assert_double_ge(g_ascii_strtod(progress, NULL), 0.4);
    ck_assert_double_le(g_ascii_strtod(progress, NULL), 0.6);
    while ((n = read(ends[0], rest, MIB)) > 0)
        got += (uint64_t)n;
    ck_assert_uint_eq(got, 40 * MIB);
    was_done(pending);
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

    stop_workers("verify", true);
    pending = start_check(image, _i == 0, op_id);
    (void)wait_for_stopped();
    path = wait_for_job("OpId", op_id);
    ck_assert_str_eq(cancel(other, path), DENIED);
    ck_assert_str_eq(cancel(member, path), DENIED);
    ck_assert_ptr_null(cancel(uids[_i] == 0 ? image_bus() : owner, path));
    was_cancelled(pending, uids[_i], op_id);
    stop_workers("verify", false);
    after = image_digest(image);
    ck_assert_str_eq(after, before);
    ck_assert_uint_eq(image_count_loops(image), 0);
    sd_bus_flush_close_unref(member);
    (void)unlink(image);
}
END_TEST

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
    stop_workers("verify", true);
    pending = start_check(image, true, op_id);
    (void)wait_for_stopped();
    path = wait_for_job("Step", "checking");
    ck_assert_ptr_null(cancel(owner, path));
    was_cancelled(pending, RIG_UID_OWNER, op_id);
    stop_workers("verify", false);
    after = image_digest(image);
    ck_assert_str_eq(after, before);

    stop_workers("check", true);
    pending = start_check(image, true, "op-mend");
    worker = wait_for_stopped();
    second = wait_for_job("Step", "repairing");
    ck_assert_str_eq(cancel(owner, second), RIG_ERROR("Busy"));
    ck_assert_str_eq(cancel(image_bus(), second), RIG_ERROR("Busy"));
    stop_workers("check", false);
    ck_assert_int_eq(kill(worker, SIGCONT), 0);
    was_done(pending);
    image_check_clean(image);
    ck_assert_uint_eq(image_count_loops(image), 0);
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
    stop_workers("recover", true);
    pending = start_write(image, content, "op-replay");
    worker = wait_for_stopped();
    path = wait_for_job("Step", "replaying the journal");
    ck_assert_ptr_null(cancel(owner, path));
    objects_assert(other, path, OBJECT_JOB, "Step", "replaying the journal");
    stop_workers("recover", false);
    ck_assert_int_eq(kill(worker, SIGCONT), 0);
    was_cancelled(pending, RIG_UID_OWNER, "op-replay");
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

    stop_workers("verify", true);
    first = start_check(image, false, "op-first");
    worker = wait_for_stopped();
    second = start_check(image, false, "op-second");
    third = start_check(image, false, "op-third");
    path = wait_for_job("OpId", "op-second");
    objects_assert(other, path, OBJECT_JOB, "Step", "waiting");
    ck_assert_ptr_null(cancel(owner, path));
    rig_pending_wait(owner, second);
    ck_assert_str_eq(second->error_name, RIG_ERROR("OperationFailed"));
    ck_assert(!first->done && !third->done);
    rig_pending_free(second);
    stop_workers("verify", false);
    ck_assert_int_eq(kill(worker, SIGCONT), 0);
    was_done(first);
    was_done(third);
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
    stop_workers("verify", true);
    first = start_check(image, false, "op-first");
    worker = wait_for_stopped();
    second = start_check(image, false, "op-second");
    g_free(wait_for_job("OpId", "op-second"));
    stop_workers("verify", false);
    stop_workers("check", true);
    repair = start_check(broken, true, "op-repair");
    mending = wait_for_stopped();
    g_free(wait_for_job("Step", "repairing"));
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_eq(kill(helper, SIGTERM), 0);
    for (int i = 0; i < 2; i++) {
        RigPending *pending = i == 0 ? first : second;

        rig_pending_wait(owner, pending);
        ck_assert_str_eq(pending->error_name, RIG_ERROR("OperationFailed"));
        ck_assert_ptr_nonnull(strstr(pending->error_message, "the helper is stopping"));
        rig_pending_free(pending);
    }
    ck_assert(!repair->done);
    ck_assert_int_eq(kill(mending, SIGCONT), 0);
    was_done(repair);
    rig_wait_pid_gone(helper);
    ck_assert(kill(worker, 0) < 0);
    stop_workers("check", false);
    after = image_digest(image);
    ck_assert_str_eq(after, before);
    image_check_clean(broken);
    (void)unlink(image);
    (void)unlink(broken);
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
        make_pipe(ends[i]);
        pending[i] = start_write(images[i], ends[i][0], op);
        g_free(wait_for_job("OpId", op));
    }
    op_id = g_strdup_printf("op-slot-%u", STREAMS);
    path = wait_for_job("OpId", op_id);
    ck_assert_ptr_null(cancel(owner, path));
    rig_pending_wait(owner, pending[STREAMS]);
    ck_assert_str_eq(pending[STREAMS]->error_name, RIG_ERROR("OperationFailed"));
    rig_pending_free(pending[STREAMS]);
    for (unsigned int i = 0; i <= STREAMS; i++) {
        (void)close(ends[i][1]);
        if (i < STREAMS)
            was_done(pending[i]);
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
    make_pipe(ends);
    pending = start_write(image, ends[0], "op-write");
    (void)close(ends[0]);
    path = wait_for_job("Step", "writing");
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(write(ends[1], data, MIB), (ssize_t)MIB);
    ck_assert_ptr_null(cancel(owner, path));
    was_cancelled(pending, RIG_UID_OWNER, "op-write");
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
    sd_bus_message *message = rig_message_new(owner, "ReadExt4FileTo");
    RigPending *pending;
    int ends[2];

    image_write_ok(image, &(ImageFile){"/f", data, MIB, 0}, 1);
    before = image_digest(image);
    make_pipe(ends);
    ck_assert_int_ge(sd_bus_message_append(message, "sshs", image, "/f", ends[1], "op-read-end"),
                     0);
    pending = rig_call_start(owner, message);
    path = wait_for_job("Step", "reading");
    ck_assert_ptr_null(cancel(owner, path));
    was_cancelled(pending, RIG_UID_OWNER, "op-read-end");
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
        RigPending *pending = start_write(image, content, op_id);
        Wanted wanted = {"OpId", op_id, NULL};
        const char *refusal;

        g_usleep((unsigned long)g_rand_int_range(rand, 0, 60000));
        (void)find_job(&wanted);
        path = wanted.path;
        refusal = path != NULL ? cancel(owner, path) : "it has ended";
        rig_pending_wait(owner, pending);
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
    Suite *suite = suite_create("jobs");
    TCase *tcase = tcase_create("jobs");

    (void)argc;
    (void)g_setenv("BANGER_IMAGE_WORKER", SCRIPT, TRUE);
    rig_enter("bus/jobs", argv, NULL);
    tcase_set_timeout(tcase, 200);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, properties);
    tcase_add_test(tcase, signals_of_jobs);
    tcase_add_test(tcase, progress_of_content);
    tcase_add_loop_test(tcase, who_may_cancel, 0, 2);
    tcase_add_loop_test(tcase, cancel_of_a_repair, 0, 2);
    tcase_add_test(tcase, cancel_of_a_replay);
    tcase_add_test(tcase, cancel_before_its_turn);
    tcase_add_test(tcase, stop_of_the_helper);
    tcase_add_test(tcase, cancel_before_a_worker_is_free);
    tcase_add_test(tcase, cancel_of_a_write);
    tcase_add_test(tcase, cancel_of_a_read);
    tcase_add_test(tcase, cancel_at_any_moment);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/jobs", suite);
}
