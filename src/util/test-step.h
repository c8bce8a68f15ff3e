/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The seams of operations of many steps, in builds with test hooks alone (configure
 * --enable-test-hooks). Where there is the directory BANGER_TEST_STEPS, the name of each step that
 * was done is appended to its file "done", and its file "order" is obeyed, if it names the step:
 *
 *     fail STEP   the operation fails, as if what follows could not be done
 *     kill STEP   the helper dies of SIGKILL
 *     term STEP   the helper gets SIGTERM, and has until it has cancelled the operation
 *     wait STEP   nothing goes on before the operation is cancelled, or the order is gone
 */
#define BANGER_TEST_STEPS "/run/banger-helper/test"

#ifdef BANGER_TEST_HOOKS
/* @cancel_fd is that of the operation's job, or -1. Whether the operation may go on. */
bool banger_test_step(const char *step, int cancel_fd, GError **error);
#endif
