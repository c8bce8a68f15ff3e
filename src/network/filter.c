/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <string.h>

#include "network/filter-private.h"
#include "network/filter-watch.h"
#include "network/firewalls.h"
#include "network/forwarding.h"
#include "network/network-settings.h"
#include "network/nft.h"
#include "util/error.h"

/* Another program's transaction may come between our look and ours. */
#define ATTEMPTS 20

#ifdef BANGER_TEST_HOOKS
void (*banger_filter_test_hook)(const char *step);
#define TEST_POINT(step)                                                                           \
    do {                                                                                           \
        if (banger_filter_test_hook != NULL)                                                       \
            banger_filter_test_hook(step);                                                         \
    } while (0)
#else
#define TEST_POINT(step) ((void)0)
#endif

static GMutex lock;

/* Of the last look: it need not be repeated while the rules' generation is the one that we made. */
static struct {
    bool valid;
    bool whole; /* our tables were, at that generation, even if what others have is to be seen */
    uint32_t generation;
    char *warnings;
    bool firewalld;
} seen;

/* The rules for the settings of this process, which do not change while it runs. */
static struct {
    const BangerNetworkSettings *settings;
    GPtrArray *rules;
    char *comment;
} wanted;

static void
init_context(BangerFilterContext *context, const BangerSettings *settings)
{
    if (wanted.settings != settings->network) {
        g_clear_pointer(&wanted.rules, g_ptr_array_unref);
        g_free(wanted.comment);
        wanted.settings = settings->network;
        wanted.rules = banger_filter_rules(settings->network);
        wanted.comment = banger_filter_table_comment(settings->network, wanted.rules);
    }
    context->settings = settings;
    context->rules = wanted.rules;
    context->comment = wanted.comment;
    context->warnings = g_string_new(NULL);
}

static void
clear_context(BangerFilterContext *context)
{
    if (context->warnings != NULL)
        g_string_free(context->warnings, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerFilterContext, clear_context)

/* The place of the name of a link @name among @keys, those of a set of names; -1 if it has none. */
static int
find_name(const GPtrArray *keys, const char *name)
{
    for (unsigned int i = 0; i < keys->len; i++)
        if (strncmp(g_bytes_get_data(g_ptr_array_index(keys, i), NULL), name, IFNAMSIZ) == 0)
            return (int)i;
    return -1;
}

/* Makes @names the elements of the set @set. */
static bool
refresh_names(BangerNetlink *netlink, BangerSetId set, const GPtrArray *names, GError **error)
{
    uint32_t generation;
    bool exists;
    g_autoptr(GPtrArray) keys = NULL;
    g_autoptr(GArray) elements = banger_elements_new();
    g_autoptr(BangerNftBatch) batch = NULL;

    if (!banger_nft_generation(netlink, &generation, error))
        return false;
    keys = banger_nft_elements(netlink, banger_sets[set].family, BANGER_FILTER_TABLE,
                               banger_sets[set].name, &exists, error);
    if (keys == NULL)
        return false;
    batch = banger_nft_batch_new(generation);
    for (unsigned int i = 0; i < names->len; i++) {
        int at = find_name(keys, g_ptr_array_index(names, i));

        banger_elements_add_name(elements, set, g_ptr_array_index(names, i));
        if (at >= 0)
            g_ptr_array_remove_index_fast(keys, (unsigned int)at);
        else
            banger_nft_batch_add(batch, &g_array_index(elements, BangerFilterElement, i).element);
    }
    for (unsigned int i = 0; i < keys->len; i++) {
        banger_elements_add_name(elements, set, g_bytes_get_data(g_ptr_array_index(keys, i), NULL));
        banger_nft_batch_delete(
            batch, &g_array_index(elements, BangerFilterElement, elements->len - 1).element);
    }
    /* Refused because of another program's change: its generation brings us back here. */
    (void)banger_nft_batch_commit(netlink, batch);
    return true;
}

/* Finds the bridges that lead to the outside: what the guard passes may leave by these. */
static bool
refresh_uplinks(BangerNetlink *netlink, GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GPtrArray) names = route != NULL ? banger_firewalls_uplinks(route, error) : NULL;

    return names != NULL && refresh_names(netlink, BANGER_SET_UPLINKS, names, error);
}

