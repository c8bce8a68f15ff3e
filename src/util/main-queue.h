/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * What other threads have for the main one: functions, which the main loop runs in the order in
 * which they came, at G_PRIORITY_DEFAULT.
 *
 * A GSource of its own each, attached by the other thread, would do the same. But GLib wakes the
 * loop under the lock of the loop's context, so that the main thread, once awake, first
 * waits for the thread that woke it: two more switches for every call.
 */
typedef struct BangerMainQueue BangerMainQueue;

/* On the main thread, whose default context runs the functions. Errors: OperationFailed. */
BangerMainQueue *banger_main_queue_new(GError **error);

/* No thread may have the queue any more. What is still in it does not run. */
void banger_main_queue_free(BangerMainQueue *queue);

/* On any thread: @function runs on the main one, with @user_data, and never within this. */
void banger_main_queue_push(BangerMainQueue *queue, void (*function)(void *user_data),
                            void *user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerMainQueue, banger_main_queue_free)
