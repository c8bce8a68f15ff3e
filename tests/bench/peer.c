/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/bench.h"
#include "util/sd-auto.h"
#include "util/settings.h"

#define BUS "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"

/* How long the helper has to end. */
#define PATIENCE_MSEC 20000

/*
 * Of this thread alone: glibc's seteuid() changes all threads, and interrupts what they wait for.
 */
static long
become(uid_t uid, gid_t gid)
{
    const uid_t unchanged = (uid_t)-1;
    long r = uid == 0 ? syscall(SYS_setresuid, unchanged, uid, unchanged) : 0;

    if (r == 0)
        r = syscall(SYS_setresgid, unchanged, gid, unchanged);
    if (r == 0 && uid != 0)
        r = syscall(SYS_setresuid, unchanged, uid, unchanged);
    return r;
}

sd_bus *
bench_peer_open(uid_t uid, gid_t gid)
{
    sd_bus *bus = NULL;
    const char *name;
    int r;

    /* The bus takes the credentials from the socket: those in effect while it connects. */
    if (become(uid, gid) != 0)
        return NULL;
    r = sd_bus_open_system(&bus);
    if (r >= 0)
        r = sd_bus_get_unique_name(bus, &name); /* waits for Hello's reply */
    if (become(0, 0) != 0 || r < 0)
        return NULL;
    (void)sd_bus_set_method_call_timeout(bus, BENCH_CALL_USEC);
    return bus;
}

bool
bench_call_message(sd_bus *bus, sd_bus_message *message, sd_bus_message **ret_reply)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    int r = sd_bus_call(bus, message, BENCH_CALL_USEC, &error, &reply);

    if (r < 0) {
        g_printerr("bench: %s: %s\n", sd_bus_message_get_member(message),
                   error.message == NULL ? g_strerror(-r) : error.message);
        return false;
    }
    if (ret_reply != NULL)
        *ret_reply = g_steal_pointer(&reply);
    return true;
}

bool
bench_call(sd_bus *bus, sd_bus_message **ret_reply, const char *member, const char *types, ...)
{
    g_autoptr(sd_bus_message) message = NULL;
    va_list arguments;
    int r = sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                           BANGER_INTERFACE, member);

    va_start(arguments, types);
    if (r >= 0)
        r = sd_bus_message_appendv(message, types, arguments);
    va_end(arguments);
    return r >= 0 && sd_bus_message_append(message, "s", "") >= 0 &&
           bench_call_message(bus, message, ret_reply);
}

bool
bench_call_write(sd_bus *bus, const char *image, guint n, gsize size)
{
    g_autoptr(sd_bus_message) message = NULL;
    g_autofree char *data = g_malloc(size);
    int r = sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                           BANGER_INTERFACE, "WriteExt4Files");

    memset(data, 'b', size);
    if (r >= 0)
        r = sd_bus_message_append(message, "s", image);
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'a', "(sayu)");
    for (guint i = 0; r >= 0 && i < n; i++) {
        g_autofree char *path = g_strdup_printf("/bench/file%u", i);

        r = sd_bus_message_open_container(message, 'r', "sayu");
        if (r >= 0)
            r = sd_bus_message_append(message, "s", path);
        if (r >= 0)
            r = sd_bus_message_append_array(message, 'y', data, size);
        if (r >= 0)
            r = sd_bus_message_append(message, "u", 0644);
        if (r >= 0)
            r = sd_bus_message_close_container(message);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    return r >= 0 && sd_bus_message_append(message, "s", "") >= 0 &&
           bench_call_message(bus, message, NULL);
}

bool
bench_ping(sd_bus *bus)
{
    g_autoptr(sd_bus_message) message = NULL;

    return sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                          "org.freedesktop.DBus.Peer", "Ping") >= 0 &&
           bench_call_message(bus, message, NULL);
}

pid_t
bench_helper_pid(sd_bus *bus)
{
    g_autoptr(sd_bus_message) reply = NULL;
    uint32_t pid;

    if (sd_bus_call_method(bus, BUS, BUS_PATH, BUS, "GetConnectionUnixProcessID", NULL, &reply, "s",
                           BANGER_BUS_NAME) < 0 ||
        sd_bus_message_read_basic(reply, 'u', &pid) <= 0)
        return 0;
    return (pid_t)pid;
}

bool
bench_helper_stop(sd_bus *bus)
{
    pid_t pid = bench_helper_pid(bus);

    if (pid == 0)
        return true;
    (void)kill(pid, SIGTERM);
    for (int i = 0; i < PATIENCE_MSEC; i++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/exe", (int)pid);

        /* A zombie has no exe. */
        if (access(path, F_OK) != 0 && bench_helper_pid(bus) == 0)
            return true;
        g_usleep(1000);
    }
    g_printerr("bench: the helper did not end after SIGTERM\n");
    return false;
}

bool
bench_ask_polkit(sd_bus *root, const char *subject)
{
    g_autoptr(sd_bus_message) message = NULL;
    int r = sd_bus_message_new_method_call(
        root, &message, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
        "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");

    if (r >= 0)
        r = sd_bus_message_append(message, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                  subject, "org.banger.helper1.process-running", 4, "pid", "1",
                                  "api_sock", "", "op_id", "op-0123456789ab", "caller_is_owner",
                                  "true", 0, "");
    return r >= 0 && bench_call_message(root, message, NULL);
}
