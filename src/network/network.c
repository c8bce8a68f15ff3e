/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/network.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include "network/bridge.h"
#include "network/firewalls.h"
#include "network/guests.h"
#include "network/link.h"
#include "network/network-private.h"
#include "network/sysctl.h"
#include "network/tap.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/spawning.h"
#include "util/undo.h"

/*
 * How long a TAP that another call is just making may take to be finished, and how often to look.
 */
#define TAP_WAIT_USEC G_USEC_PER_SEC
#define TAP_LOOK_USEC 2000

/* The uids that systemd's DynamicUser= takes from, one of which a VMM in its jail has. */
#define BANGER_JAIL_UID_MIN 61184
#define BANGER_JAIL_UID_MAX 65519

#ifdef BANGER_TEST_HOOKS
void (*banger_network_test_hook)(const char *tap_name);
#define TEST_POINT(tap_name)                                                                       \
    do {                                                                                           \
        if (banger_network_test_hook != NULL)                                                      \
            banger_network_test_hook(tap_name);                                                    \
    } while (0)
#else
#define TEST_POINT(tap_name) ((void)0)
#endif

/* Appends the TAPs of an adopted bridge whose guests may send though they are not registered. */
static bool
add_open_taps(BangerNetlink *netlink, GArray *elements, const BangerLink *bridge, GError **error)
{
    g_autoptr(GArray) ports = banger_link_list_ports(netlink, bridge->index, error);

    for (unsigned int i = 0; ports != NULL && i < ports->len; i++) {
        const BangerLink *port = &g_array_index(ports, BangerLink, i);
        BangerLabel label;

        banger_label_parse(port->alias, &label);
        if (port->marked && label.open)
            banger_elements_add_tap(elements, port->name, true);
    }
    return ports != NULL;
}

/*
 * Enters the bridge, which has @addresses, in the tables, unless it is another program's; takes out
 * the addresses @removed, if not NULL.
 */
static bool
enter_bridge(const BangerSettings *settings, BangerNetlink *netlink, const BangerLink *bridge,
             const GArray *addresses, const GArray *removed, GError **error)
{
    g_autoptr(GArray) gone = banger_elements_new();
    g_autoptr(GArray) elements = banger_elements_new();
    const BangerFilterChange change = {.add = elements, .remove = gone};
    g_autoptr(GMutexLocker) guests = NULL;
    BangerLabel label;

    if (banger_bridge_is_lent(settings, bridge))
        return true;
    banger_label_parse(bridge->alias, &label);
    /* What is looked at here is of guests, too: it stays so until it is in the tables. */
    if (removed != NULL || label.adopted)
        guests = g_mutex_locker_new(banger_guest_lock());
    (void)guests;
    for (unsigned int i = 0; removed != NULL && i < removed->len; i++) {
        const BangerLinkAddress *former = &g_array_index(removed, BangerLinkAddress, i);

        if (!banger_bridge_address_is_used(netlink, bridge->index, former))
            banger_elements_add_bridge_address(gone, bridge->name, &former->address);
    }
    banger_elements_add_bridge(elements, bridge, addresses);
    return (!label.adopted || add_open_taps(netlink, elements, bridge, error)) &&
           banger_filter_change(settings, &change, error);
}

/* Takes back what was done to the addresses of a bridge that was there, and the tables follow. */
static void
restore_addresses(const BangerSettings *settings, BangerNetlink *netlink,
                  const BangerBridge *bridge, const BangerBridgeChange *change)
{
    const BangerLinkAddress wanted = banger_bridge_wanted_address(bridge);
    g_autoptr(GArray) gone = NULL;
    g_autoptr(GArray) addresses = NULL;
    BangerLink link;

    if (!banger_bridge_restore(netlink, bridge, change, &link))
        return;
    gone = g_array_new(FALSE, FALSE, sizeof(BangerLinkAddress));
    g_array_append_val(gone, wanted);
    if (change->removed != NULL)
        g_array_append_vals(gone, change->removed->data, change->removed->len);
    addresses = banger_link_addresses(netlink, link.index, AF_UNSPEC, NULL);
    if (addresses != NULL)
        (void)enter_bridge(settings, netlink, &link, addresses, gone, NULL);
}

/*
 * The bridge could not be had. One that was made is gone again, and the tables follow; one that was
 * there gets its addresses back.
 */
