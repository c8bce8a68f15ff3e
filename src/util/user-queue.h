/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * A queue that serves its users in turn: one item of each uid, then the next of each. What one user
 * puts in delays another by one item at most, however much it is. Items of one user keep their
 * order.
 *
 * It keeps pointers and owns none of them. Used from one thread alone.
 */
typedef struct BangerUserQueue BangerUserQueue;

BangerUserQueue *banger_user_queue_new(void);

/* Nothing may be left in it. */
void banger_user_queue_free(BangerUserQueue *queue);

/* Puts @item, of @uid, into the queue. @last: behind everything that is not so, of all users. */
void banger_user_queue_push(BangerUserQueue *queue, uid_t uid, bool last, void *item);

/* Takes the next item out; NULL if there is none. */
void *banger_user_queue_pop(BangerUserQueue *queue);

/* Takes @item of @uid out, wherever it is. Returns false if it is not there. */
bool banger_user_queue_remove(BangerUserQueue *queue, uid_t uid, const void *item);

bool banger_user_queue_is_empty(const BangerUserQueue *queue);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerUserQueue, banger_user_queue_free)
