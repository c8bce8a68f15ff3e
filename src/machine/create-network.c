/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <net/if.h>

#include "machine/create-private.h"
#include "machine/launch-machine.h"
#include "network/guest-state.h"
#include "network/nat.h"
#include "network/network-check.h"
#include "network/network.h"
#include "network/reach.h"
#include "network/resolve1-list.h"
#include "network/resolver.h"
#include "util/error.h"

/*
 * Machines on one bridge are made side by side. Making the bridge and a port of it, and taking both
 * back, is what one of them does at a time: no bridge of a machine goes before the port is there.
 */
#define LOCKS 16
static GMutex bridge_locks[LOCKS];

static GMutex *
bridge_lock(const char *bridge)
{
    return &bridge_locks[g_str_hash(bridge) % LOCKS];
}

/* What a part of the network was before, to be taken back. */
typedef struct {
    const BangerSettings *settings;
    const BangerMachineRequest *machine;
    bool made_tap;
    BangerBridgeChange bridge;
    char *former_machine; /* of the TAP */
    BangerGuestState guest;
    BangerServer former_resolver;
} Former;

static Former *
former_new(const BangerCreation *creation)
{
    Former *former = g_new0(Former, 1);

    former->settings = creation->settings;
    former->machine = creation->machine;
    return former;
}

static void
former_free(void *user_data)
{
    Former *former = user_data;

    g_free(former->former_machine);
    banger_bridge_change_clear(&former->bridge);
    banger_guest_state_clear(&former->guest);
    g_free(former);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Former, former_free)

static void
run_back(const Former *former, BangerOperation *operation, const BangerRequest *request)
{
    BangerReply reply = {0};

    (void)operation(former->settings, request, &reply, NULL);
    g_free(reply.warning);
}

/* A bridge that others have ports on by now is Busy, and stays. */
static void
remove_links(void *user_data)
{
    const Former *former = user_data;
    const BangerLaunchFirecrackerRequest *launch = &former->machine->launch;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(bridge_lock(launch->network.bridge_name));

    (void)locker;
    if (former->made_tap)
        run_back(former, banger_op_delete_tap,
                 &(BangerRequest){.delete_tap = {launch->tap_device}});
    if (former->bridge.created)
        run_back(former, banger_op_delete_bridge,
                 &(BangerRequest){.delete_bridge = {launch->network.bridge_name}});
    banger_network_restore_bridge(former->settings, &launch->network, &former->bridge);
}

static bool
make_links(BangerCreation *creation, GError **error)
{
    const BangerLaunchFirecrackerRequest *launch = &creation->machine->launch;
    const BangerCreateTapRequest create = {launch->network, launch->tap_device};
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(bridge_lock(launch->network.bridge_name));
    g_autoptr(Former) former = former_new(creation);
    BangerReply reply = {0};

    (void)locker;
    former->made_tap = if_nametoindex(launch->tap_device) == 0;
    if (!banger_network_create_tap(creation->settings, &create, creation->job, &former->bridge,
                                   &reply, error))
        return false;
    banger_creation_take_warning(creation, &reply);
    banger_undo_push(&creation->undo, remove_links, g_steal_pointer(&former), former_free);
    return true;
}

static void
restore_machine(void *user_data)
{
    const Former *former = user_data;

    (void)banger_tap_note_machine(former->machine->launch.tap_device, former->former_machine, NULL,
                                  NULL);
}

static bool
note_machine(BangerCreation *creation, GError **error)
{
    const BangerLaunchFirecrackerRequest *launch = &creation->machine->launch;
    g_autoptr(Former) former = former_new(creation);

    if (!banger_tap_note_machine(launch->tap_device, launch->vm_id, &former->former_machine, error))
        return false;
    banger_undo_push(&creation->undo, restore_machine, g_steal_pointer(&former), former_free);
    return true;
}

static void
restore_guest(void *user_data)
{
    const Former *former = user_data;

    banger_guest_state_restore(former->settings, &former->guest,
                               former->machine->launch.tap_device);
}

static bool
register_guest(BangerCreation *creation, GError **error)
{
    const BangerMachineRequest *machine = creation->machine;
    g_autoptr(Former) former = former_new(creation);
    BangerReply reply = {0};

    if (!banger_guest_state_read(creation->settings, &machine->guest_ip, &former->guest, error) ||
        !banger_nat_register(creation->settings, machine->launch.tap_device, &machine->guest_ip,
                             machine->nat, &reply, error))
        return false;
    banger_creation_take_warning(creation, &reply);
    banger_undo_push(&creation->undo, restore_guest, g_steal_pointer(&former), former_free);
    return true;
}