static void
leave_bridge(const BangerSettings *settings, BangerNetlink *netlink, const BangerBridge *bridge,
             const BangerBridgeChange *change)
{
    const BangerLinkAddress wanted = banger_bridge_wanted_address(bridge);
    const char *name = bridge->bridge_name;
    g_autoptr(GMutexLocker) guests = NULL;
    g_autoptr(GArray) elements = banger_elements_new();
    g_autoptr(GArray) addresses = g_array_new(FALSE, FALSE, sizeof(BangerLinkAddress));
    const BangerFilterChange leave = {.remove = elements};
    BangerLink link;
    bool found;

    restore_addresses(settings, netlink, bridge, change);
    if (!banger_link_find(netlink, name, &link, &found, NULL) || found)
        return;
    guests = g_mutex_locker_new(banger_guest_lock());
    (void)guests;
    link = (BangerLink){.index = -1};
    (void)g_strlcpy(link.name, name, sizeof link.name);
    banger_bridge_derive_mac(name, link.mac);
    banger_elements_add_bridge(elements, &link, addresses);
    if (change->created && !banger_bridge_address_is_used(netlink, -1, &wanted))
        banger_elements_add_bridge_address(elements, name, &wanted.address);
    banger_firewalls_forget_bridge(name);
    (void)banger_filter_change_or_end(settings, &leave, NULL);
}

/*
 * Makes the bridge, and enters it in the tables; *@change is what was done. Leaves nothing if it
 * fails.
 */
static bool
ensure_bridge(const BangerSettings *settings, BangerNetlink *netlink, const BangerBridge *bridge,
              BangerJob *job, BangerUndo *undo, BangerBridgeChange *change, BangerLink *ret_link,
              GError **error)
{
    g_autoptr(GArray) addresses = NULL;

    if (banger_bridge_ensure(netlink, settings, bridge, undo, ret_link, &addresses, change,
                             error) &&
        banger_job_pass(job, "bridge-made", error) &&
        enter_bridge(settings, netlink, ret_link, addresses, change->removed, error) &&
        banger_job_pass(job, "bridge-entered", error))
        return true;
    banger_undo_walk(undo);
    leave_bridge(settings, netlink, bridge, change);
    return false;
}

bool
banger_op_ensure_bridge(const BangerSettings *settings, const BangerRequest *request,
                        BangerReply *reply, GError **error)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, error);
    g_auto(BangerBridgeChange) change = {0};
    g_auto(BangerUndo) undo = BANGER_UNDO_INIT;
    BangerLink link;

    if (netlink == NULL || !ensure_bridge(settings, netlink, &request->ensure_bridge, request->job,
                                          &undo, &change, &link, error))
        return false;
    banger_undo_commit(&undo);
    banger_filter_warn(reply);
    return true;
}

/*
 * The host itself speaks no IPv6 by the TAP: a port needs none. Without this the kernel keeps a
 * route for each TAP, and looks at all routes whenever a link changes, its alias included.
 */
static bool
disable_ipv6(const BangerLink *tap, GError **error)
{
    g_autofree char *path = g_strdup_printf("net/ipv6/conf/%s/disable_ipv6", tap->name);

    return banger_sysctl_set_if_there(path, "1", error);
}

/*
 * Makes the TAP a marked port of the bridge, and sets it up, as far as it is not. One message does
 * it: the kernel sets the MTU before it makes a link a port, and a port with a smaller one would
 * take the bridge's down. disable_ipv6() comes before: the TAP never has an address of the kernel's
 * making by which a guest could reach the host past its bridge.
 */
static bool
attach_tap(BangerNetlink *netlink, const BangerLink *tap, const BangerLink *bridge, GError **error)
{
    bool is_port = tap->master == bridge->index;
    g_autofree char *alias = tap->marked ? NULL : banger_label_format_new();
    const BangerLinkChange change = {
        .alias = alias,
        .mtu = !is_port && tap->mtu != bridge->mtu ? bridge->mtu : 0,
        .master = is_port ? 0 : bridge->index,
        .up = !tap->up,
    };

    if (tap->marked && is_port && tap->up)
        return true;
    TEST_POINT(tap->name);
    return (is_port || disable_ipv6(tap, error)) &&
           banger_link_change(netlink, tap, &change, error);
}

/* Enters the TAP in the tables. */
static bool
enter_tap(const BangerSettings *settings, const char *name, bool open, GError **error)
{
    g_autoptr(GArray) elements = banger_elements_new();
    const BangerFilterChange change = {.add = elements};

    banger_elements_add_tap(elements, name, open);
    return banger_filter_change(settings, &change, error);
}

/*
 * The new TAP is finished before it is made to stay: until then it is the open descriptor that
 * keeps it, so whatever goes wrong, a SIGKILL included, leaves none.
 */
