/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/object-signals.h"

#include "bus/object-private.h"
#include "util/sd-auto.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

void
banger_object_signal_added(BangerObjects *objects, BangerObjectKind kind, const char *name,
                           BangerInventory *inventory)
{
    g_autofree char *path = banger_object_path(kind, name);
    BangerInventory *before = objects->current;

    objects->current = inventory;
    (void)sd_bus_emit_object_added(objects->bus, path);
    objects->current = before;
}

void
banger_object_signal_removed(BangerObjects *objects, BangerObjectKind kind, const char *name)
{
    g_autofree char *path = banger_object_path(kind, name);

    /* By hand: sd-bus says only of an object that it can still find what interfaces it had. */
    (void)sd_bus_emit_signal(objects->bus, BANGER_OBJECT_PATH, "org.freedesktop.DBus.ObjectManager",
                             "InterfacesRemoved", "oas", path, 4, "org.freedesktop.DBus.Peer",
                             "org.freedesktop.DBus.Introspectable", PROPERTIES,
                             banger_object_interface(kind));
}

void
banger_object_signal_machine(BangerObjects *objects, const char *vm_id, const char *state,
                             pid_t leader)
{
    g_autofree char *path = banger_object_path(BANGER_OBJECT_MACHINE, vm_id);

    (void)sd_bus_emit_signal(objects->bus, path, PROPERTIES, "PropertiesChanged", "sa{sv}as",
                             banger_object_interface(BANGER_OBJECT_MACHINE), 2, "State", "s", state,
                             "Leader", "u", (uint32_t)leader, 0);
}

void
banger_object_signal_snapshot(BangerObjects *objects, const char *name, const char *state)
{
    g_autofree char *path = banger_object_path(BANGER_OBJECT_SNAPSHOT, name);

    (void)sd_bus_emit_signal(objects->bus, path, PROPERTIES, "PropertiesChanged", "sa{sv}as",
                             banger_object_interface(BANGER_OBJECT_SNAPSHOT), 1, "State", "s",
                             state, 0);
}

void
banger_object_signal_job(BangerObjects *objects, const BangerJobInfo *job)
{
    g_autofree char *path = banger_object_path(BANGER_OBJECT_JOB, job->name);

    (void)sd_bus_emit_signal(objects->bus, path, PROPERTIES, "PropertiesChanged", "sa{sv}as",
                             banger_object_interface(BANGER_OBJECT_JOB), 2, "Progress", "d",
                             job->progress, "Step", "s", job->step, 0);
}

void
banger_object_signal_exited(BangerObjects *objects, const char *vm_id, const char *result,
                            int status)
{
    (void)sd_bus_emit_signal(objects->bus, BANGER_OBJECT_PATH, BANGER_INTERFACE, "MachineExited",
                             "ssi", vm_id, result, status);
}

void
banger_object_signal_filling(BangerObjects *objects, const char *name, uint64_t used_bytes,
                             uint64_t size_bytes)
{
    (void)sd_bus_emit_signal(objects->bus, BANGER_OBJECT_PATH, BANGER_INTERFACE, "SnapshotFilling",
                             "stt", name, used_bytes, size_bytes);
}
