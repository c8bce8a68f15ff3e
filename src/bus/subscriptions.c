/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/subscriptions.h"

#include "model/bounds.h"

struct BangerSubscriptions {
    sd_bus_track *track;
    GHashTable *uids; /* unique name -> uid; some may have left the bus */
    bool used;        /* there was one */
    void (*last_gone)(void *user_data);
    void *user_data;
};

static int
on_last_gone(sd_bus_track *track, void *user_data)
{
    BangerSubscriptions *subscriptions = user_data;

    (void)track;
    g_hash_table_remove_all(subscriptions->uids);
    /* A new track calls it, too. */
    if (subscriptions->used)
        subscriptions->last_gone(subscriptions->user_data);
    subscriptions->used = false;
    return 1; /* with 0 it would be called again at once */
}

BangerSubscriptions *
banger_subscriptions_new(sd_bus *bus, void (*last_gone)(void *user_data), void *user_data)
{
    BangerSubscriptions *subscriptions = g_new0(BangerSubscriptions, 1);

    if (sd_bus_track_new(bus, &subscriptions->track, on_last_gone, subscriptions) < 0)
        g_error("out of memory");
    subscriptions->uids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    subscriptions->last_gone = last_gone;
    subscriptions->user_data = user_data;
    return subscriptions;
}

void
banger_subscriptions_free(BangerSubscriptions *subscriptions)
{
    sd_bus_track_unref(subscriptions->track);
    g_hash_table_unref(subscriptions->uids);
    g_free(subscriptions);
}

static gboolean
has_left(gpointer name, gpointer uid, void *user_data)
{
    const BangerSubscriptions *subscriptions = user_data;

    (void)uid;
    return sd_bus_track_contains(subscriptions->track, name) == NULL;
}

static void
forget_those_who_left(BangerSubscriptions *subscriptions)
{
    (void)g_hash_table_foreach_remove(subscriptions->uids, has_left, subscriptions);
}

static bool
check_bounds(const BangerSubscriptions *subscriptions, uid_t uid, GError **error)
{
    unsigned int of_uid = 0;
    GHashTableIter iter;
    gpointer its_uid;

    g_hash_table_iter_init(&iter, subscriptions->uids);
    while (g_hash_table_iter_next(&iter, NULL, &its_uid))
        of_uid += GPOINTER_TO_UINT(its_uid) == uid;
    if (of_uid >= BANGER_SUBSCRIPTIONS_PER_UID_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "uid %u has %u subscriptions, which is the limit", uid, of_uid);
    if (g_hash_table_size(subscriptions->uids) >= BANGER_SUBSCRIPTIONS_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "there are %u subscriptions, which is the limit",
                                BANGER_SUBSCRIPTIONS_MAX);
    return true;
}

bool
banger_subscriptions_add(BangerSubscriptions *subscriptions, const char *sender, uid_t uid,
                         GError **error)
{
    int r;

    if (sd_bus_track_contains(subscriptions->track, sender) != NULL)
        return true;
    forget_those_who_left(subscriptions);
    if (!check_bounds(subscriptions, uid, error))
        return false;
    r = sd_bus_track_add_name(subscriptions->track, sender);
    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r, "cannot subscribe %s",
                                sender);
    g_hash_table_insert(subscriptions->uids, g_strdup(sender), GUINT_TO_POINTER(uid));
    subscriptions->used = true;
    return true;
}

void
banger_subscriptions_remove(BangerSubscriptions *subscriptions, const char *sender)
{
    g_hash_table_remove(subscriptions->uids, sender);
    /* If it was the last one, sd-bus says so as if it had left. */
    (void)sd_bus_track_remove_name(subscriptions->track, sender);
}

void
banger_subscriptions_clear(BangerSubscriptions *subscriptions)
{
    g_autoptr(GList) names = g_hash_table_get_keys(subscriptions->uids);

    for (GList *at = names; at != NULL; at = at->next)
        (void)sd_bus_track_remove_name(subscriptions->track, at->data);
    g_hash_table_remove_all(subscriptions->uids);
}

unsigned int
banger_subscriptions_count(const BangerSubscriptions *subscriptions)
{
    return sd_bus_track_count(subscriptions->track);
}
