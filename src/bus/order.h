/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * Order by object: calls that share a key (banger_request_keys()) run one after the other, first
 * come first served; calls that share none run side by side. A call enters with all its keys at
 * once, so two calls can never wait for each other.
 *
 * Used from the main thread alone.
 */
typedef struct BangerOrder BangerOrder;
typedef struct BangerTicket BangerTicket;

BangerOrder *banger_order_new(void);

/* Nobody may be in it. */
void banger_order_free(BangerOrder *order);

/*
 * Queues behind everyone who entered with one of @keys (NULL-terminated, copied) before.
 * @go(@user_data) is called exactly once, when all of them have left: at once, before this returns,
 * if there is nobody.
 */
BangerTicket *banger_order_enter(BangerOrder *order, const char *const *keys, void (*go)(gpointer),
                                 gpointer user_data);

/* Leaves and frees @ticket, whose go() was called; lets those go that waited for it alone. */
void banger_order_leave(BangerTicket *ticket);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerOrder, banger_order_free)
