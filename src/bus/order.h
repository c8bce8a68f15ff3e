/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * Order by object: calls with the same key (banger_request_keys()) run one after the other, first
 * come first served, unless they only share it; calls that have none in common run side by side. A
 * call enters with all its keys at once, so two calls can never wait for each other.
 *
 * Used from the main thread alone, but for banger_order_try().
 */
typedef struct BangerOrder BangerOrder;
typedef struct BangerTicket BangerTicket;

BangerOrder *banger_order_new(void);

/* No ticket may be in it. */
void banger_order_free(BangerOrder *order);

/*
 * Queues behind everyone who entered with one of @keys (NULL-terminated, copied) before.
 * @go(@user_data) is called exactly once, when all of them have left: at once, before this returns,
 * if there is none.
 */
BangerTicket *banger_order_enter(BangerOrder *order, const char *const *keys, void (*go)(gpointer),
                                 void *user_data);

/*
 * Leaves and frees @ticket, also before its go() was called, which it then never is; lets those go
 * that waited for it alone.
 */
void banger_order_leave(BangerTicket *ticket);

/*
 * Takes the object of @key, which is not a shared one, before all that wait for it, if no ticket
 * has it that was let go; NULL otherwise. A call that runs takes in this way what it found out that
 * it works on: it does not wait, so no two tickets wait for each other. From any thread; the ticket
 * is left on the main thread.
 */
BangerTicket *banger_order_try(BangerOrder *order, const char *key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerOrder, banger_order_free)
