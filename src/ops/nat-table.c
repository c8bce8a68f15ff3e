/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ops/nat-table.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <string.h>

#include "model/names.h"
#include "ops/nat-rules.h"
#include "sys/nft.h"
#include "util/error.h"

/* Somebody else's transaction may come between our look and ours. */
#define ATTEMPTS 5

#define SEPARATOR " . "

typedef struct {
    const char *name;
    uint8_t family;
    BangerNatSetId taps; /* our rules are wanted while this set has elements */
} DockerFamily;

static const DockerFamily docker_families[] = {
    {"ip", NFPROTO_IPV4, BANGER_NAT_TAPS4},
    {"ip6", NFPROTO_IPV6, BANGER_NAT_TAPS6},
};
#define N_DOCKER_FAMILIES G_N_ELEMENTS(docker_families)

/* What the kernel has. Elements are kept as nft(8) writes them: 172.16.0.2 . "br-fc" . "tap-fc-1".
 */
typedef struct {
    bool exists;
    bool intact; /* all sets and rules are there */
    GHashTable *sets[BANGER_NAT_N_SETS];
    struct {
        bool exists;
        bool in_order;   /* our rules are there, once each */
        GArray *handles; /* of all rules of ours */
    } docker[N_DOCKER_FAMILIES];
} State;

static GMutex nat_lock;

