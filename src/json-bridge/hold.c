/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/hold.h"

#include "json-bridge/bridge-limits.h"

/* The part of @held bytes in @hold that comes out of the budget. */
static size_t
compute_charge(const BangerHold *hold, size_t held)
{
    size_t free_part = hold->is_one_of_many ? 0 : BANGER_HELD_FREE;

    return held > free_part ? held - free_part : 0;
}

bool
banger_hold_grow(BangerHold *hold, size_t size)
{
    size_t more = compute_charge(hold, hold->held + size) - compute_charge(hold, hold->held);

    if (more > 0 && size > BANGER_HELD_ALWAYS &&
        (hold->held + size > BANGER_HELD_PER_CONNECTION_MAX ||
         hold->budget->used + more > BANGER_HELD_MAX))
        return false;
    hold->held += size;
    hold->budget->used += more;
    return true;
}

void
banger_hold_shrink(BangerHold *hold, size_t size)
{
    hold->budget->used -=
        compute_charge(hold, hold->held) - compute_charge(hold, hold->held - size);
    hold->held -= size;
}
