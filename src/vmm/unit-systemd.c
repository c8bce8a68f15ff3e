/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/unit-private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/sd-auto.h"
#include "vmm/unit-common.h"
#include "vmm/unit-connection.h"
#include "vmm/unit-list.h"
#include "vmm/unit-properties.h"

/*
 * Transient service units, by org.freedesktop.systemd1(5). The unit is referenced (AddRef) until
 * release_service(): what it ended with can be asked for although CollectMode lets it be forgotten
 * otherwise.
 */

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER SYSTEMD ".Manager"
#define STOP_CALL_USEC ((uint64_t)3 * G_USEC_PER_SEC)
#define SYSTEMD_STATUS_FIRST 200 /* what its child exits with if it cannot execute the program */
#define SYSTEMD_STATUS_LAST 245
#define SETTLE_TRIES 100
#define SETTLE_USEC 20000
#define REMOVAL_USEC (2 * G_USEC_PER_SEC)
#define REMOVAL_LOOK_USEC 100000 /* where its signal is not heard */

typedef struct {
    BangerUnitConnection *connection;
    sd_bus *bus;           /* of @connection */
    sd_bus_slot *jobs;     /* the match of JobRemoved */
    sd_bus_slot *removals; /* that of UnitRemoved, once it is waited for */
    char *name;            /* banger-vm-<vm_id>.service */
    char *path;            /* its object */
    char *job;             /* that is waited for, or NULL */
    char *result;          /* of that job, once it was removed */
    bool removed;          /* a unit of this name was forgotten since that was last unset */
    bool deaf;             /* the bus refused a match */
    bool started;
} Systemd;

/* Sets @error to what systemd answered, or, without an answer, to what @r (-errno) says. */
static bool
refuse_unit(GError **error, const char *what, const char *name, const sd_bus_error *bus_error,
            int r)
{
    BangerErrorCode code = BANGER_ERROR_OPERATION_FAILED;

    if (r == -ETIMEDOUT || sd_bus_error_has_name(bus_error, SD_BUS_ERROR_TIMEOUT) ||
        sd_bus_error_has_name(bus_error, SD_BUS_ERROR_NO_REPLY))
        code = BANGER_ERROR_TIMEOUT;
    if (bus_error != NULL && bus_error->message != NULL)
        return banger_set_error(error, code, "cannot %s %s: %s", what, name, bus_error->message);
    return banger_set_errno(error, code, -r, "cannot %s %s", what, name);
}

static int
on_job_removed(sd_bus_message *message, void *user_data, sd_bus_error *bus_error)
{
    Systemd *systemd = user_data;
    const char *job, *result;

    (void)bus_error;
    if (sd_bus_message_read(message, "uoss", NULL, &job, NULL, &result) < 0)
        return 0;
    if (g_strcmp0(job, systemd->job) == 0 && systemd->result == NULL)
        systemd->result = g_strdup(result);
    return 0;
}

static int
on_unit_removed(sd_bus_message *message, void *user_data, sd_bus_error *bus_error)
{
    Systemd *systemd = user_data;
    const char *name;

    (void)bus_error;
    if (sd_bus_message_read(message, "so", &name, NULL) >= 0 && g_str_equal(name, systemd->name))
        systemd->removed = true;
    return 0;
}

static int
on_match_added(sd_bus_message *reply, void *user_data, sd_bus_error *bus_error)
{
    Systemd *systemd = user_data;

    (void)bus_error;
    systemd->deaf |= sd_bus_message_is_method_error(reply, NULL) > 0;
    return 0;
}

/*
 * Asks the bus for the signal @member of the manager. Nothing waits for it: the bus sees to this
 * call before any that follows.
 */
static int
add_match(Systemd *systemd, const char *member, sd_bus_message_handler_t handler,
          sd_bus_slot **ret_slot)
{
    return sd_bus_match_signal_async(systemd->bus, ret_slot, SYSTEMD, "/org/freedesktop/systemd1",
                                     MANAGER, member, handler, on_match_added, systemd);
}

/* Before the connection is another thread's: each of them sends to the bus. */
static void
drop_matches(Systemd *systemd)
{
    systemd->jobs = sd_bus_slot_unref(systemd->jobs);
    systemd->removals = sd_bus_slot_unref(systemd->removals);
}

static void
disconnect_from_systemd(Systemd *systemd)
{
    drop_matches(systemd);
    systemd->bus = NULL;
    banger_unit_connection_drop(g_steal_pointer(&systemd->connection));
    g_clear_pointer(&systemd->path, free);
}

