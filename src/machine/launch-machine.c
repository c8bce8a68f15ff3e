/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/launch-machine.h"

#include "machine/machine.h"
#include "network/tap-mac.h"
#include "util/job.h"
#include "vmm/launch.h"

/* The Ethernet address that a TAP was noted to have. */
typedef struct {
    const BangerSettings *settings;
    char *tap;
    char *mac;
} Former;

static void
free_former(void *user_data)
{
    Former *former = user_data;

    g_free(former->tap);
    g_free(former->mac);
    g_free(former);
}

static void
restore_mac(void *user_data)
{
    const Former *former = user_data;

    (void)banger_tap_set_mac(former->settings, former->tap, former->mac, NULL, NULL);
}

static bool
set_mac(const BangerSettings *settings, const char *tap, const BangerInterfaceOptions *options,
        BangerUndo *undo, GError **error)
{
    const char *mac = options->guest_mac != NULL ? options->guest_mac : "";
    Former *former;
    char *before;

    if (!banger_tap_set_mac(settings, tap, mac, &before, error))
        return false;
    former = g_new0(Former, 1);
    former->settings = settings;
    former->tap = g_strdup(tap);
    former->mac = before;
    banger_undo_push(undo, restore_mac, former, free_former);
    return true;
}

bool
banger_machine_note_macs(const BangerSettings *settings,
                         const BangerLaunchFirecrackerRequest *launch, BangerUndo *undo,
                         GError **error)
{
    const GArray *more = launch->options.network_interfaces;

    if (!set_mac(settings, launch->tap_device, &launch->options.eth0, undo, error))
        return false;
    for (unsigned int i = 0; more != NULL && i < more->len; i++) {
        const BangerInterface *interface = &g_array_index(more, BangerInterface, i);

        if (!set_mac(settings, interface->tap_device, &interface->options, undo, error))
            return false;
    }
    return true;
}

bool
banger_op_launch_firecracker(const BangerSettings *settings, const BangerRequest *request,
                             BangerReply *reply, GError **error)
{
    const BangerLaunchFirecrackerRequest *launch = &request->launch_firecracker;
    g_auto(BangerUndo) undo = BANGER_UNDO_INIT;

    if (!banger_machine_note_macs(settings, launch, &undo, error) ||
        !banger_job_pass(request->job, "macs-noted", error) ||
        !banger_launch_run(settings, launch, request->op_id, request->caller_uid, request->job,
                           NULL, &reply->launch_firecracker.pid, error))
        return false;
    banger_undo_commit(&undo);
    return true;
}
