/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <check.h>
#include <stdint.h>

/*
 * What every test program's main() does: runs @suite with libcheck, prints what failed, and reports
 * one line a test to the file that $BANGER_TEST_RESULTS names, if it names one:
 *
 *     pass|fail|skip <TAB> @program <TAB> test <TAB> message
 *
 * tools/check adds those lines up. @program is "tier/name", such as "unit/names". CK_FORK, CK_RUN_*
 * and CK_TIMEOUT_MULTIPLIER count as libcheck documents them. Frees @suite.
 *
 * Returns main()'s exit status: 0 if nothing failed, 77 (automake's for a skipped test) if nothing
 * failed because every test was skipped, else 1. A program in which no test ran has failed.
 */
int harness_run(const char *program, Suite *suite);

/*
 * Marks the running test as skipped for @reason, which is for the reader of the closing line: what
 * this host lacks. The test returns right after it:
 *
 *     if (!have_device_mapper()) {
 *         harness_skip("no device-mapper in this kernel");
 *         return;
 *     }
 */
void harness_skip(const char *reason);

/* The number in the environment variable @name, such as how often; @otherwise if it is unset. */
uint64_t harness_number(const char *name, uint64_t otherwise);
