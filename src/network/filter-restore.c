/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <string.h>

#include "model/names.h"
#include "network/bridge.h"
#include "network/egress-list.h"
#include "network/filter-private.h"
#include "network/nft.h"
#include "util/error.h"

/* The sets of version 1.0 that were its record: (guest, bridge, TAP). */
static const struct {
    const char *name;
    int family;
} first_sets[] = {{"taps4", AF_INET}, {"taps6", AF_INET6}};

typedef struct {
    GArray *links;     /* of BangerLink */
    GArray *addresses; /* of BangerLinkAddress, of all links */
    GArray *elements;  /* of BangerFilterElement */
    GString *chains;   /* commands that make the chains of lists of networks */
    GHashTable *chain_names;
} Restoration;

static void
clear_restoration(Restoration *restoration)
{
    g_clear_pointer(&restoration->links, g_array_unref);
    g_clear_pointer(&restoration->addresses, g_array_unref);
    g_clear_pointer(&restoration->elements, g_array_unref);
    g_clear_pointer(&restoration->chain_names, g_hash_table_unref);
    if (restoration->chains != NULL)
        g_string_free(restoration->chains, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Restoration, clear_restoration)

static BangerLink *
find_link(const Restoration *restoration, const char *name)
{
    for (unsigned int i = 0; i < restoration->links->len; i++) {
        BangerLink *link = &g_array_index(restoration->links, BangerLink, i);

        if (g_str_equal(link->name, name))
            return link;
    }
    return NULL;
}

/* Writes what version 1.0 had registered into the label of its TAP. */
static bool
convert_record(const Restoration *restoration, BangerNetlink *route, int family, GBytes *record,
               GError **error)
{
    BangerLabelGuest guest = {.address = {.family = family}, .nat = true};
    size_t length = banger_address_length(&guest.address);
    gsize size;
    const uint8_t *bytes = g_bytes_get_data(record, &size);
    g_autofree char *tap = NULL;
    g_autofree char *alias = NULL;
    g_autoptr(GError) failure = NULL;
    BangerLabel label;
    BangerLink *link;

    if (size != length + 2 * IFNAMSIZ)
        return true;
    tap = g_strndup((const char *)bytes + length + IFNAMSIZ, IFNAMSIZ);
    memcpy(guest.address.bytes, bytes, length);
    link = find_link(restoration, tap);
    /* A record of a TAP that is gone has no guest any more. */
    if (link == NULL || link->type != BANGER_LINK_TAP)
        return true;
    banger_label_parse(link->alias, &label);
    if (banger_label_find_guest(&label, &guest.address) >= 0 ||
        label.n_guests == BANGER_LABEL_GUESTS_MAX)
        return true;
    label.guests[label.n_guests++] = guest;
    alias = banger_label_format(&label);
    if (alias == NULL)
        return true;
    if (!banger_link_change(route, link, &(BangerLinkChange){.alias = alias}, &failure)) {
        /* It may have gone since the links were listed. */
        if (g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_FOUND))
            return true;
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    (void)g_strlcpy(link->alias, alias, sizeof link->alias);
    link->marked = true;
    return true;
}

static bool
convert_first(const Restoration *restoration, BangerNetlink *netlink, BangerNetlink *route,
              GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(first_sets); i++) {
        bool exists;
        g_autoptr(GPtrArray) records = banger_nft_elements(
            netlink, NFPROTO_INET, BANGER_FILTER_TABLE, first_sets[i].name, &exists, error);

        if (records == NULL)
            return false;
        for (unsigned int j = 0; j < records->len; j++)
            if (!convert_record(restoration, route, first_sets[i].family,
                                g_ptr_array_index(records, j), error))
                return false;
    }
    return true;
}

static bool
keep_elements(Restoration *restoration, BangerNetlink *netlink, BangerSetId set, GError **error)
{
    bool exists;
    g_autoptr(GPtrArray) keys =
        banger_nft_elements(netlink, banger_sets[set].family, BANGER_FILTER_TABLE,
                            banger_sets[set].name, &exists, error);

    if (keys == NULL)
        return false;
    for (unsigned int i = 0; i < keys->len; i++) {
        gsize size;
        const void *key = g_bytes_get_data(g_ptr_array_index(keys, i), &size);
        BangerFilterElement element = {.set = set};

        if (size <= sizeof element.element.key) {
            memcpy(element.element.key, key, size);
            g_array_append_val(restoration->elements, element);
        }
    }
    return true;
}

/* What no link's label says is kept of a table that is replaced. */
static bool
keep_sets(Restoration *restoration, BangerNetlink *netlink, GError **error)
{
    for (BangerSetId set = 0; set < BANGER_N_SETS; set++)
        if (banger_sets[set].is_kept && !keep_elements(restoration, netlink, set, error))
            return false;
    return true;
}

static void
add_egress(Restoration *restoration, const BangerEgress *egress, const char *interface)
{
    g_autofree char *chain = banger_egress_chain(egress->networks);
    BangerFilterElement element;

    banger_element_init_egress(&element, &egress->guest, interface);
    (void)g_strlcpy(element.element.chain, chain, sizeof element.element.chain);
    g_array_append_val(restoration->elements, element);
    if (!g_hash_table_contains(restoration->chain_names, chain)) {
        banger_egress_append_chain(restoration->chains, chain, egress->networks);
        g_hash_table_add(restoration->chain_names, g_steal_pointer(&chain));
    }
}

