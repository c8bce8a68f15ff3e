/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "vmm/unit-properties.h"

#define APPEND BANGER_UNIT_APPEND

#define SYSTEMD_WITH_LOG_SOCKETS 257 /* which binds journald's into a root directory, unasked */

/*
 * The root directory is a packaged one (BANGER_VM_ROOT), the same for all VMs, which has the mount
 * points and nothing else. Where systemd would have to make more of them an empty tmpfs comes
 * first, so that it makes them there.
 */

/* Appends "/" and the first component of @path, read-only, to the empty file systems, once. */
static void
add_first_component(GPtrArray *places, const char *path)
{
    g_autofree char *first = g_strndup(path, 1 + strcspn(path + 1, "/"));

    for (unsigned int i = 0; i < places->len; i++)
        if (g_str_equal(places->pdata[i], first))
            return;
    g_ptr_array_add(places, g_steal_pointer(&first));
}

static int
append_empty_places(sd_bus_message *message, const BangerUnitSpec *spec)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(g_free);
    int r = banger_unit_open_array(message, "TemporaryFileSystem", "(ss)");

    add_first_component(places, "/run");
    add_first_component(places, "/usr");
    add_first_component(places, spec->settings->state_directory);
    add_first_component(places, spec->settings->runtime_directory);
    add_first_component(places, spec->argv[0]);
    for (unsigned int i = 0; r >= 0 && i < places->len; i++)
        r = sd_bus_message_append(message, "(ss)", places->pdata[i], "ro");
    if (r < 0)
        return r;
    return banger_unit_close_array(message);
}

/*
 * One bind, without what is mounted below: /usr/lib has the very root directory that is being made,
 * which would come once more inside of itself, and systemd's work grows with the square of the
 * mounts. With @optional it need not be there.
 */
static int
append_bind(sd_bus_message *message, const char *source, const char *destination, bool optional)
{
    return sd_bus_message_append(message, "(ssbt)", source, destination, (int)optional,
                                 (uint64_t)0);
}

/* What the VM may open for reading or for writing, each as the very path that it has outside. */
static int
append_files(sd_bus_message *message, const BangerUnitSpec *spec, bool writable)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < spec->n_files; i++)
        if (spec->files[i].writable == writable)
            r = append_bind(message, spec->files[i].path, spec->files[i].path, false);
    return r;
}

static int
append_binds(sd_bus_message *message, const BangerUnitSpec *spec)
{
    static const char *const libraries[] = {"/usr/lib", "/usr/lib64", "/lib", "/lib64"};
    int r = banger_unit_open_array(message, "BindReadOnlyPaths", "(ssbt)");

    for (size_t i = 0; r >= 0 && spec->needs_libraries && i < G_N_ELEMENTS(libraries); i++)
        r = append_bind(message, libraries[i], libraries[i], true);
    if (r < 0)
        return r;
    r = append_bind(message, spec->argv[0], spec->argv[0], false);
    if (r < 0)
        return r;
    r = append_files(message, spec, false);
    if (r < 0)
        return r;
    r = banger_unit_close_array(message);
    if (r < 0)
        return r;
    r = banger_unit_open_array(message, "BindPaths", "(ssbt)");
    if (r < 0)
        return r;
    r = append_bind(message, "/dev/kvm", "/dev/kvm", true);
    if (r < 0)
        return r;
    r = append_bind(message, "/dev/net/tun", "/dev/net/tun", false);
    if (r < 0)
        return r;
    r = append_bind(message, spec->jail->directory, spec->settings->runtime_directory, false);
    if (r < 0)
        return r;
    r = append_bind(message, spec->jail->snapshots, spec->jail->snapshots, false);
    if (r < 0)
        return r;
    r = append_files(message, spec, true);
    if (r < 0)
        return r;
    return banger_unit_close_array(message);
}

int
banger_unit_append_jail(sd_bus_message *message, const BangerUnitSpec *spec,
                        unsigned int systemd_version)
{
    int r = banger_unit_append_groups(message, spec->jail->group);

    APPEND(r, message, "User", "s", spec->jail->user);
    APPEND(r, message, "DynamicUser", "b", 1);
    APPEND(r, message, "PrivateUsers", "b", 1);
    APPEND(r, message, "RootDirectory", "s", BANGER_VM_ROOT);
    APPEND(r, message, "MountAPIVFS", "b", 1);
    APPEND(r, message, "PrivateDevices", "b", 1);
    if (systemd_version >= SYSTEMD_WITH_LOG_SOCKETS)
        APPEND(r, message, "BindLogSockets", "b", 0);
    /* "+": of the root directory, and not of the host. */
    APPEND(r, message, "InaccessiblePaths", "as", 6, "-+/tmp", "-+/var/tmp", "-+/dev/shm",
           "-+/dev/mqueue", "-+/dev/pts", "-+/dev/ptmx");
#ifdef __aarch64__
    /* firecracker reads the caches of the processors below /sys/devices there. */
    APPEND(r, message, "InaccessiblePaths", "as", 8, "-+/sys/block", "-+/sys/bus", "-+/sys/class",
           "-+/sys/dev", "-+/sys/firmware", "-+/sys/fs", "-+/sys/kernel", "-+/sys/module");
#else
    APPEND(r, message, "InaccessiblePaths", "as", 1, "-+/sys");
#endif
    if (r < 0)
        return r;
    r = append_empty_places(message, spec);
    if (r < 0)
        return r;
    return append_binds(message, spec);
}
