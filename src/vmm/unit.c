/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/unit.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "sys/unit-private.h"

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

void
banger_unit_stop(BangerUnit *unit)
{
    unit->kind->stop(unit);
}

void
banger_unit_free(BangerUnit *unit)
{
    unit->kind->release(unit);
    banger_process_close(&unit->process);
    g_free(unit);
}

bool
banger_unit_kvm_group(gid_t *ret_gid)
{
    struct stat st;

    if (stat("/dev/kvm", &st) < 0 || !S_ISCHR(st.st_mode) || st.st_gid == 0 ||
        (st.st_mode & (S_IRGRP | S_IWGRP)) != (S_IRGRP | S_IWGRP))
        return false;
    *ret_gid = st.st_gid;
    return true;
}

char *
banger_unit_format_end(int code, int status)
{
    if (code == CLD_EXITED)
        return g_strdup_printf("exited with status %d", status);
    return g_strdup_printf("was killed by signal %d (%s)", status,
                           sigdescr_np(status) != NULL ? sigdescr_np(status) : "unknown");
}
