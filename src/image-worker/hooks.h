/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A guest path below this one makes the worker misbehave, in a test build only. */
#define BANGER_HOOK_PREFIX "/.banger-test-hook/"

/*
 * What a hostile image might make of the worker. If @path is BANGER_HOOK_PREFIX and the name of a
 * hook, does it: "crash", "hang", "memory", "spin", "lie-…" (a wrong reply), "probe-…" (tries to
 * leave the sandbox). Returns false if @path is something else; if it returns true, @answer of
 * @size bytes is the reply: "refused: …" or "done: …".
 */
bool banger_hook_run(const char *path, char *answer, size_t size);
