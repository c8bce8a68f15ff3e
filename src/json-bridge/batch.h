/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "json-bridge/hold.h"

/* A batch of JSON-RPC: its members are begun one by one, and answered together in one array. */
typedef struct BangerBatch BangerBatch;

/*
 * @array is not empty; a reference is taken, and its members are taken out of it as they begin. The
 * answers are accounted in @budget.
 */
BangerBatch *banger_batch_new(struct json_object *array, BangerHoldBudget *budget);

/*
 * The next member to begin (NULL is a JSON null), which is one more that banger_batch_end() is owed
 * for. The reference is the caller's, and the only one if nothing else has the array: what a batch
 * that is in flight asked for is not kept with it.
 */
struct json_object *banger_batch_begin(BangerBatch *batch);

/* Whether all members have been begun. */
bool banger_batch_all_begun(const BangerBatch *batch);

/*
 * Takes the answer of a member, or NULL if it has none; false, with @answer still the caller's, if
 * there is no room for it.
 */
bool banger_batch_end(BangerBatch *batch, GString *answer);

/*
 * Once every member was begun and has ended: frees the batch and returns true, with the answers in
 * @ret_answer, NULL if no member has one.
 */
bool banger_batch_finish(BangerBatch *batch, GString **ret_answer);

/*
 * Begins no further member: the batch is complete when those begun have ended. Frees it if there
 * are none.
 */
void banger_batch_abandon(BangerBatch *batch);
