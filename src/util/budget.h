/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* How much may be spent at once, and how much of it comes back in a second. */
typedef struct {
    uint32_t at_once;
    uint32_t per_sec;
} BangerBudgetRate;

/* What is left of a budget. Zeroed: nothing was spent yet. */
typedef struct {
    int64_t spent_micro; /* in millionths; over @at_once after banger_budget_charge() */
    int64_t at_usec;     /* when that was so, monotonic */
} BangerBudget;

/* Spends @amount, unless that is more than there is. Returns whether it was spent. */
bool banger_budget_take(BangerBudget *budget, const BangerBudgetRate *rate, uint32_t amount,
                        int64_t now_usec);

/* Spends @amount, even if that is more than there is. */
void banger_budget_charge(BangerBudget *budget, const BangerBudgetRate *rate, uint32_t amount,
                          int64_t now_usec);

/* Whether all that was spent has come back. */
bool banger_budget_is_full(BangerBudget *budget, const BangerBudgetRate *rate, int64_t now_usec);
