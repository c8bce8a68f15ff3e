/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/reconcile-private.h"

#include "vmm/stop.h"
#include "vmm/unstarted.h"

/* All VMMs that are asked may take so long together. */
#define ASK_USEC (5 * G_USEC_PER_SEC)

/* Ends the VMM if its guest has not been started meanwhile either. */
static bool
remove_machine(BangerSweep *sweep, const char *vm_id, bool *ret_gone, GError **error)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;
    g_autoptr(BangerMachineInfo) machine = NULL;
    const char *how;
    bool runs;

    *ret_gone = false;
    if (!banger_machine_find(sweep->settings, vm_id, &process, &machine, &runs, error))
        return false;
    if (runs && !banger_machine_is_unstarted(sweep->settings, machine, &process))
        return true;
    *ret_gone = !runs || banger_machine_stop(sweep->settings, &process, machine, 0, &how, error);
    return *ret_gone;
}

static bool
is_unstarted(const BangerSweep *sweep, const BangerMachineInfo *machine)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;

    return machine->leader != 0 && banger_process_open((uint32_t)machine->leader, &process, NULL) &&
           banger_process_check_ours(&process, sweep->settings, NULL) &&
           banger_machine_is_unstarted(sweep->settings, machine, &process);
}

static uint64_t
age_of(const BangerMachineInfo *machine)
{
    uint64_t now_usec = (uint64_t)g_get_real_time();

    /* Without a record it is not known whether the owner is to start the guest. */
    if (machine->owner_starts || machine->unit[0] == '\0' || machine->since_usec > now_usec)
        return 0;
    return (now_usec - machine->since_usec) / G_USEC_PER_SEC;
}

void
banger_sweep_machines(BangerSweep *sweep)
{
    gint64 end_usec = g_get_monotonic_time() + ASK_USEC;
    GHashTableIter iter;
    const BangerMachineInfo *machine;

    g_hash_table_iter_init(&iter, sweep->machines);
    while (g_get_monotonic_time() < end_usec &&
           g_hash_table_iter_next(&iter, NULL, (void **)&machine)) {
        const BangerLeftover leftover = {
            "machine", machine->id, "", age_of(machine), "vm", remove_machine,
        };

        if (banger_sweep_is_to_go(sweep, &leftover) && is_unstarted(sweep, machine) &&
            banger_sweep_take(sweep, &leftover))
            g_hash_table_iter_remove(&iter);
    }
}
