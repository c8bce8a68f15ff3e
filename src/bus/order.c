/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/order.h"

struct BangerOrder {
    GHashTable *lines; /* key -> GQueue of BangerTicket; a key without a line has nobody waiting */
};

struct BangerTicket {
    BangerOrder *order;
    char **keys;
    guint ahead; /* in how many of its lines it is not the first yet */
    void (*go)(gpointer);
    gpointer user_data;
};

BangerOrder *
banger_order_new(void)
{
    BangerOrder *order = g_new0(BangerOrder, 1);

    order->lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                         (GDestroyNotify)(void (*)(void))g_queue_free);
    return order;
}

void
banger_order_free(BangerOrder *order)
{
    g_assert(g_hash_table_size(order->lines) == 0);
    g_hash_table_unref(order->lines);
    g_free(order);
}

BangerTicket *
banger_order_enter(BangerOrder *order, const char *const *keys, void (*go)(gpointer),
                   gpointer user_data)
{
    BangerTicket *ticket = g_new0(BangerTicket, 1);

    ticket->order = order;
    ticket->keys = g_strdupv((char **)keys);
    ticket->go = go;
    ticket->user_data = user_data;
    for (char **key = ticket->keys; *key != NULL; key++) {
        GQueue *line = g_hash_table_lookup(order->lines, *key);

        if (line == NULL) {
            line = g_queue_new();
            g_hash_table_insert(order->lines, g_strdup(*key), line);
        }
        ticket->ahead += !g_queue_is_empty(line);
        g_queue_push_tail(line, ticket);
    }
    if (ticket->ahead == 0)
        go(user_data);
    return ticket;
}

void
banger_order_leave(BangerTicket *ticket)
{
    g_autoptr(GPtrArray) freed = g_ptr_array_new();

    g_assert(ticket->ahead == 0);
    for (char **key = ticket->keys; *key != NULL; key++) {
        GQueue *line = g_hash_table_lookup(ticket->order->lines, *key);
        BangerTicket *first = g_queue_pop_head(line);
        BangerTicket *next = g_queue_peek_head(line);

        g_assert(first == ticket);
        if (next == NULL)
            g_hash_table_remove(ticket->order->lines, *key);
        else if (--next->ahead == 0)
            g_ptr_array_add(freed, next);
    }
    g_strfreev(ticket->keys);
    g_free(ticket);
    /* Only now: a go() may enter and leave. */
    for (guint i = 0; i < freed->len; i++) {
        BangerTicket *next = g_ptr_array_index(freed, i);

        next->go(next->user_data);
    }
}
