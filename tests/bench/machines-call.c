/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/compare.h"
#include "bench/machines.h"
#include "util/fd.h"
#include "util/sd-auto.h"
#include "util/settings.h"

#define COW_BYTES ((uint64_t)16 << 20)

/* The members of LaunchFirecracker's dictionary, but for the drives. */
static int
append_launch(sd_bus_message *message, const MachinesNames *names, const char *kernel)
{
    return sd_bus_message_append(
        message, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "binary_path", "s",
        MACHINES_BINARY, "vm_id", "s", names->id, "socket_path", "s", names->api_sock, "log_path",
        "s", names->log, "metrics_path", "s", names->metrics, "kernel_image_path", "s", kernel,
        "kernel_args", "s", "console=ttyS0", "tap_device", "s", names->tap, "vsock_path", "s",
        names->vsock, "vsock_cid", "u", 3u, "vcpu_count", "u", 1u, "memory_mib", "u", 128u);
}

static int
append_drive(sd_bus_message *message, const char *path, bool read_only)
{
    return sd_bus_message_append(message, "{sv}", "drives", "a(ssbb)", 1, "rootfs", path,
                                 (int)read_only, 1);
}

static int
append_network(sd_bus_message *message, const MachinesNames *names)
{
    return sd_bus_message_append(message, "{sv}{sv}{sv}", "network", "(sss)", MACHINES_BRIDGE,
                                 MACHINES_BRIDGE_IP, MACHINES_PREFIX, "guest_ip", "s", names->guest,
                                 "nat", "b", 1);
}

/* Five files of one byte: their size is no matter beside what a file takes. */
static int
append_files(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}{sv}", "fsck", "b", 1, "files", "a(sayu)", 5,
                                 "/file0", 1, 'b', 0u, "/file1", 1, 'b', 0u, "/file2", 1, 'b', 0u,
                                 "/file3", 1, 'b', 0u, "/file4", 1, 'b', 0u);
}

static int
append_root(const Bench *bench, sd_bus_message *message, const MachinesNames *names,
            MachinesKind kind)
{
    g_autofree char *shared = machines_path(bench, "root");
    g_autofree char *base = machines_path(bench, "base.ext4");
    int r;

    if (kind == MACHINES_LEAN)
        return append_drive(message, shared, true);
    r = machines_have_snapshots()
            ? sd_bus_message_append(message, "{sv}{sv}{sv}{sv}{sv}", "rootfs_path", "s", base,
                                    "cow_path", "s", names->cow, "cow_size", "t", COW_BYTES,
                                    "dm_name", "s", names->snapshot, "remove_cow", "b", 1)
            : append_drive(message, names->drive, false);
    return r < 0 ? r : append_files(message);
}

/* Calls @member with the dictionary of the machine @number. */
static bool
call_with_machine(const Bench *bench, sd_bus *bus, const char *member, MachinesKind kind,
                  guint number)
{
    g_autoptr(sd_bus_message) message = NULL;
    g_autofree char *kernel = machines_path(bench, "kernel");
    g_auto(MachinesNames) names = {0};
    int r = sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                           BANGER_INTERFACE, member);

    machines_names(bench, "b", number, &names);
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'a', "{sv}");
    if (r >= 0)
        r = append_launch(message, &names, kernel);
    if (r >= 0)
        r = append_network(message, &names);
    if (r >= 0)
        r = append_root(bench, message, &names, kind);
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    return r >= 0 && sd_bus_message_append(message, "s", "") >= 0 &&
           bench_call_message(bus, message, NULL);
}

bool
machines_create(const Bench *bench, sd_bus *bus, MachinesKind kind, guint number)
{
    return call_with_machine(bench, bus, "CreateMachine", kind, number);
}

bool
machines_destroy(const Bench *bench, sd_bus *bus, MachinesKind kind, guint number)
{
    return call_with_machine(bench, bus, "DestroyMachine", kind, number);
}

bool
machines_launch(const Bench *bench, sd_bus *bus, guint number)
{
    g_autoptr(sd_bus_message) message = NULL;
    g_autofree char *kernel = machines_path(bench, "kernel");
    g_autofree char *shared = machines_path(bench, "root");
    g_auto(MachinesNames) names = {0};
    int r = sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                           BANGER_INTERFACE, "LaunchFirecracker");

    machines_names(bench, "b", number, &names);
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'a', "{sv}");
    if (r >= 0)
        r = append_launch(message, &names, kernel);
    if (r >= 0)
        r = append_drive(message, shared, true);
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    return r >= 0 && sd_bus_message_append(message, "s", "") >= 0 &&
           bench_call_message(bus, message, NULL);
}

bool
machines_kill(const Bench *bench, sd_bus *bus, guint number)
{
    g_auto(MachinesNames) names = {0};

    machines_names(bench, "b", number, &names);
    return bench_call(bus, NULL, "StopMachine", "su", names.id, 0u);
}

bool
machines_prepare(const Bench *bench, MachinesKind kind, guint number)
{
    g_autofree char *base = machines_path(bench, "base.ext4");
    g_auto(MachinesNames) names = {0};

    if (kind == MACHINES_LEAN || machines_have_snapshots())
        return true;
    machines_names(bench, "b", number, &names);
    return bench_run("cp", "--sparse=always", base, names.drive, NULL) &&
           chown(names.drive, bench->owner_uid, bench->owner_gid) == 0;
}