static bool
forward_ports(BangerCreation *creation, GError **error)
{
    const BangerMachineRequest *machine = creation->machine;

    for (unsigned int i = 0; i < machine->port_forwards->len; i++) {
        const BangerMachinePort *port =
            &g_array_index(machine->port_forwards, BangerMachinePort, i);
        const BangerRequest request = {
            .job = creation->job,
            .ensure_port_forward = {port->protocol, port->host_port, machine->guest_ip,
                                    port->guest_port, true},
        };

        if (!banger_creation_run(creation, banger_op_ensure_port_forward, &request, error)) {
            g_prefix_error(error, "port_forwards: ");
            return false;
        }
    }
    return true;
}

static bool
restrict_guest(BangerCreation *creation, GError **error)
{
    const BangerMachineRequest *machine = creation->machine;
    const BangerRequest request = {
        .job = creation->job,
        .set_egress = {machine->guest_ip, machine->egress},
    };

    return !machine->has_egress ||
           banger_creation_run(creation, banger_op_set_egress, &request, error);
}

static void
restore_resolver(void *user_data)
{
    const Former *former = user_data;
    char *bridge = former->machine->launch.network.bridge_name;

    if (former->former_resolver.address.family == 0)
        run_back(former, banger_op_clear_resolver_routing,
                 &(BangerRequest){.op_id = (char *)"", .clear_resolver_routing = {bridge}});
    else
        run_back(former, banger_op_sync_resolver_routing,
                 &(BangerRequest){.op_id = (char *)"",
                                  .sync_resolver_routing = {bridge, former->former_resolver}});
}

/* The server that resolved asks on @bridge; none if there is none, or no resolved. */
static void
find_resolver(const char *bridge, BangerServer *ret_server)
{
    g_autoptr(GHashTable) resolvers = banger_resolve1_list();
    const char *server =
        g_hash_table_lookup(resolvers, GINT_TO_POINTER((int)if_nametoindex(bridge)));

    if (server == NULL || !banger_server_parse(server, ret_server, NULL))
        *ret_server = (BangerServer){0};
}

static bool
route_names(BangerCreation *creation, GError **error)
{
    const BangerMachineRequest *machine = creation->machine;
    char *bridge = machine->launch.network.bridge_name;
    const BangerRequest request = {
        .op_id = creation->request->op_id,
        .sync_resolver_routing = {bridge, machine->resolver},
    };
    g_autoptr(Former) former = former_new(creation);

    if (machine->resolver.address.family == 0)
        return true;
    find_resolver(bridge, &former->former_resolver);
    if (!banger_creation_run(creation, banger_op_sync_resolver_routing, &request, error))
        return false;
    banger_undo_push(&creation->undo, restore_resolver, g_steal_pointer(&former), former_free);
    return true;
}

bool
banger_create_network(BangerCreation *creation, GError **error)
{
    const BangerMachineRequest *machine = creation->machine;

    if (banger_machine_makes_tap(machine) &&
        (!make_links(creation, error) || !banger_job_pass(creation->job, "links-made", error)))
        return false;
    if (!note_machine(creation, error) || !banger_job_pass(creation->job, "tap-noted", error))
        return false;
    if (machine->guest_ip.family != 0 &&
        (!register_guest(creation, error) ||
         !banger_job_pass(creation->job, "guest-registered", error) ||
         !restrict_guest(creation, error) ||
         !banger_job_pass(creation->job, "egress-restricted", error) ||
         !forward_ports(creation, error) ||
         !banger_job_pass(creation->job, "ports-forwarded", error)))
        return false;
    return route_names(creation, error) && banger_job_pass(creation->job, "names-routed", error) &&
           banger_machine_note_macs(creation->settings, &machine->launch, &creation->undo, error) &&
           banger_job_pass(creation->job, "macs-noted", error);
}

static bool
check_ports(const BangerSettings *settings, const BangerMachineRequest *machine, GError **error)
{
    for (unsigned int i = 0; i < machine->port_forwards->len; i++) {
        const BangerMachinePort *port =
            &g_array_index(machine->port_forwards, BangerMachinePort, i);
        const BangerEnsurePortForwardRequest forward = {
            port->protocol, port->host_port, machine->guest_ip, port->guest_port, true,
        };

        if (!banger_reach_check_forward(settings, &forward, error)) {
            g_prefix_error(error, "port_forwards: ");
            return false;
        }
    }
    return true;
}

bool
banger_create_check_network(const BangerSettings *settings, const BangerMachineRequest *machine,
                            GError **error)
{
    const BangerLaunchFirecrackerRequest *launch = &machine->launch;
    bool makes_tap = banger_machine_makes_tap(machine);

    if (makes_tap && !banger_network_check_bridge(settings, &launch->network, error))
        return false;
    if (!banger_network_check_tap(settings, launch->tap_device, error))
        return false;
    return machine->guest_ip.family == 0 ||
           (banger_network_check_guest(settings, makes_tap ? &launch->network : NULL,
                                       launch->tap_device, &machine->guest_ip, error) &&
            check_ports(settings, machine, error));
}
