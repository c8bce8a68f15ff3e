/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/order.h"

#include <stdbool.h>
#include <string.h>

#include "model/details.h"

struct BangerOrder {
    GMutex lock;
    GHashTable *lines; /* key -> GQueue of Place, in their order; none is empty */
};

struct BangerTicket {
    BangerOrder *order;
    char **keys;
    unsigned int ahead; /* in how many of its lines it has to wait */
    void (*go)(gpointer);
    void *user_data;
};

/* A ticket's place in one line. */
typedef struct {
    BangerTicket *ticket;
    bool is_shared;
    bool is_open; /* it waits for no ticket in this line */
} Place;

static void
free_line(void *user_data)
{
    g_queue_free_full(user_data, g_free);
}

BangerOrder *
banger_order_new(void)
{
    BangerOrder *order = g_new0(BangerOrder, 1);

    g_mutex_init(&order->lock);
    order->lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_line);
    return order;
}

void
banger_order_free(BangerOrder *order)
{
    g_assert(g_hash_table_size(order->lines) == 0);
    g_hash_table_unref(order->lines);
    g_mutex_clear(&order->lock);
    g_free(order);
}

/* The name of the object that @key is of. */
static const char *
object_of(const char *key)
{
    return g_str_has_prefix(key, BANGER_KEY_SHARED) ? key + strlen(BANGER_KEY_SHARED) : key;
}

static GQueue *
find_line(BangerOrder *order, const char *key)
{
    GQueue *line = g_hash_table_lookup(order->lines, object_of(key));

    if (line == NULL) {
        line = g_queue_new();
        g_hash_table_insert(order->lines, g_strdup(object_of(key)), line);
    }
    return line;
}

static Place *
new_place(BangerTicket *ticket, const char *key)
{
    Place *place = g_new0(Place, 1);

    place->ticket = ticket;
    place->is_shared = g_str_has_prefix(key, BANGER_KEY_SHARED);
    return place;
}

static void
enter_line(BangerTicket *ticket, const char *key)
{
    GQueue *line = find_line(ticket->order, key);
    const Place *last = g_queue_peek_tail(line);
    Place *place = new_place(ticket, key);

    place->is_open = last == NULL || (place->is_shared && last->is_shared && last->is_open);
    ticket->ahead += !place->is_open;
    g_queue_push_tail(line, place);
}

BangerTicket *
banger_order_enter(BangerOrder *order, const char *const *keys, void (*go)(gpointer),
                   void *user_data)
{
    BangerTicket *ticket = g_new0(BangerTicket, 1);
    bool is_first;

    ticket->order = order;
    ticket->keys = g_strdupv((char **)keys);
    ticket->go = go;
    ticket->user_data = user_data;
    g_mutex_lock(&order->lock);
    for (char **key = ticket->keys; *key != NULL; key++)
        enter_line(ticket, *key);
    is_first = ticket->ahead == 0;
    g_mutex_unlock(&order->lock);
    if (is_first)
        go(user_data);
    return ticket;
}

/*
 * Opens the places at the head of @line that have no ticket before them; whose last it was is in
 * @freed.
 */
static void
open_places(GQueue *line, GPtrArray *freed)
{
    for (GList *link = line->head; link != NULL; link = link->next) {
        Place *place = link->data;

        if (link != line->head && !place->is_shared)
            return;
        if (!place->is_open) {
            place->is_open = true;
            if (--place->ticket->ahead == 0)
                g_ptr_array_add(freed, place->ticket);
        }
        if (!place->is_shared)
            return;
    }
}

static void
leave_line(const BangerTicket *ticket, const char *key, GPtrArray *freed)
{
    GQueue *line = g_hash_table_lookup(ticket->order->lines, object_of(key));
    GList *link = line->head;

    while (((const Place *)link->data)->ticket != ticket)
        link = link->next;
    g_free(link->data);
    g_queue_delete_link(line, link);
    if (g_queue_is_empty(line))
        g_hash_table_remove(ticket->order->lines, object_of(key));
    else
        open_places(line, freed);
}

void
banger_order_leave(BangerTicket *ticket)
{
    g_autoptr(GPtrArray) freed = g_ptr_array_new();
    BangerOrder *order = ticket->order;

    g_mutex_lock(&order->lock);
    for (char **key = ticket->keys; *key != NULL; key++)
        leave_line(ticket, *key, freed);
    g_mutex_unlock(&order->lock);
    g_strfreev(ticket->keys);
    g_free(ticket);
    /* Only now: a go() may enter and leave. */
    for (unsigned int i = 0; i < freed->len; i++) {
        BangerTicket *next = g_ptr_array_index(freed, i);

        next->go(next->user_data);
    }
}

/* Whether a ticket that was let go has the object of @line. */
static bool
is_taken(GQueue *line)
{
    for (GList *link = line->head; link != NULL; link = link->next)
        if (((const Place *)link->data)->ticket->ahead == 0)
            return true;
    return false;
}

BangerTicket *
banger_order_try(BangerOrder *order, const char *key)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&order->lock);
    BangerTicket *ticket;
    GQueue *line = find_line(order, key);
    Place *place;

    (void)locker;
    if (is_taken(line))
        return NULL;
    ticket = g_new0(BangerTicket, 1);
    ticket->order = order;
    ticket->keys = g_new0(char *, 2);
    ticket->keys[0] = g_strdup(key);
    place = new_place(ticket, key);
    place->is_open = true;
    /* Those that had only this line open wait here now. */
    for (GList *link = line->head; link != NULL; link = link->next) {
        Place *other = link->data;

        other->ticket->ahead += other->is_open;
        other->is_open = false;
    }
    g_queue_push_head(line, place);
    return ticket;
}
