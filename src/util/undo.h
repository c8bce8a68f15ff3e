/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * The undo record of a composite operation. Each step that leaves something behind pushes how to
 * take it back; leaving the scope without banger_undo_commit() walks the record backwards, and goes
 * on when a step of it fails. On success commit it:
 *
 *     g_auto(BangerUndo) undo = BANGER_UNDO_INIT;
 *
 *     if (!tap_create(name, error))
 *         return false;
 *     banger_undo_push(&undo, delete_tap, g_strdup(name), g_free);
 *     …
 *     banger_undo_commit(&undo);
 *     return true;
 */
typedef struct {
    GArray *steps;
} BangerUndo;

#define BANGER_UNDO_INIT                                                                           \
    {                                                                                              \
        NULL                                                                                       \
    }

/*
 * Records that @take_back(@data) undoes the step just done. It is called at most once; @free_data
 * (which may be NULL) frees @data afterwards, and also when the record is committed.
 */
void banger_undo_push(BangerUndo *undo, void (*take_back)(gpointer data), gpointer data,
                      GDestroyNotify free_data);

/* Everything done so far stays: forgets the record without walking it. */
void banger_undo_commit(BangerUndo *undo);

/* Walks the record, last step first, and empties it. Called by g_auto() at the end of the scope. */
void banger_undo_walk(BangerUndo *undo);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerUndo, banger_undo_walk)
