/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/budget.h"

#include <glib.h>

#define MICRO G_GINT64_CONSTANT(1000000)

static void
refill_budget(BangerBudget *budget, const BangerBudgetRate *rate, int64_t now_usec)
{
    int64_t elapsed_usec = MAX(now_usec - budget->at_usec, 0);

    budget->at_usec = now_usec;
    /* Long enough for all of it to come back: no product that could overflow. */
    if (elapsed_usec / MICRO > budget->spent_micro / MICRO / rate->per_sec)
        budget->spent_micro = 0;
    else
        budget->spent_micro = MAX(budget->spent_micro - elapsed_usec * rate->per_sec, 0);
}

bool
banger_budget_take(BangerBudget *budget, const BangerBudgetRate *rate, uint32_t amount,
                   int64_t now_usec)
{
    refill_budget(budget, rate, now_usec);
    if (budget->spent_micro + amount * MICRO > rate->at_once * MICRO)
        return false;
    budget->spent_micro += amount * MICRO;
    return true;
}

void
banger_budget_charge(BangerBudget *budget, const BangerBudgetRate *rate, uint32_t amount,
                     int64_t now_usec)
{
    refill_budget(budget, rate, now_usec);
    budget->spent_micro += amount * MICRO;
}

bool
banger_budget_is_full(BangerBudget *budget, const BangerBudgetRate *rate, int64_t now_usec)
{
    refill_budget(budget, rate, now_usec);
    return budget->spent_micro == 0;
}
