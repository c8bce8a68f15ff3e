/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/sender.h"

#include <sys/socket.h>

#include "json-bridge/bridge-limits.h"
#include "json-bridge/timer.h"

struct BangerSender {
    BangerContext *context;
    int fd;
    BangerSenderExpired expired;
    void *user_data;
    sd_event_source *timer;
    BangerOutbox outbox;
};

BangerSender *
banger_sender_new(BangerContext *context, int fd, BangerSenderExpired expired, void *user_data)
{
    BangerSender *sender = g_new0(BangerSender, 1);

    sender->context = context;
    sender->fd = fd;
    sender->expired = expired;
    sender->user_data = user_data;
    banger_outbox_init(&sender->outbox, &context->budget);
    return sender;
}

void
banger_sender_free(BangerSender *sender)
{
    (void)sd_event_source_disable_unref(sender->timer);
    banger_outbox_close(&sender->outbox);
    g_free(sender);
}

static int
on_expired(sd_event_source *source, uint64_t usec, void *user_data)
{
    BangerSender *sender = user_data;

    (void)source;
    (void)usec;
    sender->expired(sender->user_data);
    return 0;
}

static bool
is_timed(const BangerSender *sender)
{
    return sender->timer != NULL && sd_event_source_get_enabled(sender->timer, NULL) > 0;
}

void
banger_sender_flush(BangerSender *sender)
{
    ssize_t sent;

    if (banger_outbox_pending(&sender->outbox) == 0)
        return;
    sent = banger_outbox_flush(&sender->outbox, sender->fd);
    if (banger_outbox_pending(&sender->outbox) == 0)
        banger_timer_disarm(sender->timer);
    else if ((sent > 0 && !sender->context->is_stopping) || !is_timed(sender))
        banger_timer_arm(sender->context->event, &sender->timer, sender->context->peer_timeout_sec,
                         on_expired, sender);
}

bool
banger_sender_send(BangerSender *sender, GString *answer)
{
    if (sender == NULL) {
        g_string_free(answer, TRUE);
        return true;
    }
    g_string_append_c(answer, '\n');
    if (!banger_outbox_push(&sender->outbox, answer))
        return false;
    banger_sender_flush(sender);
    return true;
}

size_t
banger_sender_pending(const BangerSender *sender)
{
    return banger_outbox_pending(&sender->outbox);
}

void
banger_sender_hang_up(BangerSender *sender)
{
    banger_outbox_close(&sender->outbox);
    banger_timer_disarm(sender->timer);
}

bool
banger_sender_has_hung_up(const BangerSender *sender)
{
    return sender->outbox.is_closed;
}

bool
banger_sender_finish(BangerSender *sender)
{
    if (sender->outbox.is_closed || shutdown(sender->fd, SHUT_WR) < 0)
        return false;
    banger_timer_arm(sender->context->event, &sender->timer, BANGER_LINGER_SEC, on_expired, sender);
    return true;
}
