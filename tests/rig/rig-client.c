/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rig/rig-client.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/settings.h"

#define EXIT_SKIPPED 77

gint64
rig_timeout_usec(void)
{
    const char *text = g_getenv("CK_TIMEOUT_MULTIPLIER");
    double multiplier = text == NULL ? 1 : g_ascii_strtod(text, NULL);

    return (gint64)(30 * G_USEC_PER_SEC * MAX(multiplier, 1));
}

static void
skip_program(const char *program, const char *reason)
{
    const char *path = g_getenv("BANGER_TEST_RESULTS");
    FILE *results = path == NULL ? NULL : fopen(path, "ae");

    (void)printf("%s: skipped: %s\n", program, reason);
    if (results != NULL) {
        (void)fprintf(results, "skip\t%s\t-\t%s\n", program, reason);
        (void)fclose(results);
    }
    exit(EXIT_SKIPPED);
}

void
rig_enter(const char *program, char **argv, const char *const *options)
{
    g_autoptr(GPtrArray) rig = g_ptr_array_new();

    if (g_getenv("BANGER_RIG_DIR") != NULL)
        return;
    if (geteuid() != 0)
        skip_program(program, "needs root");
    g_ptr_array_add(rig, (gpointer)RIG_PROGRAM);
    while (options != NULL && *options != NULL)
        g_ptr_array_add(rig, (gpointer)*options++);
    g_ptr_array_add(rig, (gpointer) "--");
    g_ptr_array_add(rig, g_file_read_link("/proc/self/exe", NULL));
    while (*++argv != NULL)
        g_ptr_array_add(rig, *argv);
    g_ptr_array_add(rig, NULL);
    (void)execv(RIG_PROGRAM, (char **)rig->pdata);
    g_error("%s: %s", RIG_PROGRAM, g_strerror(errno));
}

/* The effective uid, gid and groups of this process become those of @user. */
static void
become(const struct passwd *user)
{
    ck_assert_int_eq(initgroups(user->pw_name, user->pw_gid), 0);
    ck_assert_int_eq(setegid(user->pw_gid), 0);
    ck_assert_int_eq(seteuid(user->pw_uid), 0);
}

static void
become_root(void)
{
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(setegid(0), 0);
    ck_assert_int_eq(setgroups(0, NULL), 0);
    (void)prctl(PR_SET_DUMPABLE, 1); /* cleared by the change of uid; leak checkers need it */
}

sd_bus *
rig_bus_try_open(uid_t uid)
{
    const struct passwd *user = getpwuid(uid);
    sd_bus *bus = NULL;
    int r;

    ck_assert_msg(user != NULL, "the rig has no user %u", uid);
    ck_assert_int_ge(sd_bus_new(&bus), 0);
    ck_assert_int_ge(sd_bus_set_address(bus, g_getenv("DBUS_SYSTEM_BUS_ADDRESS")), 0);
    ck_assert_int_ge(sd_bus_set_bus_client(bus, true), 0);
    (void)sd_bus_set_method_call_timeout(bus, (uint64_t)rig_timeout_usec());
    /* The bus asks the kernel who connected at the moment of connect(2) (SO_PEERCRED). */
    become(user);
    r = sd_bus_start(bus);
    become_root();
    /* Waits for the answer to Hello, without which the bus knows no name to answer to. */
    if (r >= 0)
        r = sd_bus_get_unique_name(bus, &(const char *){NULL});
    if (r < 0)
        return sd_bus_close_unref(bus);
    return bus;
}

sd_bus *
rig_bus_open(uid_t uid)
{
    sd_bus *bus = rig_bus_try_open(uid);

    ck_assert_msg(bus != NULL, "uid %u cannot connect to the bus", uid);
    return bus;
}

sd_bus_message *
rig_message_new(sd_bus *bus, const char *member)
{
    sd_bus_message *message = NULL;

    ck_assert_int_ge(sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME,
                                                    BANGER_OBJECT_PATH, BANGER_INTERFACE, member),
                     0);
    return message;
}

sd_bus_message *
rig_call_message(sd_bus *bus, sd_bus_message *message, sd_bus_error *error)
{
    sd_bus_error own_error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    int r = sd_bus_call(bus, message, (uint64_t)rig_timeout_usec(),
                        error == NULL ? &own_error : error, &reply);

    if (r < 0 && error == NULL)
        ck_abort_msg("%s: %s: %s", sd_bus_message_get_member(message), own_error.name,
                     own_error.message);
    sd_bus_message_unref(message);
    return r < 0 ? NULL : reply;
}

static sd_bus_message *
call_valist(sd_bus *bus, const char *member, sd_bus_error *error, const char *types, va_list args)
{
    sd_bus_message *message = rig_message_new(bus, member);

    if (types != NULL)
        ck_assert_int_ge(sd_bus_message_appendv(message, types, args), 0);
    return rig_call_message(bus, message, error);
}

sd_bus_message *
rig_call(sd_bus *bus, const char *member, sd_bus_error *error, const char *types, ...)
{
    sd_bus_message *reply;
    va_list args;

    va_start(args, types);
    reply = call_valist(bus, member, error, types, args);
    va_end(args);
    return reply;
}

