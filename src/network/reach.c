/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/reach.h"

#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "model/destination.h"
#include "network/conntrack.h"
#include "network/egress-list.h"
#include "network/guests.h"
#include "network/listeners.h"
#include "network/network-settings.h"
#include "network/sysctl.h"
#include "util/error.h"
#include "util/job.h"

#define PRIVILEGED_PORTS 1024

/* A registered guest, with what is written of it. */
typedef struct {
    BangerNetlink *route;
    BangerGuestOwner owner;
    BangerLink tap;
    BangerLabel label;
    BangerTapFile *file; /* as it was; never NULL */
} Guest;

static void
clear_guest(Guest *guest)
{
    g_clear_pointer(&guest->route, banger_netlink_close);
    g_clear_pointer(&guest->file, banger_tap_file_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Guest, clear_guest)

/* Looks up who has @address; *@ret_found is false if it is not registered. */
static bool
find_guest(const BangerSettings *settings, const BangerAddress *address, Guest *guest,
           bool *ret_found, GError **error)
{
    *ret_found = false;
    guest->route = banger_netlink_open(NETLINK_ROUTE, error);
    if (guest->route == NULL || !banger_guest_find(settings, address, &guest->owner, error))
        return false;
    if (guest->owner.tap[0] == '\0' || g_str_equal(guest->owner.tap, "bridge"))
        return true;
    if (!banger_link_find(guest->route, guest->owner.tap, &guest->tap, ret_found, error) ||
        !banger_tap_file_read(guest->owner.tap, &guest->file, error))
        return false;
    if (guest->file == NULL)
        guest->file = banger_tap_file_new();
    banger_label_parse(guest->tap.alias, &guest->label);
    return true;
}

static bool
fail_not_registered(const BangerAddress *address, GError **error)
{
    g_autofree char *text = banger_address_format(address);

    return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "the guest %s is not registered", text);
}

/* Writes the file, and in the label that there is one. */
static bool
write_guest(Guest *guest, const BangerTapFile *file, GError **error)
{
    bool more = !banger_tap_file_is_empty(file);

    /* The label says at least what there is, whenever this ends early. */
    guest->label.more |= more;
    if (!banger_guest_write_label(guest->route, &guest->tap, &guest->label, error) ||
        !banger_tap_file_write(guest->owner.tap, file, error))
        return false;
    if (guest->label.more == more)
        return true;
    guest->label.more = more;
    return banger_link_find(guest->route, guest->owner.tap, &guest->tap, &more, error) &&
           banger_guest_write_label(guest->route, &guest->tap, &guest->label, error);
}

/* Whether the port is one of those that the host takes for its own connections. */
static bool
is_local_port(uint16_t port)
{
    g_autofree char *text = NULL;
    unsigned long first, last;
    char *rest;

    if (!g_file_get_contents("/proc/sys/net/ipv4/ip_local_port_range", &text, NULL, NULL))
        return false;
    first = strtoul(text, &rest, 10);
    last = strtoul(rest, NULL, 10);
    return port >= first && port <= last;
}

static bool
check_port(const BangerSettings *settings, const BangerForward *forward, GError **error)
{
    bool taken = false;

    if ((forward->host_port < PRIVILEGED_PORTS || is_local_port(forward->host_port)) &&
        !banger_port_in_ranges(forward->host_port, settings->network->forward_ports))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "host_port: %u is below 1024 or of the host's own range, and "
                                "[Network] ForwardPorts does not have it",
                                forward->host_port);
    if (!banger_listeners_find(forward->guest.family, forward->protocol, forward->host_port, &taken,
                               error))
        return false;
    return !taken || banger_set_error(error, BANGER_ERROR_BUSY, "the host listens on the port %u",
                                      forward->host_port);
}

static int
find_forward(const BangerTapFile *file, const BangerForward *forward)
{
    for (unsigned int i = 0; i < file->forwards->len; i++) {
        const BangerForward *other = &g_array_index(file->forwards, BangerForward, i);

        if (other->protocol == forward->protocol && other->host_port == forward->host_port &&
            other->guest.family == forward->guest.family)
            return (int)i;
    }
    return -1;
}

/* The element for the host's port as it is in the tables; *@ret_ours if it leads to the guest. */
static bool
look_up_port(const BangerSettings *settings, const BangerForward *forward, bool *ret_found,
             bool *ret_ours, GError **error)
{
    g_autoptr(GArray) elements = banger_elements_new();
    BangerFilterElement there;

    banger_elements_add_forward(elements, forward);
    there = g_array_index(elements, BangerFilterElement, 0);
    if (!banger_filter_find(settings, &there, ret_found, error))
        return false;
    *ret_ours = *ret_found && memcmp(there.element.data, forward->guest.bytes,
                                     banger_address_length(&forward->guest)) == 0;
    return true;
}