/* What the file of the TAP says; without it, its guests stay where they are. */
static bool
add_file(const BangerFilterContext *context, Restoration *restoration, const char *tap,
         const char *interface)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(BangerTapFile) file = NULL;

    if (!banger_tap_file_read(tap, &file, &reason) || file == NULL) {
        g_string_append_printf(context->warnings,
                               "the guests of %s stay closed: %s; EnsureNAT opens them again\n",
                               tap, reason != NULL ? reason->message : "their file is missing");
        return false;
    }
    for (unsigned int i = 0; i < file->egress->len; i++)
        add_egress(restoration, g_ptr_array_index(file->egress, i), interface);
    for (unsigned int i = 0; i < file->forwards->len; i++)
        banger_elements_add_forward(restoration->elements,
                                    &g_array_index(file->forwards, BangerForward, i));
    return true;
}

static void
add_tap(const BangerFilterContext *context, Restoration *restoration, const BangerLink *tap,
        const char *interface)
{
    bool closed;
    BangerLabel label;

    banger_label_parse(tap->alias, &label);
    closed = label.more && !add_file(context, restoration, tap->name, interface);
    banger_elements_add_tap(restoration->elements, tap->name, label.open);
    if (label.mac[0] != '\0')
        banger_elements_add_mac(restoration->elements, tap->name, label.mac);
    for (unsigned int i = 0; i < label.n_guests; i++) {
        BangerLabelGuest guest = label.guests[i];

        guest.nat &= !closed;
        banger_elements_add_guest(restoration->elements, tap->name, interface, &guest);
    }
}

/* All elements for all links of ours; how many these are. */
static unsigned int
add_links(const BangerFilterContext *context, Restoration *restoration)
{
    g_autoptr(GHashTable) names = g_hash_table_new(NULL, NULL);
    unsigned int n = 0;

    for (unsigned int i = 0; i < restoration->links->len; i++) {
        BangerLink *link = &g_array_index(restoration->links, BangerLink, i);

        if (link->type == BANGER_LINK_BRIDGE)
            g_hash_table_insert(names, GINT_TO_POINTER(link->index), link->name);
    }
    for (unsigned int i = 0; i < restoration->links->len; i++) {
        BangerLink *link = &g_array_index(restoration->links, BangerLink, i);
        const char *bridge = g_hash_table_lookup(names, GINT_TO_POINTER(link->master));

        if (banger_bridge_is_ours(link))
            banger_elements_add_bridge(restoration->elements, link, restoration->addresses);
        else if (link->marked && link->type == BANGER_LINK_TAP)
            add_tap(context, restoration, link, bridge != NULL ? bridge : link->name);
        else
            continue;
        n++;
    }
    return n;
}

/* Forwarding that we switched on is open between others' links when the record of these is gone. */
static void
warn_of_forwarding(const BangerFilterContext *context, const Restoration *restoration)
{
    for (unsigned int i = 0; i < restoration->links->len; i++) {
        BangerLabel label;

        banger_label_parse(g_array_index(restoration->links, BangerLink, i).alias, &label);
        if (label.forwarding4 || label.forwarding6) {
            g_string_append(context->warnings,
                            "the nftables rules were flushed: what this host forwards between "
                            "other links is not dropped any more, as it was before EnsureNAT "
                            "switched forwarding on\n");
            return;
        }
    }
}

static void
append_deletion(GString *commands)
{
    static const uint8_t families[] = {NFPROTO_BRIDGE, NFPROTO_INET};

    for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
        const char *name = banger_filter_family_name(families[i]);

        /* Adding what is there does nothing, so the deletion always has something to delete. */
        g_string_append_printf(commands,
                               "add table %s " BANGER_FILTER_TABLE
                               "\ndelete table %s " BANGER_FILTER_TABLE "\n",
                               name, name);
    }
}

static bool
write_tables(const BangerFilterContext *context, Restoration *restoration, GError **error)
{
    g_autoptr(GString) commands = g_string_new(NULL);

    banger_elements_add_anchors(restoration->elements);
    append_deletion(commands);
    banger_filter_append_tables(commands, context->settings->network, context->rules);
    g_string_append(commands, restoration->chains->str);
    banger_elements_append_commands(restoration->elements, commands);
    if (banger_nft_run(commands->str, error))
        return true;
    g_prefix_error(error, "cannot write the tables " BANGER_FILTER_TABLE ": ");
    return false;
}

bool
banger_filter_restore(const BangerFilterContext *context, BangerNetlink *netlink,
                      BangerTables tables, GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_auto(Restoration) restoration = {
        .elements = banger_elements_new(),
        .chains = g_string_new(NULL),
        .chain_names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
    };

    if (route == NULL || (restoration.links = banger_link_list(route, error)) == NULL ||
        (restoration.addresses = banger_link_list_addresses(route, error)) == NULL)
        return false;
    if (tables == BANGER_TABLES_FIRST && !convert_first(&restoration, netlink, route, error))
        return false;
    if (tables == BANGER_TABLES_BROKEN && !keep_sets(&restoration, netlink, error))
        return false;
    if (tables == BANGER_TABLES_ABSENT)
        warn_of_forwarding(context, &restoration);
    if (add_links(context, &restoration) == 0)
        return tables == BANGER_TABLES_ABSENT || banger_filter_delete_tables(error);
    return write_tables(context, &restoration, error);
}

bool
banger_filter_any_link(bool *ret_any, GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GArray) links = route != NULL ? banger_link_list(route, error) : NULL;

    if (links == NULL)
        return false;
    *ret_any = false;
    for (unsigned int i = 0; i < links->len; i++) {
        const BangerLink *link = &g_array_index(links, BangerLink, i);

        *ret_any |= link->marked || banger_bridge_is_ours(link);
    }
    return true;
}

bool
banger_filter_delete_tables(GError **error)
{
    g_autoptr(GString) commands = g_string_new(NULL);

    append_deletion(commands);
    return banger_nft_run(commands->str, error);
}