void
rig_call_fails(sd_bus *bus, const char *name, const char *member, const char *types, ...)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply;
    va_list args;

    va_start(args, types);
    reply = call_valist(bus, member, &error, types, args);
    va_end(args);
    ck_assert_msg(reply == NULL, "%s succeeded, instead of failing with %s", member, name);
    ck_assert_msg(g_strcmp0(error.name, name) == 0, "%s failed with %s (%s), not with %s", member,
                  error.name, error.message, name);
    ck_assert_msg(
        g_regex_match_simple(" \\([A-Za-z0-9][A-Za-z0-9._:-]{0,63}\\)$", error.message, 0, 0),
        "\"%s\" does not end in an op_id", error.message);
    sd_bus_error_free(&error);
}

static int
on_answer(sd_bus_message *answer, void *user_data, sd_bus_error *ret_error)
{
    const sd_bus_error *error = sd_bus_message_get_error(answer);
    RigPending *pending = user_data;

    (void)ret_error;
    pending->done = true;
    if (error != NULL) {
        pending->error_name = g_strdup(error->name);
        pending->error_message = g_strdup(error->message);
    }
    return 0;
}

RigPending *
rig_call_start(sd_bus *bus, sd_bus_message *message)
{
    RigPending *pending = g_new0(RigPending, 1);

    ck_assert_int_ge(sd_bus_call_async(bus, &pending->slot, message, on_answer, pending, 0), 0);
    ck_assert_int_ge(sd_bus_flush(bus), 0);
    sd_bus_message_unref(message);
    return pending;
}

void
rig_bus_handle(sd_bus *bus)
{
    int r;

    while ((r = sd_bus_process(bus, NULL)) > 0)
        continue;
    ck_assert_int_ge(r, 0);
}

void
rig_pending_wait(sd_bus *bus, RigPending *pending)
{
    rig_bus_handle(bus);
    while (!pending->done) {
        ck_assert_int_ge(sd_bus_wait(bus, (uint64_t)rig_timeout_usec()), 0);
        rig_bus_handle(bus);
    }
}

void
rig_pending_free(RigPending *pending)
{
    sd_bus_slot_unref(pending->slot);
    g_free(pending->error_name);
    g_free(pending->error_message);
    g_free(pending);
}

void
rig_wait_for(bool (*condition)(void *data), void *data, const char *what)
{
    gint64 deadline = g_get_monotonic_time() + rig_timeout_usec();

    while (!condition(data)) {
        ck_assert_msg(g_get_monotonic_time() < deadline, "waited in vain: %s", what);
        g_usleep(10 * 1000);
    }
}

bool
rig_race_goes_on(gint64 begun_usec, unsigned int round, unsigned int rounds, unsigned int n_one,
                 unsigned int n_other)
{
    return round < rounds || ((n_one == 0 || n_other == 0) &&
                              g_get_monotonic_time() - begun_usec < rig_timeout_usec());
}

static bool
is_listening(void *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    banger_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_uint_lt(g_strlcpy(address.sun_path, path, sizeof address.sun_path),
                      sizeof address.sun_path);
    return connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
}

void
rig_wait_listening(const char *path)
{
    g_autofree char *copy = g_strdup(path);
    g_autofree char *what = g_strdup_printf("a process that listens at %s", path);

    rig_wait_for(is_listening, copy, what);
}

pid_t
rig_find_process(const char *name)
{
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    const char *entry;

    while ((entry = g_dir_read_name(proc)) != NULL) {
        g_autofree char *path = g_build_filename("/proc", entry, "comm", NULL);
        g_autofree char *text = NULL;

        if (g_ascii_isdigit(entry[0]) && g_file_get_contents(path, &text, NULL, NULL) &&
            strcmp(g_strchomp(text), name) == 0)
            return atoi(entry);
    }
    return 0;
}

pid_t
rig_pid_of(const char *bus_name)
{
    sd_bus *bus = rig_bus_open(0);
    sd_bus_message *reply = NULL;
    uint32_t pid = 0;

    if (sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "GetConnectionUnixProcessID", NULL, &reply, "s",
                           bus_name) >= 0)
        ck_assert_int_ge(sd_bus_message_read(reply, "u", &pid), 0);
    sd_bus_message_unref(reply);
    sd_bus_flush_close_unref(bus);
    return (pid_t)pid;
}

static bool
pid_is_gone(void *data)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", *(pid_t *)data);
    g_autofree char *stat = NULL;

    return !g_file_get_contents(path, &stat, NULL, NULL) ||
           g_str_has_prefix(strrchr(stat, ')') + 1, " Z");
}

void
rig_wait_pid_gone(pid_t pid)
{
    rig_wait_for(pid_is_gone, &pid, "the end of a process");
}

typedef struct {
    const char *bus_name;
    pid_t pid;
} Owner;

static bool
is_not_owner(void *data)
{
    const Owner *owner = data;

    return rig_pid_of(owner->bus_name) != owner->pid;
}

void
rig_stop_service(const char *bus_name, int signal)
{
    Owner owner = {bus_name, rig_pid_of(bus_name)};

    if (owner.pid == 0)
        return;
    (void)kill(owner.pid, signal);
    rig_wait_pid_gone(owner.pid);
    rig_wait_for(is_not_owner, &owner, "the bus to notice the end of a service");
}

void
rig_polkit_set_rules(const char *name, const char *rules)
{
    g_autofree char *path = g_build_filename("/etc/polkit-1/rules.d", name, NULL);

    if (rules == NULL)
        ck_assert_int_eq(unlink(path), 0);
    else
        ck_assert(g_file_set_contents(path, rules, -1, NULL));
    /*
     * A new one, started by the bus when it is needed, has read the folder as it is now; the old
     * one would have to be waited for, and says nothing of when it has.
     */
    rig_stop_service("org.freedesktop.PolicyKit1", SIGKILL);
}
