/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "lib/harness.h"
#include "rig/rig-users.h"

/*
 * What the programs of the bus tier share. A function here that cannot do its work fails the
 * running test (libcheck's ck_abort_msg), and none waits longer than rig_timeout_usec().
 */

/*
 * How long to wait for what must come: half a minute, times $CK_TIMEOUT_MULTIPLIER as libcheck's
 * own limits, since a test that shares the machine, or runs under a sanitizer, may take longer.
 */
gint64 rig_timeout_usec(void);

/* The D-Bus name of an error of the helper's own. */
#define RIG_ERROR(name) "org.banger.Helper1.Error." name

/*
 * The first line of main(): goes on inside a rig. Outside of one the program is run again by
 * `rig @options -- PROGRAM …`, so that `sudo build/tests/bus/test-x` is all that is needed. Without
 * root it reports itself as skipped and exits. @options is NULL or ends in NULL.
 */
void rig_enter(const char *program, char **argv, const char *const *options);

/*
 * A connection to the rig's bus as the user @uid, with that user's groups. Close it with
 * sd_bus_flush_close_unrefp().
 */
sd_bus *rig_bus_open(uid_t uid);

/* As rig_bus_open(); NULL if the bus refuses it. */
sd_bus *rig_bus_try_open(uid_t uid);

/* A method call message for the helper's method @member, without arguments yet. */
sd_bus_message *rig_message_new(sd_bus *bus, const char *member);

/*
 * Calls the helper's method @member; @types and what follows as in sd_bus_message_append(3), the
 * op_id last (NULL: no arguments at all). Returns the reply, or NULL with @error set. @error may be
 * NULL: then the call must succeed.
 */
sd_bus_message *rig_call(sd_bus *bus, const char *member, sd_bus_error *error, const char *types,
                         ...);

/* As rig_call(), with a message made before; takes the message over. */
sd_bus_message *rig_call_message(sd_bus *bus, sd_bus_message *message, sd_bus_error *error);

/*
 * Calls @member and requires that it succeeds, or fails with the D-Bus error @name (such as
 * "org.banger.Helper1.Error.BadParams") and a message that ends in " (op_id)".
 */
#define rig_call_ok(bus, member, ...) sd_bus_message_unref(rig_call(bus, member, NULL, __VA_ARGS__))
void rig_call_fails(sd_bus *bus, const char *name, const char *member, const char *types, ...);

/* A call that was sent and whose answer is not waited for. */
typedef struct {
    sd_bus_slot *slot;
    bool done;
    char *error_name; /* NULL: not done, or succeeded */
    char *error_message;
} RigPending;

/* Sends @message, which it takes over, and flushes it; @bus has the limit of the wait. */
RigPending *rig_call_start(sd_bus *bus, sd_bus_message *message);

/* Handles what arrives on @bus until @pending is done. */
void rig_pending_wait(sd_bus *bus, RigPending *pending);

/* Handles what has arrived on @bus already, without waiting. */
void rig_bus_handle(sd_bus *bus);

void rig_pending_free(RigPending *pending);

/*
 * A look at the calls that pass through the bus to the helper, from rig_monitor_new() on:
 * rig_monitor_wait_calls() waits until @count calls of @member have passed, answered or not;
 * rig_monitor_count() waits for one of @last, and returns how many of @member passed before it.
 */
typedef struct RigMonitor RigMonitor;
RigMonitor *rig_monitor_new(void);
void rig_monitor_wait_calls(RigMonitor *monitor, const char *member, unsigned int count);
unsigned int rig_monitor_count(RigMonitor *monitor, const char *member, const char *last);
void rig_monitor_free(RigMonitor *monitor);

/*
 * Waits for a record in the journal with OP_ID=@op_id that is not one of LOG_DEBUG, and returns its
 * fields, name to value. Free with g_hash_table_unref().
 */
GHashTable *rig_journal_wait(const char *op_id);

/*
 * All records so far whose field @name is @value (NULL: any), oldest first. Free with
 * g_ptr_array_unref().
 */
GPtrArray *rig_journal_find(const char *name, const char *value);

/* The process that owns @bus_name; 0 if none does. Never starts a service. */
pid_t rig_pid_of(const char *bus_name);

/* A process of the rig called @name, as /proc/PID/comm has it; 0 if there is none. */
pid_t rig_find_process(const char *name);

/* Waits until @pid is gone (a zombie is). */
void rig_wait_pid_gone(pid_t pid);

/*
 * Waits until @condition(@data), asked every 10 ms, is true; fails the test with @what if that
 * takes longer than rig_timeout_usec().
 */
void rig_wait_for(bool (*condition)(void *data), void *data, const char *what);

/*
 * Whether a race that @begun_usec (monotonic) goes on with round @round, from 0: there are @rounds
 * of them, and more while one of its two outcomes, which were counted, has not been seen, but these
 * not beyond rig_timeout_usec(). A machine that is busy may run one side of it alone for a while.
 */
bool rig_race_goes_on(gint64 begun_usec, unsigned int round, unsigned int rounds,
                      unsigned int n_one, unsigned int n_other);

/*
 * Waits until a process listens at @path, by connecting to it and closing: the socket's file is
 * there from bind(2) on, and until listen(2) whoever connects is refused.
 */
void rig_wait_listening(const char *path);

/*
 * Ends the process that owns @bus_name, if there is one, by @signal, and waits until the bus knows:
 * the next call starts a new one.
 */
void rig_stop_service(const char *bus_name, int signal);

/* Writes @rules to /etc/polkit-1/rules.d/@name (NULL: removes it) and lets polkitd read it anew. */
void rig_polkit_set_rules(const char *name, const char *rules);
