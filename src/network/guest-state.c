/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/guest-state.h"

#include <linux/netlink.h>
#include <netinet/in.h>

#include "model/destination.h"
#include "model/requests.h"
#include "network/guests.h"
#include "network/nat.h"
#include "network/reach.h"
#include "util/error.h"

/* Reads the guest's part of the file of its TAP. */
static bool
read_file(BangerGuestState *state, GError **error)
{
    g_autoptr(BangerTapFile) file = NULL;
    const BangerEgress *egress;

    if (!banger_tap_file_read(state->tap, &file, error))
        return false;
    if (file == NULL)
        return true;
    egress = banger_tap_file_find_egress(file, &state->guest);
    state->egress = egress != NULL ? g_strdupv(egress->networks) : NULL;
    for (unsigned int i = 0; i < file->forwards->len; i++) {
        const BangerForward *forward = &g_array_index(file->forwards, BangerForward, i);

        if (banger_address_equal(&forward->guest, &state->guest))
            g_array_append_vals(state->forwards, forward, 1);
    }
    return true;
}

bool
banger_guest_state_read(const BangerSettings *settings, const BangerAddress *guest,
                        BangerGuestState *ret_state, GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_auto(BangerGuestState) state = {.guest = *guest};
    BangerGuestOwner owner;
    BangerLabel label;
    BangerLink tap;
    bool found;
    int at;

    state.forwards = g_array_new(FALSE, FALSE, sizeof(BangerForward));
    if (route == NULL || !banger_guest_find(settings, guest, &owner, error) ||
        (owner.tap[0] != '\0' && !banger_link_find(route, owner.tap, &tap, &found, error)))
        return false;
    if (owner.tap[0] != '\0' && found) {
        banger_label_parse(tap.alias, &label);
        at = banger_label_find_guest(&label, guest);
        state.nat = at < 0 || label.guests[at].nat;
        (void)g_strlcpy(state.tap, owner.tap, sizeof state.tap);
        if (!read_file(&state, error))
            return false;
    }
    *ret_state = state;
    state = (BangerGuestState){0};
    return true;
}

void
banger_guest_state_clear(BangerGuestState *state)
{
    g_clear_pointer(&state->egress, g_strfreev);
    g_clear_pointer(&state->forwards, g_array_unref);
}

static void
set_forward(const BangerSettings *settings, const BangerForward *forward, bool enable)
{
    BangerReply reply = {0};
    const BangerRequest request = {
        .ensure_port_forward =
            {
                .protocol = (char *)(forward->protocol == IPPROTO_TCP ? "tcp" : "udp"),
                .host_port = forward->host_port,
                .guest_ip = forward->guest,
                .guest_port = forward->guest_port,
                .enable = enable,
            },
    };

    (void)banger_op_ensure_port_forward(settings, &request, &reply, NULL);
    g_free(reply.warning);
}

static void
set_egress(const BangerSettings *settings, const BangerGuestState *state)
{
    g_autoptr(GArray) networks = g_array_new(FALSE, FALSE, sizeof(char *));
    const BangerRequest request = {
        .set_egress = {.guest_ip = state->guest, .networks = networks},
    };
    BangerReply reply = {0};
    const char *all = BANGER_DESTINATION_ALL;

    for (char **network = state->egress; network != NULL && *network != NULL; network++)
        g_array_append_val(networks, *network);
    if (networks->len == 0)
        g_array_append_val(networks, all);
    (void)banger_op_set_egress(settings, &request, &reply, NULL);
    g_free(reply.warning);
}

static void
forget_guest(const BangerSettings *settings, const BangerAddress *guest, const char *tap)
{
    const BangerRequest request = {
        .ensure_nat = {.guest_ip = *guest, .tap = (char *)tap, .enable = false},
    };
    BangerReply reply = {0};

    (void)banger_op_ensure_nat(settings, &request, &reply, NULL);
    g_free(reply.warning);
}

void
banger_guest_state_restore(const BangerSettings *settings, const BangerGuestState *state,
                           const char *tap)
{
    g_auto(BangerGuestState) now = {0};
    BangerReply reply = {0};

    if (state->tap[0] == '\0') {
        forget_guest(settings, &state->guest, tap);
        return;
    }
    (void)banger_nat_register(settings, state->tap, &state->guest, state->nat, &reply, NULL);
    g_free(reply.warning);
    if (banger_guest_state_read(settings, &state->guest, &now, NULL))
        for (unsigned int i = 0; i < now.forwards->len; i++)
            set_forward(settings, &g_array_index(now.forwards, BangerForward, i), false);
    for (unsigned int i = 0; i < state->forwards->len; i++)
        set_forward(settings, &g_array_index(state->forwards, BangerForward, i), true);
    set_egress(settings, state);
}

bool
banger_tap_note_machine(const char *tap, const char *vm_id, char **ret_before, GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(banger_guest_lock());
    g_autofree char *before = NULL;
    BangerLabel label;
    BangerLink link;
    bool found;

    (void)locker;
    if (route == NULL || !banger_link_find(route, tap, &link, &found, error))
        return false;
    if (!found || link.type != BANGER_LINK_TAP)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "there is no TAP %s", tap);
    banger_label_parse(link.alias, &label);
    before = g_strdup(label.vm);
    (void)g_strlcpy(label.vm, vm_id, sizeof label.vm);
    /* A TAP of an administrator's stays without our mark. */
    if (link.marked && !banger_guest_write_label(route, &link, &label, error))
        return false;
    if (ret_before != NULL)
        *ret_before = g_steal_pointer(&before);
    return true;
}