/* Whether the host's port of @forward may lead there: *@ret_found if it does already. */
static bool
check_forward(const BangerSettings *settings, const BangerForward *forward, bool *ret_found,
              GError **error)
{
    bool ours;

    if (!look_up_port(settings, forward, ret_found, &ours, error))
        return false;
    if (*ret_found && !ours)
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                "the port %u is forwarded to another guest", forward->host_port);
    return *ret_found || check_port(settings, forward, error);
}

static bool
enable_forward(const BangerSettings *settings, Guest *guest, const BangerForward *forward,
               BangerJob *job, GError **error)
{
    g_autoptr(GArray) elements = banger_elements_new();
    BangerFilterChange change = {.add = elements};
    BangerForward former;
    bool found;
    int at = find_forward(guest->file, forward);

    if (!check_forward(settings, forward, &found, error))
        return false;
    if (at >= 0) {
        former = g_array_index(guest->file->forwards, BangerForward, at);
        g_array_remove_index(guest->file->forwards, (unsigned int)at);
    }
    g_array_append_vals(guest->file->forwards, forward, 1);
    banger_elements_add_forward(elements, forward);
    /* It may lead to another port of the guest. */
    change.remove = found ? elements : NULL;
    if (write_guest(guest, guest->file, error) && banger_job_pass(job, "forward-written", error) &&
        banger_filter_change(settings, &change, error))
        return true;
    /* What is written is what would be put back. */
    g_array_set_size(guest->file->forwards, guest->file->forwards->len - 1);
    if (at >= 0)
        g_array_append_val(guest->file->forwards, former);
    (void)write_guest(guest, guest->file, NULL);
    return false;
}

static bool
is_not_forwarded(const BangerFlow *flow, const void *data)
{
    const BangerForward *forward = data;

    return flow->from_guest || flow->protocol != forward->protocol ||
           flow->guest_port != forward->guest_port;
}

static bool
disable_forward(const BangerSettings *settings, Guest *guest, const BangerForward *forward,
                GError **error)
{
    g_autoptr(GArray) elements = banger_elements_new();
    const BangerFilterChange change = {.remove = elements};
    g_autoptr(BangerNetlink) netfilter = banger_netlink_open(NETLINK_NETFILTER, error);
    bool found, ours;
    int at = find_forward(guest->file, forward);

    if (netfilter == NULL || !look_up_port(settings, forward, &found, &ours, error))
        return false;
    if (ours) {
        banger_elements_add_forward(elements, forward);
        if (!banger_filter_change(settings, &change, error) ||
            !banger_conntrack_forget_some(netfilter, &forward->guest, is_not_forwarded, forward,
                                          error))
            return false;
    }
    if (at < 0)
        return true;
    g_array_remove_index(guest->file->forwards, (unsigned int)at);
    return write_guest(guest, guest->file, error);
}

static BangerForward
forward_of(const BangerEnsurePortForwardRequest *asked)
{
    return (BangerForward){
        .protocol = g_str_equal(asked->protocol, "tcp") ? IPPROTO_TCP : IPPROTO_UDP,
        .host_port = asked->host_port,
        .guest = asked->guest_ip,
        .guest_port = asked->guest_port,
    };
}

bool
banger_reach_check_forward(const BangerSettings *settings,
                           const BangerEnsurePortForwardRequest *forward, GError **error)
{
    const BangerForward wanted = forward_of(forward);
    bool found;

    return check_forward(settings, &wanted, &found, error);
}

bool
banger_op_ensure_port_forward(const BangerSettings *settings, const BangerRequest *request,
                              BangerReply *reply, GError **error)
{
    const BangerEnsurePortForwardRequest *asked = &request->ensure_port_forward;
    const BangerForward forward = forward_of(asked);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(banger_guest_lock());
    g_auto(Guest) guest = {0};
    bool found;

    (void)locker;
    if (!find_guest(settings, &forward.guest, &guest, &found, error))
        return false;
    if (!found)
        return !asked->enable || fail_not_registered(&forward.guest, error);
    if (!(asked->enable ? enable_forward(settings, &guest, &forward, request->job, error)
                        : disable_forward(settings, &guest, &forward, error)))
        return false;
    banger_filter_warn(reply);
    return true;
}

/*
 * The commands that make @networks (NULL: nothing) the restriction of the guest, whose present
 * chain is @before, or NULL.
 */
