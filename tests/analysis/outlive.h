/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

/*
 * Part of programs in a build with --enable-coverage only. The process splits: a child goes on and
 * returns true, and shares the memory of gcov's counters with the process that stays behind, which
 * is called @name, waits, writes the counters when the child has ended, by whatever means, and ends
 * as it did, unless it is killed itself. Only while there is one thread. Returns false if that
 * cannot be had.
 *
 * gcc's own execve(2) and fork(2) for such builds are left out (-fno-builtin-…): a child of the
 * child would write what is there, or forget it.
 */
bool outlive_child(const char *name);
