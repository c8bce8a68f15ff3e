/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bus/vmm/machine-request.h"
#include "rig/rig-client.h"

/*
 * What the tests of the VMM's methods share: a host with the double of firecracker
 * (tests/fake/fake.h) where the helper looks for programs, and requests for LaunchFirecracker
 * (bus/vmm/machine-request.h).
 *
 * The programs run in the rig, and on a machine of the VM tier too, where systemd starts the VMM:
 * with BANGER_RIG_DIR set (rig_enter() stays outside then), the owner's uid made RIG_UID_OWNER, and
 * the double's path in BANGER_FAKE_FIRECRACKER.
 */

/*
 * Installs the double, makes /dev/net/tun what udev makes of it, and creates the files, the bridge
 * and the TAP "tap-fc-<name>" for each of @names, which ends with NULL. As root, in the rig.
 */
void machine_set_up(const char *const *names);

/* Whether VMMs are systemd's units here, and not children of the helper. */
bool machine_has_systemd(void);

/* How many processes are VMMs: those that run MACHINE_BINARY. */
unsigned int machine_count_running(void);

/* Kills them, and waits for their end. */
void machine_kill_running(void);

/* For rig_wait_for(): whether systemd has noticed that the machine @name, a char *, has ended. */
bool machine_has_no_unit(void *name);

/* Installs the double as @path with @mode and @uid. */
void machine_install_double(const char *path, uid_t uid, mode_t mode);

/* Writes @text to @path, as a file of the owner. */
void machine_write(const char *path, const char *text);

/* What the double shall do wrong with the machine @name, or NULL: nothing. */
void machine_order(const char *name, const char *orders);

/*
 * What the order "record MACHINE_RUN@name.record" of the machine @name has recorded so far, or
 * NULL. In a jail that directory is the VM's own. Free with g_free().
 */
char *machine_record(const char *name);

/* Launches @machine; the test fails if that does. Returns the pid. */
pid_t machine_launch(sd_bus *bus, const Machine *machine);

/*
 * Launches @machine, which must fail with the D-Bus error org.banger.Helper1.Error.@name, with
 * @words in its message (NULL: any), and leave nothing behind.
 */
void machine_launch_fails(sd_bus *bus, const Machine *machine, const char *name, const char *words);

/* Whether @pid does nothing any more: it is gone, or its parent has not yet waited for it. */
bool machine_has_ended(pid_t pid);

/* Kills @pid through the helper, and waits until not even a zombie is left. */
void machine_kill(sd_bus *bus, pid_t pid);

/* Every file of the two directories, VMM, and unit, as a text to compare. */
char *machine_host_state(void);

/* The value of "@name:" in /proc/@pid/status. Free with g_free(). */
char *machine_proc_status(pid_t pid, const char *name);

/* What FindFirecrackerPID says, which must succeed. */
uint32_t machine_find(sd_bus *bus, const char *api_sock);

/* What ProcessRunning says. */
bool machine_is_running(sd_bus *bus, uint32_t pid, const char *api_sock);

/*
 * Starts @argv as @uid in a session of its own, as the helper would start a VMM, and waits until it
 * was executed.
 */
pid_t machine_start_program(uid_t uid, const char *const *argv);

/* Waits until @pid, a child that was forked, has executed another program. */
void machine_wait_executed(pid_t pid);

/* Kills @pid, a child, and waits for it. */
void machine_end(pid_t pid);

/* The owner's connection to the bus, while a test of machine_add_tcase() runs. */
extern sd_bus *machine_bus;

/*
 * Adds a case to @suite whose tests find the host as machine_set_up(@names) makes it, and
 * machine_bus. @set_up and @tear_down, which may be NULL, are called before and after each, with
 * machine_bus open.
 */
TCase *machine_add_tcase(Suite *suite, const char *name, const char *const *names,
                         void (*set_up)(void), void (*tear_down)(void));
