/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bridge/hold.h"

#include "bridge/limits.h"

/* The part of @held that comes out of the budget. */
static size_t
charge(size_t held)
{
    return held > BANGER_HELD_FREE ? held - BANGER_HELD_FREE : 0;
}

bool
banger_hold_grow(BangerHold *hold, size_t size)
{
    size_t more = charge(hold->held + size) - charge(hold->held);

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
    hold->budget->used -= charge(hold->held) - charge(hold->held - size);
    hold->held -= size;
}
