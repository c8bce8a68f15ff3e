/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/objects/job-fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/settings.h"

#define SCRIPT "/run/job-worker"
#define STOPPED BANGER_STATE_DIRECTORY "/stopped"

sd_bus *job_owner;
sd_bus *job_other;

void
job_enter(const char *program, char **argv)
{
    (void)g_setenv("BANGER_IMAGE_WORKER", SCRIPT, TRUE);
    rig_enter(program, argv, NULL);
}

void
job_set_up(void)
{
    job_owner = rig_bus_open(RIG_UID_OWNER);
    job_other = rig_bus_open(RIG_UID_STRANGER);
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

void
job_tear_down(void)
{
    sd_bus_flush_close_unref(job_owner);
    sd_bus_flush_close_unref(job_other);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
}

void
job_stop_workers(const char *command, bool stop)
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

pid_t
job_wait_for_stopped(void)
{
    pid_t pid = 0;

    rig_wait_for(is_stopped, &pid, "a worker that stopped");
    (void)unlink(STOPPED);
    return pid;
}

bool
job_find(void *data)
{
    JobWanted *wanted = data;
    g_autoptr(GHashTable) managed = objects_managed(job_other);
    g_autofree char *end = g_strdup_printf(" " OBJECT_JOB ".%s", wanted->property);
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, managed);
    while (g_hash_table_iter_next(&iter, &key, &value))
        if (g_str_has_suffix(key, end) && strcmp(value, wanted->value) == 0)
            wanted->path = g_strndup(key, strlen(key) - strlen(end));
    return wanted->path != NULL;
}

char *
job_wait_for(const char *property, const char *value)
{
    JobWanted wanted = {property, value, NULL};

    rig_wait_for(job_find, &wanted, value);
    return wanted.path;
}

bool
job_are_gone(void)
{
    g_autofree char *text = objects_introspect(job_other, BANGER_OBJECT_PATH "/jobs");

    return strstr(text, "<node name") == NULL;
}

const char *
job_cancel(sd_bus *bus, const char *path)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    const char *name = NULL;

    if (sd_bus_call_method(bus, BANGER_BUS_NAME, path, OBJECT_JOB, "Cancel", &error, NULL, "") < 0)
        name = g_intern_string(error.name);
    sd_bus_error_free(&error);
    return name;
}

RigPending *
job_start_check(const char *image, bool repair, const char *op_id)
{
    sd_bus_message *message = rig_message_new(job_owner, "CheckImage");

    ck_assert_int_ge(sd_bus_message_append(message, "sbs", image, repair, op_id), 0);
    return rig_call_start(job_owner, message);
}

RigPending *
job_start_write(const char *image, int fd, const char *op_id)
{
    sd_bus_message *message = rig_message_new(job_owner, "WriteExt4FilesFrom");

    ck_assert_int_ge(
        sd_bus_message_append(message, "sa(shu)s", image, 1, "/f", fd, (uint32_t)0, op_id), 0);
    return rig_call_start(job_owner, message);
}

void
job_assert_cancelled(RigPending *pending, unsigned int uid, const char *op_id)
{
    g_autofree char *words = g_strdup_printf("uid %u cancelled it", uid);
    GHashTable *record;

    rig_pending_wait(job_owner, pending);
    ck_assert_str_eq(pending->error_name, RIG_ERROR("OperationFailed"));
    ck_assert_msg(strstr(pending->error_message, words) != NULL, "%s", pending->error_message);
    rig_pending_free(pending);
    record = rig_journal_wait(op_id);
    ck_assert_ptr_nonnull(strstr(g_hash_table_lookup(record, "ERROR"), words));
    g_hash_table_unref(record);
    ck_assert(job_are_gone());
}

void
job_assert_done(RigPending *pending)
{
    rig_pending_wait(job_owner, pending);
    ck_assert_msg(pending->error_name == NULL, "%s: %s", pending->error_name,
                  pending->error_message);
    rig_pending_free(pending);
}

void
job_make_pipe(int ends[2])
{
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
}
