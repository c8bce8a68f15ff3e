/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Waits for new names in a directory (inotify(7)). The descriptors are kept and used again: where
 * one is closed the kernel waits until it has freed what was watched, some 15 ms.
 *
 * A watch that was used before may report a name that came before it began: its user looks again.
 */
typedef struct {
    int fd;   /* poll(2) finds it readable when there is a new name */
    int mark; /* of the directory */
} BangerNameWatch;

#define BANGER_NAME_WATCH_INIT                                                                     \
    {                                                                                              \
        -1, -1                                                                                     \
    }

/* Watches @directory, an open descriptor. False, with errno set, if there is no watch to be had. */
bool banger_name_watch_begin(int directory, BangerNameWatch *ret_watch);

/* Takes some of what has been reported. Whether there was anything. */
bool banger_name_watch_take(const BangerNameWatch *watch);

/* Ends @watch; one that has not begun is left as it is. */
void banger_name_watch_end(BangerNameWatch *watch);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerNameWatch, banger_name_watch_end)
