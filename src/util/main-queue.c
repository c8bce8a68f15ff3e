/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/main-queue.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/error.h"

typedef struct {
    void (*function)(void *user_data);
    void *user_data;
} Item;

struct BangerMainQueue {
    GMutex lock;
    GArray *items; /* of Item, under the lock */
    GArray *spare; /* of the main thread: empty, and takes the place of @items */
    int event_fd;  /* readable once @items got its first */
    unsigned int watch;
};

static GArray *
new_items(void)
{
    return g_array_new(FALSE, FALSE, sizeof(Item));
}

static gboolean
on_readable(gint event_fd, GIOCondition condition, void *user_data)
{
    BangerMainQueue *queue = user_data;
    GArray *items;
    eventfd_t count;

    (void)condition;
    /* Before the items are taken: a write after it makes the descriptor readable again. */
    (void)eventfd_read(event_fd, &count);
    g_mutex_lock(&queue->lock);
    items = queue->items;
    queue->items = queue->spare;
    g_mutex_unlock(&queue->lock);
    for (unsigned int i = 0; i < items->len; i++) {
        const Item *item = &g_array_index(items, Item, i);

        item->function(item->user_data);
    }
    g_array_set_size(items, 0);
    queue->spare = items;
    return G_SOURCE_CONTINUE;
}

BangerMainQueue *
banger_main_queue_new(GError **error)
{
    int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    BangerMainQueue *queue;

    if (event_fd < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                               "cannot make an event descriptor");
        return NULL;
    }
    queue = g_new0(BangerMainQueue, 1);
    g_mutex_init(&queue->lock);
    queue->items = new_items();
    queue->spare = new_items();
    queue->event_fd = event_fd;
    queue->watch = g_unix_fd_add(event_fd, G_IO_IN, on_readable, queue);
    return queue;
}

void
banger_main_queue_free(BangerMainQueue *queue)
{
    g_source_remove(queue->watch);
    (void)close(queue->event_fd);
    g_array_unref(queue->items);
    g_array_unref(queue->spare);
    g_mutex_clear(&queue->lock);
    g_free(queue);
}

void
banger_main_queue_push(BangerMainQueue *queue, void (*function)(void *user_data), void *user_data)
{
    Item item = {function, user_data};
    bool is_first;

    g_mutex_lock(&queue->lock);
    is_first = queue->items->len == 0;
    g_array_append_val(queue->items, item);
    g_mutex_unlock(&queue->lock);
    if (is_first)
        (void)eventfd_write(queue->event_fd, 1);
}