static char *
egress_commands(const BangerAddress *address, const char *interface, char *const *networks,
                const char *before)
{
    GString *commands = g_string_new(NULL);
    g_autofree char *text = banger_address_format(address);
    const char *map = address->family == AF_INET ? "egress4" : "egress6";

    if (before != NULL)
        g_string_append_printf(
            commands, "delete element inet " BANGER_FILTER_TABLE " %s { %s . \"%s\" : jump %s }\n",
            map, text, interface, before);
    if (networks != NULL) {
        g_autofree char *chain = banger_egress_chain(networks);

        banger_egress_append_chain(commands, chain, networks);
        g_string_append_printf(
            commands, "add element inet " BANGER_FILTER_TABLE " %s { %s . \"%s\" : jump %s }\n",
            map, text, interface, chain);
    }
    return g_string_free(commands, FALSE);
}

/* Whether the list @data lets the guest have the flow. */
static bool
is_allowed(const BangerFlow *flow, const void *data)
{
    const BangerSubnet host = {flow->peer, (uint8_t)(banger_address_length(&flow->peer) * 8)};

    for (char *const *network = data; flow->from_guest && *network != NULL; network++) {
        BangerDestination destination;

        if (banger_destination_parse(*network, &destination, NULL) &&
            banger_subnet_contains(&destination.subnet, &host) &&
            (destination.port == 0 || destination.port == flow->peer_port) &&
            (destination.protocol == NULL ||
             flow->protocol ==
                 (g_str_equal(destination.protocol, "tcp") ? IPPROTO_TCP : IPPROTO_UDP)))
            return true;
    }
    return !flow->from_guest;
}

/*
 * Replaces the chain @before, or none, of the guest. Written before a restriction that is new, and
 * after one that is taken away: whatever comes in between, nothing is open that should not be.
 */
static bool
change_egress(const BangerSettings *settings, Guest *guest, const BangerAddress *address,
              GStrv networks, const char *before, BangerJob *job, GError **error)
{
    const BangerEgress *egress = banger_tap_file_find_egress(guest->file, address);
    g_auto(GStrv) former = egress != NULL ? g_strdupv(egress->networks) : NULL;
    g_autofree char *commands = egress_commands(address, guest->owner.interface, networks, before);
    const BangerFilterChange change = {.commands = commands};

    banger_tap_file_set_egress(guest->file, address, networks);
    if (networks == NULL)
        return banger_filter_change(settings, &change, error) &&
               write_guest(guest, guest->file, error);
    if (write_guest(guest, guest->file, error) && banger_job_pass(job, "egress-written", error) &&
        banger_filter_change(settings, &change, error))
        return true;
    banger_tap_file_set_egress(guest->file, address, former);
    (void)write_guest(guest, guest->file, NULL);
    return false;
}

static bool
set_egress(const BangerSettings *settings, Guest *guest, const BangerAddress *address,
           GStrv networks, BangerJob *job, GError **error)
{
    g_autofree char *chain = networks != NULL ? banger_egress_chain(networks) : NULL;
    g_autoptr(BangerNetlink) netfilter = banger_netlink_open(NETLINK_NETFILTER, error);
    BangerFilterElement element;
    bool found;

    banger_element_init_egress(&element, address, guest->owner.interface);
    if (netfilter == NULL || !banger_filter_find(settings, &element, &found, error))
        return false;
    if (found ? g_strcmp0(chain, element.element.chain) == 0 : chain == NULL)
        return true;
    if (!change_egress(settings, guest, address, networks, found ? element.element.chain : NULL,
                       job, error))
        return false;
    if (found)
        banger_filter_drop_chain(element.element.chain);
    return networks == NULL ||
           banger_conntrack_forget_some(netfilter, address, is_allowed, networks, error);
}

bool
banger_op_set_egress(const BangerSettings *settings, const BangerRequest *request,
                     BangerReply *reply, GError **error)
{
    const BangerSetEgressRequest *asked = &request->set_egress;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(banger_guest_lock());
    g_autoptr(GPtrArray) networks = g_ptr_array_new();
    g_auto(Guest) guest = {0};
    bool found, all;

    (void)locker;
    for (unsigned int i = 0; i < asked->networks->len; i++)
        g_ptr_array_add(networks, g_array_index(asked->networks, char *, i));
    g_ptr_array_add(networks, NULL);
    all = g_str_equal(g_ptr_array_index(networks, 0), BANGER_DESTINATION_ALL);
    if (!find_guest(settings, &asked->guest_ip, &guest, &found, error))
        return false;
    if (!found)
        return fail_not_registered(&asked->guest_ip, error);
    if (!set_egress(settings, &guest, &asked->guest_ip, all ? NULL : (GStrv)networks->pdata,
                    request->job, error))
        return false;
    banger_filter_warn(reply);
    return true;
}
