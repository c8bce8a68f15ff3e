/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Accounts of memory that peers make the bridge use. What an account has comes out of the budget
 * that all share, but for the first BANGER_HELD_FREE, unless it is one of many of a connection.
 */
typedef struct {
    size_t used;
} BangerHoldBudget;

typedef struct {
    BangerHoldBudget *budget;
    size_t held;
    bool is_one_of_many; /* nothing is free */
} BangerHold;

/*
 * Adds @size bytes to @hold; false, with nothing changed, if that is over a limit. Up to
 * BANGER_HELD_ALWAYS bytes are never refused: their number is bounded elsewhere, and an error has
 * to be notified.
 */
bool banger_hold_grow(BangerHold *hold, size_t size);

/* Takes @size bytes, which it has, from @hold. */
void banger_hold_shrink(BangerHold *hold, size_t size);
