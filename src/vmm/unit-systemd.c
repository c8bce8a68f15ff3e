/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/unit-private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/sd-auto.h"
#include "vmm/unit-common.h"
#include "vmm/unit-properties.h"

/*
 * Transient service units, by org.freedesktop.systemd1(5). The unit is referenced (AddRef) for as
 * long as this connection lives: what it ended with can be asked for although CollectMode lets it
 * be forgotten otherwise.
 */

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER SYSTEMD ".Manager"
#define STOP_CALL_USEC ((uint64_t)3 * G_USEC_PER_SEC)
#define SYSTEMD_STATUS_FIRST 200 /* what its child exits with if it cannot execute the program */
#define SYSTEMD_STATUS_LAST 245
#define STARTS_USEC ((gint64)2 * G_USEC_PER_SEC)
#define SETTLE_TRIES 100
#define SETTLE_USEC 20000

typedef struct {
    sd_bus *bus;
    char *name;           /* banger-vm-<vm_id>.service */
    char *path;           /* its object */
    char *job;            /* that is waited for, or NULL */
    char *result;         /* of that job, once it was removed */
    unsigned int version; /* of the manager; 0: it does not say */
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

/* The manager's version, the number that "257.9-1~deb13u1" begins with. */
static unsigned int
ask_for_version(Systemd *systemd)
{
    char *version = NULL;
    unsigned int number = 0;

    if (sd_bus_get_property_string(systemd->bus, SYSTEMD, "/org/freedesktop/systemd1", MANAGER,
                                   "Version", NULL, &version) >= 0)
        number = (unsigned int)g_ascii_strtoull(version, NULL, 10);
    free(version);
    return number;
}

static bool
connect_to_systemd(Systemd *systemd, int timeout_ms, GError **error)
{
    g_auto(sd_bus_error) bus_error = SD_BUS_ERROR_NULL;
    int r = sd_bus_open_system(&systemd->bus);

    if (r >= 0)
        r = sd_bus_set_method_call_timeout(systemd->bus, (uint64_t)timeout_ms * 1000);
    if (r >= 0)
        r = sd_bus_call_method(systemd->bus, SYSTEMD, "/org/freedesktop/systemd1", MANAGER,
                               "Subscribe", &bus_error, NULL, NULL);
    if (r >= 0)
        r = sd_bus_match_signal(systemd->bus, NULL, SYSTEMD, "/org/freedesktop/systemd1", MANAGER,
                                "JobRemoved", on_job_removed, systemd);
    if (r >= 0)
        r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", systemd->name, &systemd->path);
    if (r < 0)
        return refuse_unit(error, "ask systemd to start", systemd->name, &bus_error, r);
    systemd->version = ask_for_version(systemd);
    return true;
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

/* Waits until the job was removed: 0, and systemd->result says how it came out; or -ETIMEDOUT. */
static int
wait_for_job(Systemd *systemd, int timeout_ms)
{
    gint64 deadline_usec = g_get_monotonic_time() + (gint64)timeout_ms * 1000;

    while (systemd->result == NULL) {
        gint64 left_usec = deadline_usec - g_get_monotonic_time();
        int r = sd_bus_process(systemd->bus, NULL);

        if (r > 0)
            continue;
        if (r == 0 && left_usec <= 0)
            return -ETIMEDOUT;
        if (r == 0)
            r = sd_bus_wait(systemd->bus, (uint64_t)left_usec);
        if (r < 0 && r != -EINTR)
            return r;
    }
    return 0;
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

/* One StartTransientUnit. Returns 0, or -errno with @bus_error set. */
static int
start_transient_unit(Systemd *systemd, const BangerUnitSpec *spec, sd_bus_error *bus_error)
{
    g_autoptr(sd_bus_message) message = NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    int r =
        sd_bus_message_new_method_call(systemd->bus, &message, SYSTEMD, "/org/freedesktop/systemd1",
                                       MANAGER, "StartTransientUnit");

    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "ss", systemd->name, "fail");
    if (r < 0)
        return r;
    r = banger_unit_append_properties(message, spec, systemd->version);
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

/*
 * Starts the unit. One of that name that ended is forgotten a moment after its last reference is
 * gone, and is in the way until then. *@ret_exists is set if systemd said that there is one, which
 * is then not this launch's.
 */
static bool
start_unit(Systemd *systemd, const BangerUnitSpec *spec, bool *ret_exists, GError **error)
{
    for (int i = 0;; i++) {
        g_auto(sd_bus_error) bus_error = SD_BUS_ERROR_NULL;
        int r = start_transient_unit(systemd, spec, &bus_error);

        if (r >= 0)
            return true;
        if (!sd_bus_error_has_name(&bus_error, SYSTEMD ".UnitExists"))
            return refuse_unit(error, "start", systemd->name, &bus_error, r);
        if (is_active(systemd) || i == SETTLE_TRIES) {
            *ret_exists = true;
            return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                    "the virtual machine %s runs already, as %s", spec->vm_id,
                                    systemd->name);
        }
        (void)sd_bus_call_method(systemd->bus, SYSTEMD, "/org/freedesktop/systemd1", MANAGER,
                                 "ResetFailedUnit", NULL, NULL, "s", systemd->name);
        g_usleep(SETTLE_USEC);
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
 * Opens the unit's main process. The pid is asked for again: then it was that process's meanwhile.
 */
static bool
open_main_process(Systemd *systemd, BangerProcess *ret_process, GError **error)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;
    uint32_t pid = 0;
    uint32_t again = 0;
    int r = get_property(systemd, SYSTEMD ".Service", "MainPID", 'u', &pid);

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
    bool exists = false;
    int r;

    unit->data = systemd;
    systemd->name = g_strconcat(BANGER_UNIT_PREFIX, spec->vm_id, BANGER_UNIT_SUFFIX, NULL);
    if (!connect_to_systemd(systemd, spec->timeout_ms, error))
        return false;
    if (!start_unit(systemd, spec, &exists, error)) {
        /* The answer may only be late: what it would have reported must not go on. */
        if (!exists)
            banger_unit_stop_failed_start(unit, error);
        return false;
    }
    r = wait_for_job(systemd, spec->timeout_ms);
    if (r >= 0 && g_strcmp0(systemd->result, "done") == 0 &&
        open_main_process(systemd, &unit->process, error))
        return true;
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
    sd_bus_flush_close_unref(systemd->bus);
    free(systemd->path);
    g_free(systemd->name);
    g_free(systemd->job);
    g_free(systemd->result);
    g_free(systemd);
}

/*
 * Whether a VM's unit is being started, or is to be: 1 or 0; or -errno if systemd does not say it
 * within @timeout_usec microseconds.
 */
static int
is_any_starting(sd_bus *bus, uint64_t timeout_usec)
{
    g_autoptr(sd_bus_message) message = NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    const char *state;
    uint32_t job;
    int r = sd_bus_message_new_method_call(bus, &message, SYSTEMD, "/org/freedesktop/systemd1",
                                           MANAGER, "ListUnitsByPatterns");

    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "asas", 2, "activating", "inactive", 1,
                              BANGER_UNIT_PREFIX "*" BANGER_UNIT_SUFFIX);
    if (r < 0)
        return r;
    r = sd_bus_call(bus, message, timeout_usec, NULL, &reply);
    if (r < 0)
        return r;
    r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
    while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssssouso)", NULL, NULL, NULL, &state, NULL,
                                              NULL, NULL, &job, NULL, NULL)) > 0)
        if (job != 0 || g_str_equal(state, "activating"))
            return 1;
    return r;
}

bool
banger_unit_systemd_wait_for_starts(void)
{
    gint64 deadline_usec = g_get_monotonic_time() + STARTS_USEC;
    gint64 left_usec = STARTS_USEC;
    sd_bus *bus = NULL;
    bool answered = false;
    int r = 1;

    if (sd_bus_open_system(&bus) < 0)
        return false;
    while (r > 0 && left_usec > 0) {
        r = is_any_starting(bus, (uint64_t)left_usec);
        answered |= r >= 0;
        if (r > 0)
            g_usleep(SETTLE_USEC);
        left_usec = deadline_usec - g_get_monotonic_time();
    }
    sd_bus_flush_close_unref(bus);
    return answered;
}

const BangerUnitKind banger_unit_systemd = {start_service, describe_end, stop_service,
                                            release_service};
