/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ops/network.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include "ops/bridge.h"
#include "sys/link.h"
#include "sys/tap.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/undo.h"

/* How long a TAP that another call is just making may take to be finished, and how often to look.
 */
#define TAP_WAIT_USEC G_USEC_PER_SEC
#define TAP_LOOK_USEC 2000

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

bool
banger_network_ensure_bridge(const BangerSettings *settings, const BangerRequest *request,
                             BangerReply *reply, GError **error)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, error);
    g_auto(BangerUndo) undo = BANGER_UNDO_INIT;
    BangerLink link;

    (void)settings;
    (void)reply;
    if (netlink == NULL ||
        !banger_bridge_ensure(netlink, &request->ensure_bridge, &undo, &link, error))
        return false;
    banger_undo_commit(&undo);
    return true;
}

/* Makes the TAP a marked port of the bridge, and sets it up, as far as it is not. */
static bool
attach_tap(BangerNetlink *netlink, const BangerLink *tap, const BangerLink *bridge, GError **error)
{
    const BangerLinkChange change = {
        .mark = !tap->marked,
        .master = tap->master != bridge->index ? bridge->index : 0,
        .up = !tap->up,
    };

    if (!change.mark && change.master == 0 && !change.up)
        return true;
    TEST_POINT(tap->name);
    return banger_link_change(netlink, tap, &change, error);
}

/*
 * The new TAP is finished before it is made to stay: until then it is the open descriptor that
 * keeps it, so whatever goes wrong, a SIGKILL included, leaves none.
 */
static bool
create_tap(BangerNetlink *netlink, const BangerSettings *settings, const char *name,
           const BangerLink *bridge, GError **error)
{
    banger_autofd int fd = -1;
    BangerLink tap;
    bool found;

    if (!banger_tap_create(name, settings->owner_uid, settings->owner_gid, &fd, error) ||
        !banger_link_find(netlink, name, &tap, &found, error))
        return false;
    if (!found)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "the TAP %s was deleted while it was being made", name);
    return attach_tap(netlink, &tap, bridge, error) && banger_tap_persist(fd, name, error);
}

/*
 * Looks at what has the name. One that is not persistent yet is in the making, by another call or
 * by a stranger's program; the one is over in a moment.
 */
static bool
find_finished(BangerNetlink *netlink, const char *name, BangerLink *ret_link, bool *ret_found,
              GError **error)
{
    gint64 end = g_get_monotonic_time() + TAP_WAIT_USEC;

    for (;;) {
        if (!banger_link_find(netlink, name, ret_link, ret_found, error))
            return false;
        if (!*ret_found || ret_link->type != BANGER_LINK_TAP || ret_link->persistent ||
            g_get_monotonic_time() >= end)
            return true;
        g_usleep(TAP_LOOK_USEC);
    }
}

/* The TAP that exists already: ours by name and owner, or not ours to touch. */
static bool
adopt_tap(BangerNetlink *netlink, const BangerSettings *settings, const BangerLink *tap,
          const BangerLink *bridge, GError **error)
{
    g_autoptr(GError) refusal = NULL;

    if (tap->type != BANGER_LINK_TAP)
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                "the link %s exists and is not a TAP", tap->name);
    if (!tap->has_owner)
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                "the TAP %s exists and has no owner", tap->name);
    if (tap->owner != settings->owner_uid)
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                "the TAP %s exists and belongs to uid %u, not to %u", tap->name,
                                tap->owner, settings->owner_uid);
    if (!tap->persistent)
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                "the TAP %s exists and will go away with the program that holds it",
                                tap->name);
    /* While somebody has it open it cannot be done, and then the group did not keep them out. */
    if ((!tap->has_group || tap->group != settings->owner_gid) &&
        !banger_tap_set_group(tap->name, settings->owner_gid, &refusal) &&
        !g_error_matches(refusal, BANGER_ERROR, BANGER_ERROR_BUSY)) {
        g_propagate_error(error, g_steal_pointer(&refusal));
        return false;
    }
    return attach_tap(netlink, tap, bridge, error);
}

/* Whether an exclusive create or the TAP found decides is up to the kernel, so both may repeat. */
static bool
ensure_tap(BangerNetlink *netlink, const BangerSettings *settings, const char *name,
           const BangerLink *bridge, GError **error)
{
    g_autoptr(GError) refusal = NULL;

    for (int attempt = 0; attempt < 8; attempt++) {
        BangerLink tap;
        bool found;

        g_clear_error(&refusal);
        if (create_tap(netlink, settings, name, bridge, &refusal))
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

bool
banger_network_create_tap(const BangerSettings *settings, const BangerRequest *request,
                          BangerReply *reply, GError **error)
{
    const BangerCreateTapRequest *create = &request->create_tap;
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, error);
    g_auto(BangerUndo) undo = BANGER_UNDO_INIT;
    BangerLink bridge;

    (void)reply;
    if (netlink == NULL || !banger_bridge_ensure(netlink, &create->bridge, &undo, &bridge, error) ||
        !ensure_tap(netlink, settings, create->tap_name, &bridge, error))
        return false;
    banger_undo_commit(&undo);
    return true;
}

bool
banger_network_delete_tap(const BangerSettings *settings, const BangerRequest *request,
                          BangerReply *reply, GError **error)
{
    const char *name = request->delete_tap.tap_name;
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, error);
    BangerLink tap;
    bool found;

    (void)settings;
    (void)reply;
    if (netlink == NULL || !banger_link_find(netlink, name, &tap, &found, error))
        return false;
    if (!found)
        return true;
    if (tap.type != BANGER_LINK_TAP)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the link %s exists and is not a TAP", name);
    return banger_link_delete(netlink, tap.index, error);
}
