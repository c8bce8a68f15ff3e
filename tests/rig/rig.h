/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "rig/rig-users.h"

/*
 * The parts of the rig (tests/rig/rig.c). It is a test program's tool: what goes wrong while it is
 * set up ends it, with one line that says what.
 */

typedef struct {
    gboolean no_polkitd;
    gboolean keep;
    gboolean verbose;
    char *config;  /* the helper.conf to install, or NULL */
    char *wrap;    /* what to start the helper with: "strace -f -o FILE" */
    char **rules;  /* polkit rules to install in /etc/polkit-1/rules.d */
    char **limits; /* "max_message_size=…": limits of the bus */
    char **command;
} RigOptions;

/* Ends the program with a message, unless @condition is true. */
void rig_require(bool condition, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Writes @text to @path, which is made with @mode. */
void rig_write(const char *path, mode_t mode, const char *text);

/*
 * rig-mounts.c: in a fresh mount namespace, makes the machine's folders the rig's own, with the
 * rig's state and logs in @directory.
 */
void rig_mounts_set_up(const char *directory);

/*
 * Makes the folder @path exist in this mount namespace only: the nearest folder above that exists
 * becomes a tmpfs with everything that was in it bind-mounted back.
 */
void rig_mounts_make_path(const char *path);

/* rig-files.c: user database, bus configuration, activation files, polkit's files. */
void rig_files_install(const RigOptions *options, const char *directory);

/* rig-journal.c: forks the collector, which appends records to @directory/journal.jsonl. */
void rig_journal_start(const char *directory);

/* rig-loops.c: detaches the loop devices whose backing files lie in @directory. */
void rig_loops_detach(const char *directory);