/* What other programs' rules need, and what our rules need to know of these. */
static bool
refresh_others(const BangerFilterContext *context, BangerNetlink *netlink, GError **error)
{
    g_autoptr(GPtrArray) zoned = g_ptr_array_new_with_free_func(g_free);
    BangerFirewalls firewalls = {.zoned = zoned};

    if (!banger_firewalls_refresh(netlink, context->warnings, &firewalls, error))
        return false;
    seen.firewalld = firewalls.firewalld;
    return refresh_names(netlink, BANGER_SET_ZONED, zoned, error) &&
           ((!firewalls.docker && !firewalls.firewalld) || refresh_uplinks(netlink, error));
}

/* What a look has found. */
typedef struct {
    uint32_t generation; /* of the rules that were looked at */
    bool again;          /* another program came between */
    bool absent;         /* there are no tables, and nothing that is to be in them */
    size_t said;         /* how much of the warnings is of putting the tables back */
} Look;

/*
 * Puts the @tables back, and looks whether they stay: by one transaction after *@look's generation,
 * so that at any other than the next one it is not known what else was done.
 */
static bool
restore_tables(const BangerFilterContext *context, BangerNetlink *netlink, BangerTables *tables,
               Look *look, GError **error)
{
    const uint32_t expected = look->generation + 1;
    bool any = false;

    if (!banger_filter_restore(context, netlink, *tables, error))
        return false;
    look->said = context->warnings->len;
    TEST_POINT("restored");
    if (!banger_filter_look(context, netlink, tables, error) ||
        !banger_nft_generation(netlink, &look->generation, error) ||
        (*tables == BANGER_TABLES_ABSENT && !banger_filter_any_link(&any, error)))
        return false;
    look->absent = *tables == BANGER_TABLES_ABSENT && !any;
    look->again = !look->absent && (*tables != BANGER_TABLES_WHOLE || look->generation != expected);
    return true;
}

/*
 * One look at all there is, or only at what others have if our tables are @known_whole; what is not
 * as it should be is put back.
 */
static bool
look_once(const BangerFilterContext *context, BangerNetlink *netlink, bool known_whole, Look *look,
          GError **error)
{
    BangerTables tables = BANGER_TABLES_WHOLE;

    if (!known_whole && !banger_filter_look(context, netlink, &tables, error))
        return false;
    if (tables != BANGER_TABLES_WHOLE && !restore_tables(context, netlink, &tables, look, error))
        return false;
    return look->absent || look->again ||
           (refresh_others(context, netlink, error) &&
            banger_forwarding_look_after(netlink, context->warnings, error));
}

/* Notes what @look, the last of this call, has found, and the warnings @earlier and of @context. */
static void
note_look(const Look *look, const GString *earlier, const BangerFilterContext *context)
{
    seen.valid = seen.whole = !look->absent;
    seen.generation = look->generation;
    g_free(seen.warnings);
    seen.warnings = g_strconcat(earlier->str, context->warnings->str, NULL);
}

/* Sees to it that the tables are whole at the generation *@ret_generation. */
static bool
make_whole(const BangerSettings *settings, BangerNetlink *netlink, uint32_t *ret_generation,
           bool *ret_absent, GError **error)
{
    g_autoptr(GString) earlier = g_string_new(NULL);

    *ret_absent = false;
    banger_filter_watch_open();
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        g_auto(BangerFilterContext) context = {0};
        Look look = {0};
        uint32_t after;
        bool whole;

        if (!banger_nft_generation(netlink, &look.generation, error))
            return false;
        if (seen.valid && seen.generation == look.generation) {
            *ret_generation = look.generation;
            return true;
        }
        whole = banger_filter_watch_spares(seen.generation, look.generation) && seen.whole;
        init_context(&context, settings);
        if (!look_once(&context, netlink, whole, &look, error))
            return false;
        TEST_POINT("looked");
        if (!banger_nft_generation(netlink, &after, error))
            return false;
        if (look.absent || (!look.again && look.generation == after)) {
            note_look(&look, earlier, &context);
            *ret_generation = look.generation;
            *ret_absent = look.absent;
            return true;
        }
        /* What putting them back had to say is said by the look that finds them in order. */
        g_string_truncate(context.warnings, look.said);
        if (strstr(earlier->str, context.warnings->str) == NULL)
            g_string_append(earlier, context.warnings->str);
    }
    return banger_set_error(error, BANGER_ERROR_BUSY,
                            "cannot look at the nftables rules: they keep changing");
}

