/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/batch.h"

#include "json-bridge/json.h"

struct BangerBatch {
    struct json_object *array; /* the members not begun yet; NULL once all are */
    size_t next;
    size_t length;
    size_t n_running;
    GString *answers;
    BangerHold hold; /* what is in @answers */
};

BangerBatch *
banger_batch_new(struct json_object *array, BangerHoldBudget *budget)
{
    BangerBatch *batch = g_new0(BangerBatch, 1);

    batch->array = json_object_get(array);
    batch->length = json_object_array_length(array);
    batch->answers = g_string_new(NULL);
    batch->hold = (BangerHold){.budget = budget, .is_one_of_many = true};
    return batch;
}

static void
batch_free(BangerBatch *batch)
{
    banger_hold_shrink(&batch->hold, batch->hold.held);
    if (batch->answers != NULL)
        g_string_free(batch->answers, TRUE);
    banger_json_put(batch->array);
    g_free(batch);
}

struct json_object *
banger_batch_begin(BangerBatch *batch)
{
    struct json_object *member =
        json_object_get(json_object_array_get_idx(batch->array, batch->next));

    batch->n_running++;
    (void)json_object_array_put_idx(batch->array, batch->next++, NULL);
    if (banger_batch_all_begun(batch))
        g_clear_pointer(&batch->array, banger_json_put);
    return member;
}

bool
banger_batch_all_begun(const BangerBatch *batch)
{
    return batch->next >= batch->length;
}

bool
banger_batch_end(BangerBatch *batch, GString *answer)
{
    if (answer != NULL) {
        if (!banger_hold_grow(&batch->hold, answer->len))
            return false;
        g_string_append_c(batch->answers, batch->answers->len == 0 ? '[' : ',');
        g_string_append_len(batch->answers, answer->str, (gssize)answer->len);
        g_string_free(answer, TRUE);
    }
    batch->n_running--;
    return true;
}

bool
banger_batch_finish(BangerBatch *batch, GString **ret_answer)
{
    GString *answers = NULL;

    if (!banger_batch_all_begun(batch) || batch->n_running > 0)
        return false;
    if (batch->answers->len > 0)
        answers = g_string_append_c(g_steal_pointer(&batch->answers), ']');
    batch_free(batch);
    *ret_answer = answers;
    return true;
}

void
banger_batch_abandon(BangerBatch *batch)
{
    batch->length = 0;
    g_clear_pointer(&batch->array, banger_json_put);
    if (batch->n_running == 0)
        batch_free(batch);
}
