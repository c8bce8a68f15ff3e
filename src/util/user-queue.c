/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/user-queue.h"

/* A user's items, in a line of users. A user without items has none. */
typedef struct {
    uid_t uid;
    GQueue items;
} UserItems;

typedef struct {
    GQueue users;       /* of UserItems: the head's turn is next */
    GHashTable *by_uid; /* uid -> its UserItems in @users */
} TurnLine;

enum { LINE_FIRST, LINE_LAST, N_LINES };

struct BangerUserQueue {
    TurnLine lines[N_LINES];
};

BangerUserQueue *
banger_user_queue_new(void)
{
    BangerUserQueue *queue = g_new0(BangerUserQueue, 1);

    for (unsigned int i = 0; i < N_LINES; i++) {
        g_queue_init(&queue->lines[i].users);
        queue->lines[i].by_uid = g_hash_table_new(NULL, NULL);
    }
    return queue;
}

void
banger_user_queue_free(BangerUserQueue *queue)
{
    g_assert(banger_user_queue_is_empty(queue));
    for (unsigned int i = 0; i < N_LINES; i++)
        g_hash_table_unref(queue->lines[i].by_uid);
    g_free(queue);
}

void
banger_user_queue_push(BangerUserQueue *queue, uid_t uid, bool last, void *item)
{
    TurnLine *line = &queue->lines[last ? LINE_LAST : LINE_FIRST];
    UserItems *user = g_hash_table_lookup(line->by_uid, GUINT_TO_POINTER(uid));

    if (user == NULL) {
        user = g_new0(UserItems, 1);
        user->uid = uid;
        g_queue_init(&user->items);
        g_queue_push_tail(&line->users, user);
        g_hash_table_insert(line->by_uid, GUINT_TO_POINTER(uid), user);
    }
    g_queue_push_tail(&user->items, item);
}

/* Takes @user, which has no items left and is in no line any more, out of @line's table. */
static void
drop_user(TurnLine *line, UserItems *user)
{
    (void)g_hash_table_remove(line->by_uid, GUINT_TO_POINTER(user->uid));
    g_free(user);
}

static void *
pop_from_line(TurnLine *line)
{
    UserItems *user = g_queue_pop_head(&line->users);
    void *item;

    if (user == NULL)
        return NULL;
    item = g_queue_pop_head(&user->items);
    if (g_queue_is_empty(&user->items))
        drop_user(line, user);
    else
        g_queue_push_tail(&line->users, user);
    return item;
}

void *
banger_user_queue_pop(BangerUserQueue *queue)
{
    void *item = pop_from_line(&queue->lines[LINE_FIRST]);

    return item != NULL ? item : pop_from_line(&queue->lines[LINE_LAST]);
}

static bool
remove_from_line(TurnLine *line, uid_t uid, const void *item)
{
    UserItems *user = g_hash_table_lookup(line->by_uid, GUINT_TO_POINTER(uid));

    if (user == NULL || !g_queue_remove(&user->items, item))
        return false;
    if (g_queue_is_empty(&user->items)) {
        (void)g_queue_remove(&line->users, user);
        drop_user(line, user);
    }
    return true;
}

bool
banger_user_queue_remove(BangerUserQueue *queue, uid_t uid, const void *item)
{
    return remove_from_line(&queue->lines[LINE_FIRST], uid, item) ||
           remove_from_line(&queue->lines[LINE_LAST], uid, item);
}

bool
banger_user_queue_is_empty(const BangerUserQueue *queue)
{
    return g_queue_is_empty((GQueue *)&queue->lines[LINE_FIRST].users) &&
           g_queue_is_empty((GQueue *)&queue->lines[LINE_LAST].users);
}