/*
 * Whether one of the first @n of @elements, which may be NULL, is the one with the key of @element.
 */
static bool
has_key(const GArray *elements, unsigned int n, const BangerNftElement *element)
{
    for (unsigned int i = 0; elements != NULL && i < n; i++) {
        const BangerNftElement *other = &g_array_index(elements, BangerFilterElement, i).element;

        if (other->set == element->set && other->key_length == element->key_length &&
            memcmp(other->key, element->key, element->key_length) == 0)
            return true;
    }
    return false;
}

static unsigned int
append_elements(GArray *to, const GArray *elements)
{
    unsigned int n = elements == NULL ? 0 : elements->len;

    for (unsigned int i = 0; i < n; i++)
        g_array_append_val(to, g_array_index(elements, BangerFilterElement, i).element);
    return n;
}

/*
 * Fills @batch with what is to be done: what is there is not added, and what is not there is not
 * taken out. That is as of *@ret_generation.
 */
static bool
fill_batch(BangerNetlink *netlink, BangerNftBatch *batch, const BangerFilterChange *change,
           uint32_t *ret_generation, GError **error)
{
    g_autoptr(GArray) there = g_array_new(FALSE, FALSE, sizeof(BangerNftElement));
    unsigned int n_remove = append_elements(there, change->remove);
    unsigned int n_add = append_elements(there, change->add);
    g_autofree bool *found = g_new0(bool, there->len + 1);

    if (!banger_nft_find_elements(netlink, (BangerNftElement *)(void *)there->data, there->len,
                                  found, ret_generation, error))
        return false;
    for (unsigned int i = 0; i < n_remove; i++) {
        const BangerNftElement *element =
            &g_array_index(change->remove, BangerFilterElement, i).element;

        if (found[i] && !has_key(change->remove, i, element))
            banger_nft_batch_delete(batch, element);
    }
    for (unsigned int i = 0; i < n_add; i++) {
        const BangerNftElement *element =
            &g_array_index(change->add, BangerFilterElement, i).element;

        if (!found[n_remove + i] || has_key(change->remove, n_remove, element))
            banger_nft_batch_add(batch, element);
    }
    return true;
}

/* Whether a bridge of ours comes or goes, which firewalld is to know. */
static bool
concerns_firewalld(const BangerFilterChange *change)
{
    const GArray *lists[] = {change->add, change->remove};

    for (size_t i = 0; seen.firewalld && i < G_N_ELEMENTS(lists); i++)
        for (unsigned int j = 0; lists[i] != NULL && j < lists[i]->len; j++)
            if (g_array_index(lists[i], BangerFilterElement, j).set == BANGER_SET_BRIDGES)
                return true;
    return false;
}

static bool
refuse_change(BangerNetlink *netlink, int errnum, GError **error)
{
    if (errnum == ENFILE)
        return banger_set_error(
            error, BANGER_ERROR_LIMITS_EXCEEDED,
            "there are as many bridges, TAPs or guests as [Network] MaxBridges, "
            "MaxTaps and MaxGuests allow");
    return banger_set_error(error, banger_netlink_code(errnum),
                            "cannot change the nftables sets: %s", banger_netlink_words(netlink));
}

/*
 * One look and one transaction; *@ret_again if the rules were changed in between. What was seen
 * last is taken for granted: the kernel refuses the transaction if it is not so any more.
 */
