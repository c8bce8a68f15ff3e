/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/nat.h"

#include <linux/netlink.h>

#include "network/bridge.h"
#include "network/forwarding.h"
#include "network/guests.h"
#include "network/network-private.h"
#include "util/error.h"

/* Looks up the TAP @name and the interface by which its packets come in. */
static bool
find_tap(BangerNetlink *route, const char *name, BangerLink *ret_tap, BangerLink *ret_interface,
         GError **error)
{
    bool found;

    if (!banger_link_find(route, name, ret_tap, &found, error))
        return false;
    if (!found)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "there is no TAP %s", name);
    if (ret_tap->type != BANGER_LINK_TAP)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the link %s exists and is not a TAP", name);
    return banger_guest_interface(route, ret_tap, ret_interface, error);
}

bool
banger_nat_check_address(const BangerAddress *guest, const GArray *addresses, const char *interface,
                         GError **error)
{
    g_autofree char *text = banger_address_format(guest);
    bool inside = false;

    for (unsigned int i = 0; i < addresses->len; i++) {
        const BangerLinkAddress *own = &g_array_index(addresses, BangerLinkAddress, i);

        if (!banger_address_same_network(&own->address, guest, own->prefix))
            continue;
        if (banger_address_equal(&own->address, guest) ||
            banger_address_is_network_or_broadcast(guest, own->prefix))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "guest_ip: %s is the address of %s itself, or names all of its "
                                    "network",
                                    text, interface);
        inside = true;
    }
    return inside ||
           banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "guest_ip: %s does not lie in a network of %s", text, interface);
}

/* Whether @guest may be that of a guest behind @interface. */
static bool
check_address(BangerNetlink *route, const BangerAddress *guest, const BangerLink *interface,
              GError **error)
{
    g_autoptr(GArray) addresses =
        banger_link_addresses(route, interface->index, guest->family, error);

    return addresses != NULL && banger_nat_check_address(guest, addresses, interface->name, error);
}

bool
banger_nat_check_owner(BangerNetlink *route, const BangerAddress *guest,
                       const BangerGuestOwner *owner, GError **error)
{
    g_autofree char *text = banger_address_format(guest);
    BangerLink other;
    bool found;

    if (!banger_link_find(route, owner->tap, &other, &found, error))
        return false;
    return !found || !other.carrier ||
           banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                            "the guest %s is that of the TAP %s, which a VMM has open", text,
                            owner->tap);
}

/* Takes @guest from the TAP that has it now, if no VMM has that one open. */
static bool
take_over(const BangerSettings *settings, BangerNetlink *route, const BangerAddress *guest,
          const BangerGuestOwner *owner, GError **error)
{
    return banger_nat_check_owner(route, guest, owner, error) &&
           banger_guest_remove(settings, route, guest, owner, error);
}

/* Enters @guest in @label. */
static bool
enter_label(BangerLabel *label, const BangerLink *tap, const BangerLabelGuest *guest,
            GError **error)
{
    int at = banger_label_find_guest(label, &guest->address);

    if (at < 0 && label->n_guests == BANGER_LABEL_GUESTS_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "the TAP %s has %d guest addresses already, which is the limit",
                                tap->name, BANGER_LABEL_GUESTS_MAX);
    if (at < 0)
        at = (int)label->n_guests++;
    label->guests[at] = *guest;
    label->open = false;
    return true;
}

/* Appends what changes in the tables by @guest: to @add, and to @remove what it has without it. */
static void
add_changes(GArray *add, GArray *remove, const BangerLink *tap, const BangerLink *interface,
            const BangerLabelGuest *guest, bool was_open)
{
    banger_elements_add_tap(add, tap->name, false);
    banger_elements_add_guest(add, tap->name, interface->name, guest);
    if (!guest->nat)
        banger_elements_add_guest_nat(remove, interface->name, &guest->address);
    if (was_open)
        banger_elements_add_tap(remove, tap->name, true);
}

