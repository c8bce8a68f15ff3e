/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bus/network/network-fixture.h"
#include "bus/vmm/machine-fixture.h"

/* What the tests of CreateMachine, DestroyMachine and Reconcile share. */

#define COMPOSITE_GUEST "172.16.0.2"
#define COMPOSITE_TAP "tap-fc-whole"
#define COMPOSITE_IMAGE MACHINE_STATE "whole.ext4" /* an ext4 file system */

/* The connection of the owner's, while a test runs. */
extern sd_bus *composite_bus;

/*
 * Adds a case to @suite whose tests find a host with the double, the files of machine_set_up() and
 * COMPOSITE_IMAGE, and no link and no table.
 */
TCase *composite_add_tcase(Suite *suite, const char *name);

/*
 * The machine "whole" with network and COMPOSITE_IMAGE as its root drive. Free with machine_free().
 */
Machine *composite_new(void);

/*
 * The guest of the machine "whole": its address, which may leave the bridge, two ports, a
 * restriction; what is done to its root drive. For Machine.more.
 */
int composite_append_guest(sd_bus_message *message);
int composite_append_all(sd_bus_message *message);

/* Creates @machine; the test fails if that does. Returns the pid. */
pid_t composite_create(const Machine *machine);

/* Destroys @machine; the test fails if that does. */
void composite_destroy(const Machine *machine);

/*
 * Calls @method with @machine, which must fail with org.banger.Helper1.Error.@name and @words in
 * its message, and change nothing.
 */
void composite_fails(const char *method, const Machine *machine, const char *name,
                     const char *words);

/*
 * All that the helper makes: links, addresses, tables, records, files, processes, loops and
 * switches, as a text to compare. Free with g_free().
 */
char *composite_state(void);

/* Fails the test with what differs unless the two states are the same. */
void composite_assert_same(const char *after, const char *before);

/* Ends the machines that a test left, and removes all that is in the two directories of theirs. */
void composite_clear(void);
