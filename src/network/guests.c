/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/guests.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <netinet/ether.h>
#include <string.h>

#include "model/names.h"
#include "network/conntrack.h"
#include "network/neighbour.h"
#include "network/nft.h"
#include "network/tcp-metrics.h"
#include "util/error.h"

static GMutex lock;

GMutex *
banger_guest_lock(void)
{
    return &lock;
}

bool
banger_guest_find(const BangerSettings *settings, const BangerAddress *guest,
                  BangerGuestOwner *ret_owner, GError **error)
{
    BangerFilterElement known;
    g_auto(GStrv) words = NULL;
    bool found;

    banger_element_init_known(&known, guest);
    if (!banger_filter_find(settings, &known, &found, error))
        return false;
    *ret_owner = (BangerGuestOwner){0};
    words = g_strsplit(known.element.comment, " ", 2);
    if (!found || g_strv_length(words) != 2)
        return true;
    (void)g_strlcpy(ret_owner->tap, words[0], sizeof ret_owner->tap);
    (void)g_strlcpy(ret_owner->interface, words[1], sizeof ret_owner->interface);
    return true;
}

bool
banger_guest_interface(BangerNetlink *route, const BangerLink *tap, BangerLink *ret_interface,
                       GError **error)
{
    bool found = false;

    *ret_interface = *tap;
    if (tap->master != 0 &&
        !banger_link_find_index(route, tap->master, ret_interface, &found, error))
        return false;
    if (!found || ret_interface->type != BANGER_LINK_BRIDGE)
        *ret_interface = *tap;
    /* What goes into the tables is a name of the kind we make, whoever made this one. */
    return banger_name_check_link(ret_interface->name, NULL) ||
           banger_set_error(
               error, BANGER_ERROR_NOT_MANAGED,
               "the TAP %s is a port of a bridge that is not of banger-helper's making", tap->name);
}

bool
banger_guest_fail_alias(const BangerLink *tap, GError **error)
{
    return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                            "what is registered for the TAP %s does not fit in its alias",
                            tap->name);
}

bool
banger_guest_write_label(BangerNetlink *route, const BangerLink *tap, const BangerLabel *label,
                         GError **error)
{
    g_autofree char *alias = banger_label_format(label);

    if (alias == NULL)
        return banger_guest_fail_alias(tap, error);
    return g_str_equal(alias, tap->alias) ||
           banger_link_change(route, tap, &(BangerLinkChange){.alias = alias}, error);
}

/* Appends the elements of the forwarded ports of @guest (NULL: of all guests) that @tap has. */
static bool
add_forwards(const BangerSettings *settings, GArray *elements, const BangerTapFile *file,
             const BangerAddress *guest, GError **error)
{
    for (unsigned int i = 0; i < file->forwards->len; i++) {
        const BangerForward *forward = &g_array_index(file->forwards, BangerForward, i);
        BangerFilterElement there;
        bool found;

        if (guest != NULL && !banger_address_equal(&forward->guest, guest))
            continue;
        banger_elements_add_forward(elements, forward);
        there = g_array_index(elements, BangerFilterElement, elements->len - 1);
        if (!banger_filter_find(settings, &there, &found, error))
            return false;
        /* Another guest's by now. */
        if (!found ||
            memcmp(there.element.data,
                   g_array_index(elements, BangerFilterElement, elements->len - 1).element.data,
                   banger_address_length(&forward->guest)) != 0)
            g_array_set_size(elements, elements->len - 1);
    }
    return true;
}

/* Appends the element of the guest's restriction, if there is one; *@ret_chain is its chain. */
static bool
add_egress(const BangerSettings *settings, GArray *elements, const BangerAddress *guest,
           const char *interface, char **ret_chain, GError **error)
{
    BangerFilterElement egress;
    bool found;

    banger_element_init_egress(&egress, guest, interface);
    if (!banger_filter_find(settings, &egress, &found, error))
        return false;
    *ret_chain = found ? g_strdup(egress.element.chain) : NULL;
    if (found)
        g_array_append_val(elements, egress);
    return true;
}

/* Forgets what the kernel keeps of a guest besides: the next one of that address is another. */
static bool
forget_guest(BangerNetlink *route, const BangerAddress *guest, const char *interface,
             GError **error)
{
    g_autoptr(BangerNetlink) netfilter = banger_netlink_open(NETLINK_NETFILTER, error);
    BangerLink link;
    bool found;

    if (netfilter == NULL || !banger_conntrack_forget(netfilter, guest, error) ||
        !banger_tcp_metrics_forget(guest, error))
        return false;
    if (!banger_link_find(route, interface, &link, &found, NULL) || !found)
        return true;
    return banger_neighbour_delete(route, link.index, guest, error);
}

