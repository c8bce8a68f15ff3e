/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "rig/rig-client.h"

/* What the tests of bangerctl share. A function that cannot do its work fails the test. */

#define BANGERCTL BUILD_DIR "/bangerctl "
#define AS_STRANGER "setpriv --reuid stranger --regid stranger --clear-groups "
#define AS_MEMBER "setpriv --reuid member --regid member --init-groups "

/* How a script of bangerctl's commands begins: it prints each, and ends at the first failure. */
#define BANGERCTL_SCRIPT "set -ex\nexport PATH=" BUILD_DIR ":$PATH\n"

/* Runs @command in a shell; its exit status, and all it printed in *@ret_text, to be freed. */
int bangerctl_run(const char *command, char **ret_text);

/* Runs @command, which must end with @status and print @part. */
void bangerctl_check(const char *command, int status, const char *part);

/* Runs @command, which must succeed, and returns what it printed. Free with g_free(). */
char *bangerctl_print(const char *command);

/* Whether the program @name is on this machine. */
bool bangerctl_have(const char *name);

/*
 * The commands of the document @path, each with the lines that go on; only those of the section
 * @section, if that is not NULL ("": what is before the first). BANGERCTL_SCRIPT with them, and how
 * many they are. Free with g_free().
 */
char *bangerctl_extract(const char *path, const char *section, unsigned int *ret_n);
