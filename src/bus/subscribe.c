/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/subscribe.h"

#include "bus/message.h"
#include "bus/object-watch.h"
#include "bus/subscriptions.h"

struct BangerSubscribe {
    BangerCredentials *credentials;
    BangerObjects *objects;
    BangerSubscriptions *subscriptions;
    BangerObjectWatch *watch; /* while a connection is subscribed */
    bool ready;               /* it misses nothing any more */
    bool stopped;
    GPtrArray *unanswered; /* calls that wait for the watch to be ready */
    void (*idle)(void *user_data);
    void *idle_data;
};

static void
send_answer(sd_bus_message *message, const GError *error)
{
    if (error == NULL)
        (void)sd_bus_reply_method_return(message, "");
    else
        (void)banger_message_reply_error(message, error);
}

static void
answer_all(BangerSubscribe *subscribe, const GError *error)
{
    for (unsigned int i = 0; i < subscribe->unanswered->len; i++)
        send_answer(g_ptr_array_index(subscribe->unanswered, i), error);
    g_ptr_array_set_size(subscribe->unanswered, 0);
}

static void
on_last_gone(void *user_data)
{
    BangerSubscribe *subscribe = user_data;

    g_clear_pointer(&subscribe->watch, banger_object_watch_free);
    subscribe->ready = false;
    /* Who is still there has called Unsubscribe meanwhile. */
    answer_all(subscribe, NULL);
    subscribe->idle(subscribe->idle_data);
}

static void
fail_subscriptions(BangerSubscribe *subscribe, const GError *error)
{
    answer_all(subscribe, error);
    g_clear_pointer(&subscribe->watch, banger_object_watch_free);
    banger_subscriptions_clear(subscribe->subscriptions);
}

static void
on_ready(const GError *error, void *user_data)
{
    BangerSubscribe *subscribe = user_data;

    if (error != NULL) {
        fail_subscriptions(subscribe, error);
        return;
    }
    subscribe->ready = true;
    answer_all(subscribe, NULL);
}

static void
refuse_ending(sd_bus_message *message)
{
    g_autoptr(GError) error = NULL;

    (void)banger_set_error(&error, BANGER_ERROR_OPERATION_FAILED,
                           "the helper gives up this connection: subscribe again");
    send_answer(message, error);
}

BangerSubscribe *
banger_subscribe_new(sd_bus *bus, BangerCredentials *credentials, BangerObjects *objects,
                     void (*idle)(void *user_data), void *user_data)
{
    BangerSubscribe *subscribe = g_new0(BangerSubscribe, 1);

    subscribe->credentials = credentials;
    subscribe->objects = objects;
    subscribe->subscriptions = banger_subscriptions_new(bus, on_last_gone, subscribe);
    subscribe->unanswered =
        g_ptr_array_new_with_free_func((GDestroyNotify)(void (*)(void))sd_bus_message_unref);
    subscribe->idle = idle;
    subscribe->idle_data = user_data;
    return subscribe;
}

void
banger_subscribe_free(BangerSubscribe *subscribe)
{
    g_clear_pointer(&subscribe->watch, banger_object_watch_free);
    banger_subscriptions_free(subscribe->subscriptions);
    g_ptr_array_unref(subscribe->unanswered);
    g_free(subscribe);
}

/* Subscribes the sender of @message, who is known since the intake, unless it has left. */
static bool
subscribe_sender(BangerSubscribe *subscribe, sd_bus_message *message, GError **error)
{
    const char *sender = sd_bus_message_get_sender(message);
    const BangerPeer *peer = banger_credentials_find(subscribe->credentials, sender);

    if (peer == NULL)
        return banger_set_error(error, BANGER_ERROR_ACCESS_DENIED, "the bus does not say who %s is",
                                sender);
    return banger_subscriptions_add(subscribe->subscriptions, sender, peer->uid, error);
}

void
banger_subscribe_add(BangerSubscribe *subscribe, sd_bus_message *message)
{
    g_autoptr(GError) error = NULL;

    if (subscribe->stopped) {
        refuse_ending(message);
        return;
    }
    if (!subscribe_sender(subscribe, message, &error) || subscribe->ready) {
        send_answer(message, error);
        return;
    }
    g_ptr_array_add(subscribe->unanswered, sd_bus_message_ref(message));
    if (subscribe->watch == NULL)
        subscribe->watch = banger_object_watch_new(subscribe->objects, on_ready, subscribe, &error);
    if (subscribe->watch == NULL)
        fail_subscriptions(subscribe, error);
}

void
banger_subscribe_remove(BangerSubscribe *subscribe, sd_bus_message *message)
{
    banger_subscriptions_remove(subscribe->subscriptions, sd_bus_message_get_sender(message));
    send_answer(message, NULL);
}

unsigned int
banger_subscribe_count(const BangerSubscribe *subscribe)
{
    return banger_subscriptions_count(subscribe->subscriptions);
}

void
banger_subscribe_look_at_snapshots(BangerSubscribe *subscribe)
{
    if (subscribe->watch != NULL)
        banger_object_watch_snapshots(subscribe->watch);
}

void
banger_subscribe_look_at_job(BangerSubscribe *subscribe, const char *name, BangerJobEvent event)
{
    if (subscribe->watch != NULL)
        banger_object_watch_job(subscribe->watch, name, event);
}

void
banger_subscribe_stop(BangerSubscribe *subscribe)
{
    subscribe->stopped = true;
    for (unsigned int i = 0; i < subscribe->unanswered->len; i++)
        refuse_ending(g_ptr_array_index(subscribe->unanswered, i));
    g_ptr_array_set_size(subscribe->unanswered, 0);
    g_clear_pointer(&subscribe->watch, banger_object_watch_free);
    banger_subscriptions_clear(subscribe->subscriptions);
}