/* Leaves those guests in @label that no other TAP has taken over since it was read. */
static bool
keep_own_guests(const BangerSettings *settings, const char *tap, BangerLabel *label, GError **error)
{
    for (unsigned int i = label->n_guests; i-- > 0;) {
        BangerGuestOwner owner;

        if (!banger_guest_find(settings, &label->guests[i].address, &owner, error))
            return false;
        if (owner.tap[0] != '\0' && !g_str_equal(owner.tap, tap))
            label->guests[i] = label->guests[--label->n_guests];
    }
    return true;
}

/*
 * The guests that label and file of a TAP have, and its Ethernet address, taken out of the tables;
 * the TAP's own element goes too if the TAP is @gone: until then its frames are checked.
 */
static bool
remove_guests(const BangerSettings *settings, BangerNetlink *route, const char *tap,
              const char *interface, const BangerLabel *label, const BangerTapFile *file, bool gone,
              GError **error)
{
    g_autoptr(GArray) elements = banger_elements_new();
    g_autoptr(GPtrArray) chains = g_ptr_array_new_with_free_func(g_free);
    BangerFilterChange change = {.remove = elements};

    for (unsigned int i = 0; i < label->n_guests; i++) {
        const BangerLabelGuest guest = {.address = label->guests[i].address, .nat = true};
        g_autofree char *chain = NULL;

        banger_elements_add_guest(elements, tap, interface, &guest);
        if (!add_egress(settings, elements, &guest.address, interface, &chain, error) ||
            (file != NULL && !add_forwards(settings, elements, file, &guest.address, error)))
            return false;
        if (chain != NULL)
            g_ptr_array_add(chains, g_steal_pointer(&chain));
    }
    if (label->mac[0] != '\0')
        banger_elements_add_mac(elements, tap, label->mac);
    if (gone) {
        banger_elements_add_tap(elements, tap, false);
        banger_elements_add_tap(elements, tap, true);
    }
    if (!banger_filter_change(settings, &change, error))
        return false;
    for (unsigned int i = 0; i < chains->len; i++)
        banger_filter_drop_chain(g_ptr_array_index(chains, i));
    for (unsigned int i = 0; i < label->n_guests; i++)
        if (!forget_guest(route, &label->guests[i].address, interface, error))
            return false;
    return true;
}

/*
 * As remove_guests() of one of the TAP's guests; the TAP's element of the family stays while it has
 * others.
 */
static bool
remove_one(const BangerSettings *settings, BangerNetlink *route, const BangerAddress *guest,
           const BangerGuestOwner *owner, const BangerLabel *rest, const BangerTapFile *file,
           GError **error)
{
    const BangerLabelGuest with_nat = {.address = *guest, .nat = true};
    g_autoptr(GArray) elements = banger_elements_new();
    g_autofree char *chain = NULL;
    BangerFilterChange change = {.remove = elements};

    banger_elements_add_guest(elements, owner->tap, owner->interface, &with_nat);
    for (unsigned int i = elements->len; i-- > 0;) {
        BangerSetId set = g_array_index(elements, BangerFilterElement, i).set;

        if ((set == BANGER_SET_HAS4 && banger_label_has_family(rest, AF_INET)) ||
            (set == BANGER_SET_HAS6 && banger_label_has_family(rest, AF_INET6)))
            g_array_remove_index(elements, i);
    }
    if (!add_egress(settings, elements, guest, owner->interface, &chain, error) ||
        (file != NULL && !add_forwards(settings, elements, file, guest, error)) ||
        !banger_filter_change(settings, &change, error))
        return false;
    if (chain != NULL)
        banger_filter_drop_chain(chain);
    return forget_guest(route, guest, owner->interface, error);
}

/* As banger_guest_write_label(), but a TAP that was deleted meanwhile has no label to write. */
static bool
write_label_if_there(BangerNetlink *route, const BangerLink *tap, const BangerLabel *label,
                     GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (banger_guest_write_label(route, tap, label, &failure) ||
        g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_FOUND))
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

bool
banger_guest_remove(const BangerSettings *settings, BangerNetlink *route,
                    const BangerAddress *guest, const BangerGuestOwner *owner, GError **error)
{
    g_autoptr(BangerTapFile) file = NULL;
    BangerLabel label = {0};
    BangerLink tap;
    bool found;
    int at;

    if (!banger_link_find(route, owner->tap, &tap, &found, error) ||
        !banger_tap_file_read(owner->tap, &file, error))
        return false;
    if (found)
        banger_label_parse(tap.alias, &label);
    at = banger_label_find_guest(&label, guest);
    if (at >= 0)
        label.guests[at] = label.guests[--label.n_guests];
    if (!remove_one(settings, route, guest, owner, &label, file, error))
        return false;
    if (file != NULL) {
        banger_tap_file_forget(file, guest);
        if (!banger_tap_file_write(owner->tap, file, error))
            return false;
        label.more = !banger_tap_file_is_empty(file);
    }
    return !found || write_label_if_there(route, &tap, &label, error);
}