static bool
create_tap(BangerNetlink *netlink, const BangerSettings *settings, const char *name,
           const BangerLink *bridge, BangerJob *job, GError **error)
{
    banger_autofd_everywhere int fd = -1;
    BangerLink tap;
    bool found;

    if (!banger_tap_create(name, settings->owner_uid, settings->owner_gid, &fd, error) ||
        !banger_link_find(netlink, name, &tap, &found, error))
        return false;
    if (!found)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "the TAP %s was deleted while it was being made", name);
    return banger_job_pass(job, "tap-made", error) &&
           banger_guest_remove_stale(settings, netlink, name, error) &&
           attach_tap(netlink, &tap, bridge, error) &&
           banger_job_pass(job, "tap-attached", error) && enter_tap(settings, name, false, error) &&
           banger_job_pass(job, "tap-entered", error) && banger_tap_persist(fd, name, error);
}

/*
 * Looks at what has the name. One that is not persistent yet is in the making, by another call or
 * by a stranger's program; the one is over in a moment.
 */
static bool
find_finished(BangerNetlink *netlink, const char *name, BangerLink *ret_link, bool *ret_found,
              GError **error)
{
    gint64 end_usec = g_get_monotonic_time() + TAP_WAIT_USEC;

    for (;;) {
        if (!banger_link_find(netlink, name, ret_link, ret_found, error))
            return false;
        if (!*ret_found || ret_link->type != BANGER_LINK_TAP || ret_link->persistent ||
            g_get_monotonic_time() >= end_usec)
            return true;
        g_usleep(TAP_LOOK_USEC);
    }
}

char *
banger_tap_refuse(const BangerSettings *settings, const BangerLink *tap)
{
    bool is_jailed =
        tap->marked && tap->owner >= BANGER_JAIL_UID_MIN && tap->owner <= BANGER_JAIL_UID_MAX;

    if (tap->type != BANGER_LINK_TAP)
        return g_strdup_printf("the link %s exists and is not a TAP", tap->name);
    if (!tap->has_owner)
        return g_strdup_printf("the TAP %s exists and has no owner", tap->name);
    if (tap->owner != settings->owner_uid && !is_jailed)
        return g_strdup_printf("the TAP %s exists and belongs to uid %u, not to %u", tap->name,
                               tap->owner, settings->owner_uid);
    if (!tap->persistent)
        return g_strdup_printf("the TAP %s exists and will go away with the program that has it "
                               "open",
                               tap->name);
    if (tap->multi_queue)
        return g_strdup_printf("the TAP %s exists and has several queues: no VMM can open it",
                               tap->name);
    return NULL;
}

static bool
adopt_tap(BangerNetlink *netlink, const BangerSettings *settings, const BangerLink *tap,
          const BangerLink *bridge, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    g_autofree char *reason = banger_tap_refuse(settings, tap);
    BangerLabel label;

    if (reason != NULL)
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS, "%s", reason);
    /* While a VMM has it open it cannot be done, and then it was not kept out either. */
    if ((tap->owner != settings->owner_uid || !tap->has_group ||
         tap->group != settings->owner_gid) &&
        !banger_tap_set_owner(tap->name, settings->owner_uid, settings->owner_gid, &refusal) &&
        !g_error_matches(refusal, BANGER_ERROR, BANGER_ERROR_BUSY)) {
        g_propagate_error(error, g_steal_pointer(&refusal));
        return false;
    }
    banger_label_parse(tap->alias, &label);
    /* Its guests' addresses are of the bridge that it was on. */
    if (label.n_guests > 0 && tap->master != bridge->index) {
        BangerLink interface;

        if (!banger_guest_interface(netlink, tap, &interface, error) ||
            !banger_guest_remove_tap(settings, netlink, tap, interface.name, false, error))
            return false;
        label.n_guests = 0;
        label.mac[0] = '\0';
        label.more = false;
        if (!banger_guest_write_label(netlink, tap, &label, error))
            return false;
    }
    return attach_tap(netlink, tap, bridge, error) &&
           enter_tap(settings, tap->name, label.open, error);
}

/* Whether an exclusive create or the TAP found decides is up to the kernel, so both may repeat. */
static bool
ensure_tap(BangerNetlink *netlink, const BangerSettings *settings, const char *name,
           const BangerLink *bridge, BangerJob *job, GError **error)
{
    g_autoptr(GError) refusal = NULL;

    for (int attempt = 0; attempt < 8; attempt++) {
        BangerLink tap;
        bool found;

        g_clear_error(&refusal);
        if (create_tap(netlink, settings, name, bridge, job, &refusal))
            return true;
        if (!g_error_matches(refusal, BANGER_ERROR, BANGER_ERROR_ALREADY_EXISTS))
            break;
        if (!find_finished(netlink, name, &tap, &found, error))
            return false;
        if (found)
            return adopt_tap(netlink, settings, &tap, bridge, error);
    }
    g_propagate_error(error, g_steal_pointer(&refusal));
    return false;
}

