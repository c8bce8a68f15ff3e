/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/object-claim.h"

struct BangerObjectClaim {
    gpointer taken; /* by the keeper; NULL if there is none */
};

static BangerObjectKeeper current;

void
banger_object_set_keeper(const BangerObjectKeeper *keeper)
{
    current = keeper != NULL ? *keeper : (BangerObjectKeeper){0};
}

BangerObjectClaim *
banger_object_claim(const char *kind, const char *name)
{
    g_autofree char *key = g_strconcat(kind, ":", name, NULL);
    gpointer taken = current.take != NULL ? current.take(key, current.user_data) : NULL;
    BangerObjectClaim *claim;

    if (current.take != NULL && taken == NULL)
        return NULL;
    claim = g_new0(BangerObjectClaim, 1);
    claim->taken = taken;
    return claim;
}

void
banger_object_claim_free(BangerObjectClaim *claim)
{
    if (claim->taken != NULL)
        current.release(claim->taken, current.user_data);
    g_free(claim);
}