/* Takes back what enter_guest() did: the guest is registered as @before says, or not at all. */
static void
leave_guest(const BangerSettings *settings, BangerNetlink *route, const BangerLink *tap,
            const BangerLink *interface, const BangerAddress *guest, const BangerLabel *before)
{
    g_autoptr(GArray) add = banger_elements_new();
    g_autoptr(GArray) remove = banger_elements_new();
    const BangerFilterChange change = {.add = add, .remove = remove};
    int at = banger_label_find_guest(before, guest);
    BangerLink now;
    bool found;

    if (at < 0) {
        BangerGuestOwner owner;

        (void)g_strlcpy(owner.tap, tap->name, sizeof owner.tap);
        (void)g_strlcpy(owner.interface, interface->name, sizeof owner.interface);
        (void)banger_guest_remove(settings, route, guest, &owner, NULL);
    } else
        add_changes(add, remove, tap, interface, &before->guests[at], false);
    if (before->open) {
        banger_elements_add_tap(remove, tap->name, false);
        banger_elements_add_tap(add, tap->name, true);
    }
    (void)banger_filter_change(settings, &change, NULL);
    if (banger_link_find(route, tap->name, &now, &found, NULL) && found)
        (void)banger_guest_write_label(route, &now, before, NULL);
}

/* Label first, tables after; takes back what it entered if it fails. */
static bool
enter_guest(const BangerSettings *settings, BangerNetlink *route, const BangerLink *tap,
            const BangerLink *interface, const BangerLabelGuest *guest, GError **error)
{
    g_autoptr(GArray) add = banger_elements_new();
    g_autoptr(GArray) remove = banger_elements_new();
    const BangerFilterChange change = {.add = add, .remove = remove};
    BangerLabel before, label;

    banger_label_parse(tap->alias, &before);
    label = before;
    if (!enter_label(&label, tap, guest, error) ||
        !banger_guest_write_label(route, tap, &label, error))
        return false;
    add_changes(add, remove, tap, interface, guest, before.open);
    if (banger_filter_change(settings, &change, error) &&
        (!guest->nat ||
         banger_forwarding_ensure(settings, route, interface, guest->address.family, error)))
        return true;
    leave_guest(settings, route, tap, interface, &guest->address, &before);
    return false;
}

/* Whether the label of @tap has room for @guest: it is not taken from another TAP for nothing. */
static bool
check_room(const BangerLink *tap, const BangerLabelGuest *guest, GError **error)
{
    g_autofree char *alias = NULL;
    BangerLabel label;

    banger_label_parse(tap->alias, &label);
    if (!enter_label(&label, tap, guest, error))
        return false;
    alias = banger_label_format(&label);
    return alias != NULL || banger_guest_fail_alias(tap, error);
}

static bool
enable_guest(const BangerSettings *settings, BangerNetlink *route, const char *tap_name,
             const BangerLabelGuest *guest, GError **error)
{
    BangerGuestOwner owner;
    BangerLink tap = {0};
    BangerLink interface = {0};

    if (!find_tap(route, tap_name, &tap, &interface, error) ||
        !check_address(route, &guest->address, &interface, error) ||
        !check_room(&tap, guest, error) ||
        !banger_guest_find(settings, &guest->address, &owner, error))
        return false;
    if (owner.tap[0] != '\0' && !g_str_equal(owner.tap, tap_name) &&
        !take_over(settings, route, &guest->address, &owner, error))
        return false;
    return enter_guest(settings, route, &tap, &interface, guest, error);
}

bool
banger_nat_register(const BangerSettings *settings, const char *tap, const BangerAddress *guest,
                    bool nat, BangerReply *reply, GError **error)
{
    const BangerLabelGuest entry = {.address = *guest, .nat = nat};
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(banger_guest_lock());

    (void)locker;
    if (route == NULL || !enable_guest(settings, route, tap, &entry, error))
        return false;
    banger_filter_warn(reply);
    return true;
}

static bool
disable_guest(const BangerSettings *settings, BangerNetlink *route,
              const BangerEnsureNatRequest *nat, GError **error)
{
    BangerGuestOwner owner;

    return banger_guest_find(settings, &nat->guest_ip, &owner, error) &&
           (!g_str_equal(owner.tap, nat->tap) ||
            banger_guest_remove(settings, route, &nat->guest_ip, &owner, error));
}

bool
banger_op_ensure_nat(const BangerSettings *settings, const BangerRequest *request,
                     BangerReply *reply, GError **error)
{
    const BangerEnsureNatRequest *nat = &request->ensure_nat;
    g_autoptr(BangerNetlink) route = NULL;
    g_autoptr(GMutexLocker) locker = NULL;

    if (nat->enable)
        return banger_nat_register(settings, nat->tap, &nat->guest_ip, true, reply, error);
    route = banger_netlink_open(NETLINK_ROUTE, error);
    locker = g_mutex_locker_new(banger_guest_lock());
    (void)locker;
    if (route == NULL || !disable_guest(settings, route, nat, error))
        return false;
    banger_filter_warn(reply);
    return true;
}
