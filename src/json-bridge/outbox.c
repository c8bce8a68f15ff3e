/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/outbox.h"

#include <errno.h>
#include <sys/socket.h>

void
banger_outbox_init(BangerOutbox *outbox, BangerHoldBudget *budget)
{
    g_queue_init(&outbox->answers);
    outbox->sent = 0;
    outbox->is_closed = false;
    outbox->hold = (BangerHold){.budget = budget};
}

static void
free_answer(gpointer answer)
{
    g_string_free(answer, TRUE);
}

void
banger_outbox_close(BangerOutbox *outbox)
{
    outbox->is_closed = true;
    g_queue_clear_full(&outbox->answers, free_answer);
    outbox->sent = 0;
    banger_hold_shrink(&outbox->hold, outbox->hold.held);
}

bool
banger_outbox_push(BangerOutbox *outbox, GString *answer)
{
    if (outbox->is_closed) {
        free_answer(answer);
        return true;
    }
    if (!banger_hold_grow(&outbox->hold, answer->len))
        return false;
    g_queue_push_tail(&outbox->answers, answer);
    return true;
}

ssize_t
banger_outbox_flush(BangerOutbox *outbox, int fd)
{
    GString *answer;
    ssize_t total = 0;

    while ((answer = g_queue_peek_head(&outbox->answers)) != NULL) {
        ssize_t n = send(fd, answer->str + outbox->sent, answer->len - outbox->sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            int saved_errno = errno;

            banger_outbox_close(outbox);
            return -saved_errno;
        }
        total += n;
        outbox->sent += (size_t)n;
        banger_hold_shrink(&outbox->hold, (size_t)n);
        if (outbox->sent < answer->len)
            continue;
        free_answer(g_queue_pop_head(&outbox->answers));
        outbox->sent = 0;
    }
    return total;
}
