/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The files of the project, for tests about the tree itself. */

/*
 * Calls @visit with the path, relative to the source folder, and the text of every file below
 * @folder ("" is all of the tree) that is UTF-8 text, except what is generated there, the corpora
 * of the fuzzers and what a build leaves. Returns how many files these were.
 */
unsigned int source_tree_visit(const char *folder,
                               void (*visit)(const char *path, const char *text, gpointer data),
                               gpointer data);

/* The text of the file @path of the source folder, which is there. Free it with g_free(). */
char *source_tree_read(const char *path);

/* Whether there is such a file or folder in the source folder. */
bool source_tree_has(const char *path);