static bool
connect_to_systemd(Systemd *systemd, int timeout_ms, GError **error)
{
    g_auto(sd_bus_error) bus_error = SD_BUS_ERROR_NULL;
    int r =
        banger_unit_connection_take((uint64_t)timeout_ms * 1000, &systemd->connection, &bus_error);

    if (r >= 0) {
        systemd->bus = systemd->connection->bus;
        r = add_match(systemd, "JobRemoved", on_job_removed, &systemd->jobs);
    }
    if (r >= 0)
        r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", systemd->name, &systemd->path);
    return r >= 0 || refuse_unit(error, "ask systemd to start", systemd->name, &bus_error, r);
}

/* Takes the job of @reply as the one to wait for. */
static int
take_job(Systemd *systemd, sd_bus_message *reply)
{
    const char *job;
    int r = sd_bus_message_read(reply, "o", &job);

    if (r < 0)
        return r;
    g_free(systemd->job);
    systemd->job = g_strdup(job);
    g_clear_pointer(&systemd->result, g_free);
    return 0;
}

/* Waits for the next message: 0 or more, or -errno; -ETIMEDOUT if there is none until @end_usec. */
static int
wait_for_message(Systemd *systemd, gint64 end_usec)
{
    gint64 left_usec = end_usec - g_get_monotonic_time();
    int r = sd_bus_process(systemd->bus, NULL);

    if (r != 0)
        return r;
    if (left_usec <= 0)
        return -ETIMEDOUT;
    r = sd_bus_wait(systemd->bus, (uint64_t)left_usec);
    return r == -EINTR ? 0 : r;
}

/* Waits until the job was removed: 0, and systemd->result says how it came out; or -ETIMEDOUT. */
static int
wait_for_job(Systemd *systemd, int timeout_ms)
{
    gint64 end_usec = g_get_monotonic_time() + (gint64)timeout_ms * 1000;

    while (systemd->result == NULL) {
        int r = systemd->deaf ? -EIO : wait_for_message(systemd, end_usec);

        if (r < 0)
            return r;
    }
    return 0;
}

/*
 * Waits for a moment until the unit that has the name is forgotten. The first time there is no
 * wait: it may have been before its signal was asked for.
 */
static void
wait_for_removal(Systemd *systemd)
{
    gint64 end_usec = g_get_monotonic_time() + REMOVAL_LOOK_USEC;

    if (systemd->removals == NULL) {
        (void)add_match(systemd, "UnitRemoved", on_unit_removed, &systemd->removals);
        return;
    }
    while (!systemd->removed && wait_for_message(systemd, end_usec) >= 0) {
    }
    systemd->removed = false;
}

static int
get_property(Systemd *systemd, const char *interface, const char *name, char type, void *ret_value)
{
    return sd_bus_get_property_trivial(systemd->bus, SYSTEMD, systemd->path, interface, name, NULL,
                                       type, ret_value);
}

/* Whether the unit's ActiveState is one of those in which it runs, or is about to. */
static bool
is_active(Systemd *systemd)
{
    g_autofree char *copy = NULL;
    char *state = NULL;

    if (sd_bus_get_property_string(systemd->bus, SYSTEMD, systemd->path, SYSTEMD ".Unit",
                                   "ActiveState", NULL, &state) < 0)
        return false;
    copy = g_strdup(state);
    free(state);
    return g_str_equal(copy, "active") || g_str_equal(copy, "activating") ||
           g_str_equal(copy, "reloading");
}

/*
 * One StartTransientUnit, of the manager whose version says which properties there are. Returns 0,
 * or -errno with @bus_error set.
 */
static int
start_transient_unit(Systemd *systemd, const BangerUnitSpec *spec, sd_bus_error *bus_error)
{
    g_autoptr(sd_bus_message) message = NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    int r =
        sd_bus_message_new_method_call(systemd->bus, &message, systemd->connection->manager,
                                       "/org/freedesktop/systemd1", MANAGER, "StartTransientUnit");

    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "ss", systemd->name, "fail");
    if (r < 0)
        return r;
    r = banger_unit_append_properties(message, spec, systemd->connection->version);
    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "a(sa(sv))", 0);
    if (r < 0)
        return r;
    r = sd_bus_call(systemd->bus, message, 0, bus_error, &reply);
    if (r < 0)
        return r;
    return take_job(systemd, reply);
}

