/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/resolver.h"

#include <linux/netlink.h>
#include <syslog.h>

#include "model/address.h"
#include "network/bridge.h"
#include "network/link.h"
#include "network/resolve1.h"
#include "util/error.h"
#include "util/journal.h"

/* The domain of the guests' names; resolved asks the bridge's server for these and no others. */
#define DOMAIN "vm"

/*
 * Looks up the bridge. One that is not managed is refused: its name servers are not ours to set.
 */
static bool
find_bridge(const char *name, int *ret_index, bool *ret_found, GError **error)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, error);
    BangerLink link;

    if (netlink == NULL || !banger_link_find(netlink, name, &link, ret_found, error))
        return false;
    if (!*ret_found)
        return true;
    if (!banger_bridge_is_ours(&link))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the link %s exists and is not a bridge of banger", name);
    *ret_index = link.index;
    return true;
}

static void
note_unavailable(const char *op_id, const char *bridge)
{
    g_autoptr(BangerJournalRecord) record = banger_journal_record_new(
        LOG_DEBUG, "systemd-resolved is not on this host, nothing to route");

    banger_journal_record_add(record, "OP_ID", op_id);
    banger_journal_record_add(record, "BRIDGE_NAME", bridge);
    banger_journal_record_send(g_steal_pointer(&record));
}

bool
banger_op_sync_resolver_routing(const BangerSettings *settings, const BangerRequest *request,
                                BangerReply *reply, GError **error)
{
    const char *bridge = request->sync_resolver_routing.bridge_name;
    const BangerServer *server = &request->sync_resolver_routing.server_addr;
    bool available;
    bool found;
    int index = 0;

    (void)settings;
    (void)reply;
    if (bridge[0] == '\0' || server->address.family == 0)
        return true;
    if (!find_bridge(bridge, &index, &found, error))
        return false;
    if (found ? !banger_resolve1_route(index, server, DOMAIN, &available, error)
              : !banger_resolve1_probe(&available, error)) {
        g_prefix_error(error, "cannot route names of the bridge %s: ", bridge);
        return false;
    }
    if (!available)
        note_unavailable(request->op_id, bridge);
    else if (!found)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "there is no bridge %s", bridge);
    return true;
}

bool
banger_op_clear_resolver_routing(const BangerSettings *settings, const BangerRequest *request,
                                 BangerReply *reply, GError **error)
{
    const char *bridge = request->clear_resolver_routing.bridge_name;
    bool available;
    bool found;
    int index = 0;

    (void)settings;
    (void)reply;
    if (bridge[0] == '\0')
        return true;
    if (!find_bridge(bridge, &index, &found, error))
        return false;
    if (!found)
        return true;
    if (!banger_resolve1_revert(index, &available, error)) {
        g_prefix_error(error, "cannot clear the name routing of the bridge %s: ", bridge);
        return false;
    }
    if (!available)
        note_unavailable(request->op_id, bridge);
    return true;
}