/* The indices of the ports; none if they cannot be listed, as if all there are came later. */
static GArray *
list_ports(BangerNetlink *netlink, const BangerLink *bridge)
{
    g_autoptr(GArray) ports = banger_link_list_ports(netlink, bridge->index, NULL);
    GArray *indices = g_array_new(FALSE, FALSE, sizeof(int));

    for (unsigned int i = 0; ports != NULL && i < ports->len; i++)
        g_array_append_val(indices, g_array_index(ports, BangerLink, i).index);
    return indices;
}

bool
banger_network_create_tap(const BangerSettings *settings, const BangerCreateTapRequest *create,
                          BangerJob *job, BangerBridgeChange *ret_change, BangerReply *reply,
                          GError **error)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, error);
    g_auto(BangerBridgeChange) change = {0};
    g_auto(BangerUndo) undo = BANGER_UNDO_INIT;
    BangerLink bridge;

    if (netlink == NULL ||
        !ensure_bridge(settings, netlink, &create->bridge, job, &undo, &change, &bridge, error))
        return false;
    if (!ensure_tap(netlink, settings, create->tap_name, &bridge, job, error)) {
        banger_undo_walk(&undo);
        leave_bridge(settings, netlink, &create->bridge, &change);
        return false;
    }
    banger_undo_commit(&undo);
    if (banger_bridge_change_has_addresses(&change))
        change.ports = list_ports(netlink, &bridge);
    *ret_change = change;
    change = (BangerBridgeChange){0};
    banger_filter_warn(reply);
    return true;
}

void
banger_network_restore_bridge(const BangerSettings *settings, const BangerBridge *bridge,
                              const BangerBridgeChange *change)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, NULL);

    if (netlink != NULL)
        restore_addresses(settings, netlink, bridge, change);
}

bool
banger_op_create_tap(const BangerSettings *settings, const BangerRequest *request,
                     BangerReply *reply, GError **error)
{
    g_auto(BangerBridgeChange) change = {0};

    return banger_network_create_tap(settings, &request->create_tap, request->job, &change, reply,
                                     error);
}

bool
banger_op_delete_tap(const BangerSettings *settings, const BangerRequest *request,
                     BangerReply *reply, GError **error)
{
    const char *name = request->delete_tap.tap_name;
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, error);
    BangerLink tap, interface;
    bool found;

    if (netlink == NULL || !banger_link_find(netlink, name, &tap, &found, error))
        return false;
    if (!found)
        return banger_guest_remove_stale(settings, netlink, name, error);
    if (tap.type != BANGER_LINK_TAP)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the link %s exists and is not a TAP", name);
    /*
     * The TAP first: its frames are checked as long as it is there, and none of them makes the host
     * note anew what is forgotten after.
     */
    if (!banger_guest_interface(netlink, &tap, &interface, error) ||
        !banger_link_delete(netlink, tap.index, error) ||
        !banger_guest_remove_tap(settings, netlink, &tap, interface.name, true, error))
        return false;
    banger_filter_warn(reply);
    return true;
}

bool
banger_op_delete_bridge(const BangerSettings *settings, const BangerRequest *request,
                        BangerReply *reply, GError **error)
{
    const char *name = request->delete_bridge.bridge_name;
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GArray) ports = NULL;
    g_autoptr(GArray) addresses = NULL;
    g_autoptr(GArray) elements = banger_elements_new();
    const BangerFilterChange change = {.remove = elements};
    BangerLink bridge;
    bool found;

    (void)reply;
    if (netlink == NULL || !banger_link_find(netlink, name, &bridge, &found, error))
        return false;
    if (!found)
        return true;
    if (!banger_bridge_is_ours(&bridge))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the link %s exists and is not a bridge of banger", name);
    ports = banger_link_list_ports(netlink, bridge.index, error);
    if (ports == NULL)
        return false;
    if (ports->len > 0)
        return banger_set_error(error, BANGER_ERROR_BUSY, "the bridge %s has %u ports, %s first",
                                name, ports->len, g_array_index(ports, BangerLink, 0).name);
    addresses = banger_link_addresses(netlink, bridge.index, AF_UNSPEC, error);
    if (addresses == NULL)
        return false;
    banger_elements_add_bridge(elements, &bridge, addresses);
    if (!banger_link_delete(netlink, bridge.index, error))
        return false;
    banger_firewalls_forget_bridge(name);
    return banger_filter_change_or_end(settings, &change, error);
}