/* Whether a call failed since the manager that was to be called has another name by now. */
static bool
is_manager_gone(const sd_bus_error *bus_error)
{
    return sd_bus_error_has_name(bus_error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
           sd_bus_error_has_name(bus_error, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

/*
 * Starts the unit. One of that name that ended is forgotten a moment after its last reference is
 * gone, and is in the way until then. *@ret_none is set if there is none of this launch's to stop.
 */
static bool
start_unit(Systemd *systemd, const BangerUnitSpec *spec, bool *ret_none, GError **error)
{
    gint64 end_usec = g_get_monotonic_time() + REMOVAL_USEC;
    bool reconnected = false;

    for (;;) {
        g_auto(sd_bus_error) bus_error = SD_BUS_ERROR_NULL;
        int r = start_transient_unit(systemd, spec, &bus_error);

        if (r >= 0)
            return true;
        if (is_manager_gone(&bus_error) && !reconnected) {
            reconnected = true;
            disconnect_from_systemd(systemd);
            *ret_none = !connect_to_systemd(systemd, spec->timeout_ms, error);
            if (*ret_none)
                return false;
            continue;
        }
        if (!sd_bus_error_has_name(&bus_error, SYSTEMD ".UnitExists"))
            return refuse_unit(error, "start", systemd->name, &bus_error, r);
        if (is_active(systemd) || g_get_monotonic_time() >= end_usec) {
            *ret_none = true;
            return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                    "the virtual machine %s runs already, as %s", spec->vm_id,
                                    systemd->name);
        }
        (void)sd_bus_call_method(systemd->bus, SYSTEMD, "/org/freedesktop/systemd1", MANAGER,
                                 "ResetFailedUnit", NULL, NULL, "s", systemd->name);
        wait_for_removal(systemd);
    }
}

/* How the main process ended, as systemd says; NULL if it does not say (yet). */
static char *
ask_for_end(Systemd *systemd)
{
    int32_t code = 0;
    int32_t status = 0;

    if (get_property(systemd, SYSTEMD ".Service", "ExecMainCode", 'i', &code) < 0 || code == 0 ||
        get_property(systemd, SYSTEMD ".Service", "ExecMainStatus", 'i', &status) < 0)
        return NULL;
    if (code == CLD_EXITED && status >= SYSTEMD_STATUS_FIRST && status <= SYSTEMD_STATUS_LAST)
        return g_strdup_printf("was not executed: systemd's status %d, see \"Process exit codes\" "
                               "in systemd.exec(5)",
                               status);
    return banger_unit_format_end(code, status);
}

/* The "Result" of the service: "exit-code", "resources", …; NULL if systemd does not say. */
static char *
ask_for_result(Systemd *systemd)
{
    g_autofree char *copy = NULL;
    char *result = NULL;

    if (sd_bus_get_property_string(systemd->bus, SYSTEMD, systemd->path, SYSTEMD ".Service",
                                   "Result", NULL, &result) < 0)
        return NULL;
    copy = g_strdup(result);
    free(result);
    return g_steal_pointer(&copy);
}

static bool
refuse_job(Systemd *systemd, GError **error)
{
    g_autofree char *end = ask_for_end(systemd);
    g_autofree char *result = ask_for_result(systemd);

    if (end != NULL)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "cannot start %s: its process %s (its output is in the journal)",
                                systemd->name, end);
    return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                            "cannot start %s: its job ended as \"%s\", the service as \"%s\"",
                            systemd->name, systemd->result, result != NULL ? result : "unknown");
}

/*
 * Opens the process of the unit that its cgroup has, if there is one. What is open is in the
 * cgroup: that the pid is not another process's by now needs no other proof.
 */
static bool
open_leader(const char *unit, const char *vm_id, BangerProcess *ret_process)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;
    pid_t leader = banger_unit_find_leader(unit);
    g_autofree char *found = NULL;

    if (leader <= 0 || !banger_process_open((uint32_t)leader, &process, NULL))
        return false;
    found = banger_process_vm_id(&process);
    if (g_strcmp0(found, vm_id) != 0)
        return false;
    *ret_process = banger_process_steal(&process);
    return true;
}

/*
 * Opens the unit's main process. Where systemd has to be asked for the pid it is asked again: then
 * it was that process's meanwhile.
 */
