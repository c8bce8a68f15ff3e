/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/types.h>

/* What the programs about the jail have in common. */

/* Starts the machine @name with a writable drive @name.data. */
pid_t jail_launch(const char *name);

/* Kills it, and does what its owner would then. */
void jail_end(const char *name, pid_t pid);

/* Removes what the owner of a VM that was killed would. */
void jail_clean_up(const char *name);

/* Runs @command, which has to succeed. */
void jail_run(const char *command);
