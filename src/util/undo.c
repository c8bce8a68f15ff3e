/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/undo.h"

#include <stdbool.h>

typedef struct {
    void (*take_back)(void *user_data);
    gpointer data;
    GDestroyNotify free_data;
} Step;

void
banger_undo_push(BangerUndo *undo, void (*take_back)(gpointer data), gpointer data,
                 GDestroyNotify free_data)
{
    Step step = {take_back, data, free_data};

    if (undo->steps == NULL)
        undo->steps = g_array_new(false, false, sizeof(Step));
    g_array_append_val(undo->steps, step);
}

static void
empty_record(BangerUndo *undo, bool take_back)
{
    GArray *steps = g_steal_pointer(&undo->steps);

    if (steps == NULL)
        return;
    for (unsigned int i = steps->len; i > 0; i--) {
        Step *step = &g_array_index(steps, Step, i - 1);

        if (take_back)
            step->take_back(step->data);
        if (step->free_data != NULL)
            step->free_data(step->data);
    }
    g_array_unref(steps);
}

void
banger_undo_commit(BangerUndo *undo)
{
    empty_record(undo, false);
}

void
banger_undo_walk(BangerUndo *undo)
{
    empty_record(undo, true);
}
