/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/unit.h"

#include <systemd/sd-daemon.h>

#include "util/error.h"
#include "vmm/unit-private.h"

BangerUnit *
banger_unit_start(const BangerUnitSpec *spec, GError **error)
{
    g_autoptr(BangerUnit) unit = g_new0(BangerUnit, 1);

    unit->kind = sd_booted() > 0 ? &banger_unit_systemd : &banger_unit_spawn;
    unit->process = (BangerProcess)BANGER_PROCESS_INIT;
    if (!unit->kind->start(unit, spec, error))
        return NULL;
    return g_steal_pointer(&unit);
}

void
banger_unit_stop_failed_start(BangerUnit *unit, GError **error)
{
    g_autoptr(GError) left = NULL;

    if (!unit->kind->stop(unit, &left) && error != NULL) {
        g_autoptr(GError) failure = g_steal_pointer(error);

        (void)banger_set_error(error, banger_error_code(failure), "%s; %s", failure->message,
                               left->message);
    }
}

bool
banger_unit_wait_for_starts(void)
{
    return sd_booted() > 0 && banger_unit_systemd_wait_for_starts();
}

const BangerProcess *
banger_unit_process(const BangerUnit *unit)
{
    return &unit->process;
}

char *
banger_unit_describe_end(BangerUnit *unit)
{
    return unit->kind->describe_end(unit);
}

bool
banger_unit_stop(BangerUnit *unit, GError **error)
{
    return unit->kind->stop(unit, error);
}

void
banger_unit_free(BangerUnit *unit)
{
    unit->kind->release(unit);
    banger_process_close(&unit->process);
    g_free(unit);
}