bool
banger_guest_remove_tap(const BangerSettings *settings, BangerNetlink *route, const BangerLink *tap,
                        const char *interface, bool gone, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    g_autoptr(BangerTapFile) file = NULL;
    BangerLabel label;

    (void)locker;
    banger_label_parse(tap->alias, &label);
    if ((label.more && !banger_tap_file_read(tap->name, &file, error)) ||
        !keep_own_guests(settings, tap->name, &label, error) ||
        !remove_guests(settings, route, tap->name, interface, &label, file, gone, error))
        return false;
    if (label.more)
        banger_tap_file_remove(tap->name);
    return true;
}

/* All addresses that the tables have for a TAP of that name. */
static bool
list_guests(BangerNetlink *netlink, const char *tap, GArray *guests, GError **error)
{
    static const BangerSetId sets[] = {BANGER_SET_SOURCE4, BANGER_SET_SOURCE6};

    for (size_t i = 0; i < G_N_ELEMENTS(sets); i++) {
        bool exists;
        g_autoptr(GPtrArray) keys =
            banger_nft_elements(netlink, NFPROTO_BRIDGE, BANGER_FILTER_TABLE,
                                banger_sets[sets[i]].name, &exists, error);

        if (keys == NULL)
            return false;
        for (unsigned int j = 0; j < keys->len; j++) {
            BangerAddress guest = {.family = i == 0 ? AF_INET : AF_INET6};
            gsize size;
            const uint8_t *key = g_bytes_get_data(g_ptr_array_index(keys, j), &size);

            if (size != IFNAMSIZ + banger_address_length(&guest) ||
                strncmp((const char *)key, tap, IFNAMSIZ) != 0)
                continue;
            memcpy(guest.bytes, key + IFNAMSIZ, banger_address_length(&guest));
            g_array_append_val(guests, guest);
        }
    }
    return true;
}

/* Appends what the tables have of the Ethernet address of a TAP of that name. */
static bool
add_stale_mac(BangerNetlink *netlink, GArray *elements, const char *tap, GError **error)
{
    bool exists;
    g_autoptr(GPtrArray) keys =
        banger_nft_elements(netlink, NFPROTO_BRIDGE, BANGER_FILTER_TABLE,
                            banger_sets[BANGER_SET_MACS].name, &exists, error);

    for (unsigned int i = 0; keys != NULL && i < keys->len; i++) {
        gsize size;
        const char *key = g_bytes_get_data(g_ptr_array_index(keys, i), &size);
        char mac[sizeof((BangerLabel *)NULL)->mac];

        if (size >= IFNAMSIZ + ETH_ALEN && strncmp(key, tap, IFNAMSIZ) == 0)
            banger_elements_add_mac(
                elements, tap,
                ether_ntoa_r((const struct ether_addr *)(const void *)(key + IFNAMSIZ), mac));
    }
    return keys != NULL;
}

bool
banger_guest_remove_stale(const BangerSettings *settings, BangerNetlink *route, const char *tap,
                          GError **error)
{
    g_autoptr(GArray) elements = banger_elements_new();
    g_autoptr(GArray) guests = g_array_new(FALSE, FALSE, sizeof(BangerAddress));
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    g_autoptr(BangerNetlink) netfilter = NULL;
    BangerFilterChange change = {.remove = elements};
    BangerFilterElement element;
    bool found;

    (void)locker;
    banger_elements_add_tap(elements, tap, false);
    element = g_array_index(elements, BangerFilterElement, 0);
    if (!banger_filter_find(settings, &element, &found, error))
        return false;
    if (!found) {
        banger_tap_file_remove(tap);
        return true;
    }
    netfilter = banger_netlink_open(NETLINK_NETFILTER, error);
    if (netfilter == NULL || !list_guests(netfilter, tap, guests, error) ||
        !add_stale_mac(netfilter, elements, tap, error))
        return false;
    for (unsigned int i = 0; i < guests->len; i++) {
        const BangerAddress *guest = &g_array_index(guests, BangerAddress, i);
        BangerGuestOwner owner;

        if (!banger_guest_find(settings, guest, &owner, error))
            return false;
        if (g_str_equal(owner.tap, tap) &&
            !banger_guest_remove(settings, route, guest, &owner, error))
            return false;
    }
    banger_tap_file_remove(tap);
    return banger_filter_change(settings, &change, error);
}