static bool
open_main_process(Systemd *systemd, const char *vm_id, BangerProcess *ret_process, GError **error)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;
    uint32_t pid = 0;
    uint32_t again = 0;
    int r;

    if (open_leader(systemd->name, vm_id, ret_process))
        return true;
    r = get_property(systemd, SYSTEMD ".Service", "MainPID", 'u', &pid);
    if (r < 0)
        return refuse_unit(error, "find the process of", systemd->name, NULL, r);
    if (pid != 0 && banger_process_open(pid, &process, NULL) &&
        get_property(systemd, SYSTEMD ".Service", "MainPID", 'u', &again) >= 0 && again == pid) {
        *ret_process = banger_process_steal(&process);
        return true;
    }
    return refuse_job(systemd, error);
}

static bool
start_service(BangerUnit *unit, const BangerUnitSpec *spec, GError **error)
{
    Systemd *systemd = g_new0(Systemd, 1);
    bool none = false;
    int r;

    unit->data = systemd;
    systemd->name = g_strconcat(BANGER_UNIT_PREFIX, spec->vm_id, BANGER_UNIT_SUFFIX, NULL);
    if (!connect_to_systemd(systemd, spec->timeout_ms, error))
        return false;
    if (!start_unit(systemd, spec, &none, error)) {
        /* The answer may only be late: what it would have reported must not go on. */
        if (!none)
            banger_unit_stop_failed_start(unit, error);
        return false;
    }
    r = wait_for_job(systemd, spec->timeout_ms);
    if (r >= 0 && g_strcmp0(systemd->result, "done") == 0 &&
        open_main_process(systemd, spec->vm_id, &unit->process, error)) {
        systemd->started = true;
        return true;
    }
    if (r < 0)
        (void)refuse_unit(error, "start", systemd->name, NULL, r);
    else if (g_strcmp0(systemd->result, "done") != 0)
        (void)refuse_job(systemd, error);
    banger_unit_stop_failed_start(unit, error);
    return false;
}

static char *
describe_end(BangerUnit *unit)
{
    Systemd *systemd = unit->data;

    if (!banger_process_wait_end(&unit->process, 0))
        return NULL;
    /* systemd learns of it by a signal of its own, a moment later. */
    for (int i = 0; i < SETTLE_TRIES; i++) {
        g_autofree char *end = ask_for_end(systemd);

        if (end != NULL)
            return g_strdup_printf("%s (its output is in the journal of %s)", end, systemd->name);
        g_usleep(SETTLE_USEC);
    }
    return g_strdup_printf("ended (its output is in the journal of %s)", systemd->name);
}

static bool
stop_service(BangerUnit *unit, GError **error)
{
    Systemd *systemd = unit->data;
    g_auto(sd_bus_error) bus_error = SD_BUS_ERROR_NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    int r;

    systemd->started = false;
    (void)sd_bus_set_method_call_timeout(systemd->bus, STOP_CALL_USEC);
    /* Nothing of it is worth a clean end: kill, and let the stop job wait for what is left. */
    (void)sd_bus_call_method(systemd->bus, SYSTEMD, "/org/freedesktop/systemd1", MANAGER,
                             "KillUnit", NULL, NULL, "ssi", systemd->name, "all", SIGKILL);
    r = sd_bus_call_method(systemd->bus, SYSTEMD, "/org/freedesktop/systemd1", MANAGER, "StopUnit",
                           &bus_error, &reply, "ss", systemd->name, "replace");
    if (r >= 0)
        r = take_job(systemd, reply);
    if (r >= 0)
        r = wait_for_job(systemd, BANGER_UNIT_STOP_MS);
    (void)sd_bus_call_method(systemd->bus, SYSTEMD, "/org/freedesktop/systemd1", MANAGER,
                             "ResetFailedUnit", NULL, NULL, "s", systemd->name);
    /* One that never came to be, or has gone by itself, is stopped. */
    return r >= 0 || sd_bus_error_has_name(&bus_error, SYSTEMD ".NoSuchUnit") ||
           refuse_unit(error, "stop", systemd->name, &bus_error, r);
}

static void
release_service(BangerUnit *unit)
{
    Systemd *systemd = unit->data;

    if (systemd == NULL)
        return;
    if (systemd->started) {
        (void)sd_bus_call_method_async(systemd->bus, NULL, SYSTEMD, "/org/freedesktop/systemd1",
                                       MANAGER, "UnrefUnit", NULL, NULL, "s", systemd->name);
        drop_matches(systemd);
        banger_unit_connection_keep(g_steal_pointer(&systemd->connection));
    }
    disconnect_from_systemd(systemd);
    g_free(systemd->name);
    g_free(systemd->job);
    g_free(systemd->result);
    g_free(systemd);
}

const BangerUnitKind banger_unit_systemd = {start_service, describe_end, stop_service,
                                            release_service};