static void
clear_state(State *state)
{
    for (size_t i = 0; i < BANGER_NAT_N_SETS; i++)
        g_clear_pointer(&state->sets[i], g_hash_table_unref);
    for (size_t i = 0; i < N_DOCKER_FAMILIES; i++)
        g_clear_pointer(&state->docker[i].handles, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(State, clear_state)

static GHashTable *
new_elements(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

/* The text of the element with the key @bytes, or NULL if it is not one that we would have made. */
static char *
element_text(const BangerNatSet *set, GBytes *bytes)
{
    g_autoptr(GString) text = g_string_new(NULL);
    BangerAddress address = {.family = set->family};
    size_t address_length = set->family == 0 ? 0 : banger_address_length(&address);
    gsize length;
    const uint8_t *data = g_bytes_get_data(bytes, &length);

    if (length != address_length + (size_t)set->names * IFNAMSIZ)
        return NULL;
    if (address_length > 0) {
        g_autofree char *formatted = NULL;

        memcpy(address.bytes, data, address_length);
        formatted = banger_address_format(&address);
        g_string_append(text, formatted);
    }
    for (const uint8_t *name = data + address_length; name < data + length; name += IFNAMSIZ) {
        g_autofree char *copy = g_strndup((const char *)name, IFNAMSIZ);

        if (!banger_name_check_link(copy, NULL))
            return NULL;
        g_string_append_printf(text, "%s\"%s\"", text->len > 0 ? SEPARATOR : "", copy);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static bool
read_set(BangerNetlink *netlink, BangerNatSetId id, State *state, GError **error)
{
    const BangerNatSet *set = &banger_nat_sets[id];
    g_autoptr(GPtrArray) elements = NULL;
    bool exists;

    elements = banger_nft_elements(netlink, BANGER_NAT_TABLE, set->name, &exists, error);
    if (elements == NULL)
        return false;
    state->intact &= exists;
    for (guint i = 0; i < elements->len; i++) {
        char *text = element_text(set, g_ptr_array_index(elements, i));

        if (text == NULL)
            state->intact = false;
        else
            g_hash_table_add(state->sets[id], text);
    }
    return true;
}

static bool
is_ours(const BangerNftRule *rule)
{
    /* Any version's. */
    return g_str_has_prefix(rule->comment, "org.banger.Helper1/");
}

static bool
is_rule(const BangerNftRule *rule, const BangerNatRule *expected)
{
    return g_str_has_prefix(rule->comment, BANGER_NAT_COMMENT) &&
           g_str_equal(rule->comment + strlen(BANGER_NAT_COMMENT), expected->comment) &&
           (expected->chain == NULL || g_str_equal(rule->chain, expected->chain));
}

/* Whether those of @rules that are ours are @expected, once each and in order. */
static bool
rules_match(const GPtrArray *rules, const BangerNatRule *expected, size_t n_expected)
{
    size_t seen = 0;

    for (guint i = 0; i < rules->len; i++) {
        const BangerNftRule *rule = g_ptr_array_index(rules, i);

        if (!is_ours(rule))
            continue;
        if (seen == n_expected || !is_rule(rule, &expected[seen]))
            return false;
        seen++;
    }
    return seen == n_expected;
}

static bool
read_docker(BangerNetlink *netlink, size_t i, State *state, GError **error)
{
    const DockerFamily *docker = &docker_families[i];
    g_autoptr(GPtrArray) rules = NULL;

    state->docker[i].handles = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    if (!banger_nft_chain_exists(netlink, docker->family, BANGER_NAT_DOCKER_TABLE,
                                 BANGER_NAT_DOCKER_CHAIN, &state->docker[i].exists, error))
        return false;
    if (!state->docker[i].exists)
        return true;
    rules = banger_nft_rules(netlink, docker->family, BANGER_NAT_DOCKER_TABLE,
                             BANGER_NAT_DOCKER_CHAIN, error);
    if (rules == NULL)
        return false;
    state->docker[i].in_order =
        rules_match(rules, banger_nat_docker_rules, BANGER_NAT_N_DOCKER_RULES);
    for (guint j = 0; j < rules->len; j++) {
        const BangerNftRule *rule = g_ptr_array_index(rules, j);

        if (is_ours(rule))
            g_array_append_val(state->docker[i].handles, rule->handle);
    }
    return true;
}

static bool
read_state(BangerNetlink *netlink, State *state, GError **error)
{
    g_autoptr(GPtrArray) rules = NULL;

    for (size_t i = 0; i < BANGER_NAT_N_SETS; i++)
        state->sets[i] = new_elements();
    rules = banger_nft_rules(netlink, NFPROTO_INET, BANGER_NAT_TABLE, NULL, error);
    if (rules == NULL)
        return false;
    state->exists = rules->len > 0;
    /* A table without rules is asked for by its name. */
    if (!state->exists &&
        !banger_nft_table_exists(netlink, NFPROTO_INET, BANGER_NAT_TABLE, &state->exists, error))
        return false;
    state->intact = rules_match(rules, banger_nat_rules, banger_nat_n_rules);
    if (state->exists)
        for (BangerNatSetId id = 0; id < BANGER_NAT_N_SETS; id++)
            if (!read_set(netlink, id, state, error))
                return false;
    for (size_t i = 0; i < N_DOCKER_FAMILIES; i++)
        if (!read_docker(netlink, i, state, error))
            return false;
    return true;
}

/* Whether the record @text is of @guest and its TAP, behind whichever bridge. */
static bool
is_record_of(const char *text, const char *guest, const char *tap)
{
    g_auto(GStrv) parts = g_strsplit(text, SEPARATOR, 3);

    return g_str_equal(parts[0], guest) && g_str_equal(parts[2], tap);
}

/* Fills @wanted with the elements that the sets should have once @guest is in or out. */
static void
want_elements(const State *state, const BangerNatGuest *guest, bool enable, GHashTable **wanted)
{
    bool v4 = guest->guest.family == AF_INET;
    BangerNatSetId own = v4 ? BANGER_NAT_TAPS4 : BANGER_NAT_TAPS6;
    g_autofree char *address = banger_address_format(&guest->guest);
    g_autofree char *tap = g_strdup_printf("\"%s\"", guest->tap);

    for (BangerNatSetId taps = BANGER_NAT_TAPS4; taps <= BANGER_NAT_TAPS6; taps++) {
        BangerNatSetId guests = taps == BANGER_NAT_TAPS4 ? BANGER_NAT_GUESTS4 : BANGER_NAT_GUESTS6;
        GHashTableIter iter;
        gpointer text;

        /* A record of the same pair with another bridge is stale: the TAP has moved. */
        g_hash_table_iter_init(&iter, state->sets[taps]);
        while (g_hash_table_iter_next(&iter, &text, NULL))
            if (taps != own || !is_record_of(text, address, tap))
                g_hash_table_add(wanted[taps], g_strdup(text));
        if (enable && taps == own)
            g_hash_table_add(wanted[taps], g_strdup_printf("%s" SEPARATOR "\"%s\"" SEPARATOR "%s",
                                                           address, guest->bridge, tap));
        g_hash_table_iter_init(&iter, wanted[taps]);
        while (g_hash_table_iter_next(&iter, &text, NULL)) {
            g_auto(GStrv) parts = g_strsplit(text, SEPARATOR, 3);

            g_hash_table_add(wanted[guests],
                             g_strdup_printf("%s" SEPARATOR "%s", parts[0], parts[1]));
            g_hash_table_add(wanted[BANGER_NAT_BRIDGES], g_strdup(parts[1]));
        }
    }
}

/* Appends "<verb> element …" for those elements of @set that are in @in and not in @out. */
static void
append_elements(GString *commands, const char *verb, const BangerNatSet *set, GHashTable *in,
                GHashTable *out)
{
    bool first = true;
    GHashTableIter iter;
    gpointer text;

    g_hash_table_iter_init(&iter, in);
    while (g_hash_table_iter_next(&iter, &text, NULL)) {
        if (out != NULL && g_hash_table_contains(out, text))
            continue;
        if (first)
            g_string_append_printf(commands, "%s element inet " BANGER_NAT_TABLE " %s { ", verb,
                                   set->name);
        g_string_append_printf(commands, "%s%s", first ? "" : ", ", (const char *)text);
        first = false;
    }
    if (!first)
        g_string_append(commands, " }\n");
}

/* The changes of the table from @state to @wanted. */
static void
append_table_changes(GString *commands, const State *state, GHashTable **wanted)
{
    bool empty = g_hash_table_size(wanted[BANGER_NAT_BRIDGES]) == 0;
    bool renew = !empty && !state->intact;

    if (state->exists && (empty || renew))
        g_string_append(commands, "delete table inet " BANGER_NAT_TABLE "\n");
    if (empty)
        return;
    if (renew)
        banger_nat_append_table(commands);
    for (size_t i = 0; i < BANGER_NAT_N_SETS; i++) {
        const BangerNatSet *set = &banger_nat_sets[i];

        append_elements(commands, "add", set, wanted[i], renew ? NULL : state->sets[i]);
        if (!renew)
            append_elements(commands, "delete", set, state->sets[i], wanted[i]);
    }
}

static void
append_docker_changes(GString *commands, const State *state, GHashTable **wanted)
{
    for (size_t i = 0; i < N_DOCKER_FAMILIES; i++) {
        const DockerFamily *docker = &docker_families[i];
        bool want = g_hash_table_size(wanted[docker->taps]) > 0;

        if (!state->docker[i].exists || (want && state->docker[i].in_order))
            continue;
        for (guint j = 0; j < state->docker[i].handles->len; j++)
            g_string_append_printf(commands,
                                   "delete rule %s " BANGER_NAT_DOCKER_TABLE
                                   " " BANGER_NAT_DOCKER_CHAIN " handle %" G_GUINT64_FORMAT "\n",
                                   docker->name,
                                   g_array_index(state->docker[i].handles, uint64_t, j));
        if (want)
            banger_nat_append_docker(commands, docker->name);
    }
}

static GHashTable *
records_of(const State *state, const BangerAddress *guest)
{
    return state->sets[guest->family == AF_INET ? BANGER_NAT_TAPS4 : BANGER_NAT_TAPS6];
}

/* Whether there is a record of the address @guest, behind whichever TAP. */
static bool
has_guest(const State *state, const BangerAddress *guest)
{
    g_autofree char *address = banger_address_format(guest);
    g_autofree char *prefix = g_strconcat(address, SEPARATOR, NULL);
    GHashTableIter iter;
    gpointer text;

    g_hash_table_iter_init(&iter, records_of(state, guest));
    while (g_hash_table_iter_next(&iter, &text, NULL))
        if (g_str_has_prefix(text, prefix))
            return true;
    return false;
}

/* Whether there is a record of @guest and its TAP, and behind which interface. */
static bool
find_record(const State *state, const BangerNatGuest *guest, char ret_interface[IFNAMSIZ])
{
    g_autofree char *address = banger_address_format(&guest->guest);
    g_autofree char *tap = g_strdup_printf("\"%s\"", guest->tap);
    GHashTableIter iter;
    gpointer text;

    g_hash_table_iter_init(&iter, records_of(state, &guest->guest));
    while (g_hash_table_iter_next(&iter, &text, NULL))
        if (is_record_of(text, address, tap)) {
            g_auto(GStrv) parts = g_strsplit(text, "\"", 3);

            (void)g_strlcpy(ret_interface, parts[1], IFNAMSIZ);
            return true;
        }
    return false;
}

/* One look and one transaction. */
static bool
apply_once(BangerNetlink *netlink, const BangerNatGuest *guest, bool enable,
           BangerNatChange *ret_change, GError **error)
{
    g_auto(State) state = {0};
    g_auto(State) wanted = {0};
    g_autoptr(GString) commands = g_string_new(NULL);
    BangerNatChange change = {0};
    char interface[IFNAMSIZ] = "";
    bool recorded;

    if (!read_state(netlink, &state, error))
        return false;
    for (size_t i = 0; i < BANGER_NAT_N_SETS; i++)
        wanted.sets[i] = new_elements();
    want_elements(&state, guest, enable, wanted.sets);
    append_table_changes(commands, &state, wanted.sets);
    append_docker_changes(commands, &state, wanted.sets);
    if (commands->len > 0 && !banger_nft_run(commands->str, error))
        return false;
    recorded = find_record(&state, guest, interface);
    change.entered = enable && !recorded;
    if (recorded && !has_guest(&wanted, &guest->guest))
        (void)g_strlcpy(change.left, interface, sizeof change.left);
    *ret_change = change;
    return true;
}

bool
banger_nat_table_apply(BangerNetlink *netlink, const BangerNatGuest *guest, bool enable,
                       BangerNatChange *ret_change, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    bool done = false;

    g_mutex_lock(&nat_lock);
    for (int attempt = 0; !done && attempt < ATTEMPTS; attempt++) {
        g_clear_error(&refusal);
        done = apply_once(netlink, guest, enable, ret_change, &refusal);
    }
    g_mutex_unlock(&nat_lock);
    if (!done)
        g_propagate_error(error, g_steal_pointer(&refusal));
    return done;
}