static bool
change_once(const BangerSettings *settings, BangerNetlink *netlink,
            const BangerFilterChange *change, bool *ret_again, GError **error)
{
    g_autoptr(BangerNftBatch) batch = NULL;
    uint32_t generation = seen.generation;
    uint32_t now = 0;
    bool absent = false;
    int errnum;

    *ret_again = false;
    if ((!seen.valid || change->commands != NULL) &&
        !make_whole(settings, netlink, &generation, &absent, error))
        return false;
    if (absent)
        return true;
    if (change->commands != NULL) {
        seen.valid = false;
        return banger_nft_run(change->commands, error);
    }
    batch = banger_nft_batch_new(generation);
    if (!fill_batch(netlink, batch, change, &now, error)) {
        seen.valid = seen.whole = false;
        return false;
    }
    *ret_again = now != generation;
    seen.valid &= !*ret_again;
    if (*ret_again || banger_nft_batch_size(batch) == 0)
        return true;
    errnum = banger_nft_batch_commit(netlink, batch);
    if (errnum == 0) {
        seen.generation = generation + 1;
        seen.valid &= !concerns_firewalld(change);
        return seen.valid || make_whole(settings, netlink, &generation, &absent, error);
    }
    seen.valid = false;
    *ret_again = errnum == ERESTART;
    seen.whole &= *ret_again;
    return *ret_again || refuse_change(netlink, errnum, error);
}

static bool
change_locked(const BangerSettings *settings, const BangerFilterChange *change, GError **error)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_NETFILTER, error);
    bool again = true;

    if (netlink == NULL)
        return false;
    for (int attempt = 0; again && attempt < ATTEMPTS; attempt++)
        if (!change_once(settings, netlink, change, &again, error))
            return false;
    return !again || banger_set_error(error, BANGER_ERROR_BUSY,
                                      "cannot change the nftables sets: the rules keep changing");
}

bool
banger_filter_change(const BangerSettings *settings, const BangerFilterChange *change,
                     GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);

    (void)locker;
    return change_locked(settings, change, error);
}

/* Deletes the tables and our rules in others', if nothing is ours any more. */
static bool
end_if_empty(GError **error)
{
    g_autoptr(BangerNetlink) netlink = NULL;
    bool any, keep;

    if (!banger_filter_any_link(&any, error))
        return false;
    if (any)
        return true;
    netlink = banger_netlink_open(NETLINK_NETFILTER, error);
    seen.valid = false;
    return netlink != NULL && banger_forwarding_end(netlink, &keep, error) &&
           banger_firewalls_end(netlink, error) && (keep || banger_filter_delete_tables(error));
}

bool
banger_filter_change_or_end(const BangerSettings *settings, const BangerFilterChange *change,
                            GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);

    (void)locker;
    return change_locked(settings, change, error) && end_if_empty(error);
}

static bool
find_locked(const BangerSettings *settings, BangerNftElement *element, bool *ret_found,
            GError **error)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_NETFILTER, error);
    BangerNftElement there = *element;
    uint32_t generation;
    bool absent;

    if (netlink == NULL)
        return false;
    /* Mostly the rules are those that were seen last, and one look says both. */
    if (seen.valid) {
        if (!banger_nft_find_elements(netlink, &there, 1, ret_found, &generation, error))
            return false;
        if (generation == seen.generation) {
            *element = there;
            return true;
        }
    }
    *ret_found = false;
    return make_whole(settings, netlink, &generation, &absent, error) &&
           (absent || banger_nft_find_element(netlink, element, ret_found, error));
}

bool
banger_filter_find(const BangerSettings *settings, BangerFilterElement *element, bool *ret_found,
                   GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);

    (void)locker;
    return find_locked(settings, &element->element, ret_found, error);
}

void
banger_filter_drop_chain(const char *chain)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_NETFILTER, NULL);
    g_autoptr(BangerNftBatch) batch = NULL;
    uint32_t generation;

    (void)locker;
    if (netlink == NULL || !banger_nft_generation(netlink, &generation, NULL))
        return;
    batch = banger_nft_batch_new(generation);
    banger_nft_batch_delete_chain(batch, NFPROTO_INET, BANGER_FILTER_TABLE, chain);
    if (banger_nft_batch_commit(netlink, batch) == 0 && seen.valid && seen.generation == generation)
        seen.generation++;
}

void
banger_filter_warn(BangerReply *reply)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);

    (void)locker;
    if (seen.warnings != NULL && seen.warnings[0] != '\0')
        reply->warning = g_strchomp(g_strdup(seen.warnings));
}
