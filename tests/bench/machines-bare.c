/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/machines.h"
#include "network/link.h"
#include "util/fd.h"
#include "util/sd-auto.h"
#include "util/settings.h"
#include "vmm/jail.h"
#include "vmm/unit-common.h"
#include "vmm/unit-properties.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER SYSTEMD ".Manager"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define TIMEOUT_MS 18000
#define MEMORY_MAX ((uint64_t)256 << 20)
#define FILE_SIZE_MAX ((uint64_t)1 << 30)
#define N_FILES 4

struct MachinesBare {
    const Bench *bench;
    BangerSettings settings;
    BangerMachineOptions options;
    sd_bus *bus;
    unsigned int version; /* of the manager */
    char *job;            /* that is waited for, or NULL */
    bool done;
};

static int
on_job_removed(sd_bus_message *message, void *user_data, sd_bus_error *bus_error)
{
    MachinesBare *bare = user_data;
    const char *job, *result;

    (void)bus_error;
    if (sd_bus_message_read(message, "uoss", NULL, &job, NULL, &result) >= 0 &&
        g_strcmp0(job, bare->job) == 0)
        bare->done = true;
    return 0;
}

MachinesBare *
machines_bare_new(const Bench *bench)
{
    MachinesBare *bare = g_new0(MachinesBare, 1);
    char *version = NULL;
    int r;

    bare->bench = bench;
    bare->settings = (BangerSettings){
        .owner_uid = bench->owner_uid,
        .owner_gid = bench->owner_gid,
        .state_directory = bench->state_directory,
        .runtime_directory = bench->runtime_directory,
        .jail = true,
        .console_to_journal = true,
    };
    bare->options.drive_options = g_array_new(FALSE, FALSE, sizeof(BangerDriveOptions));
    bare->bus = bench_peer_open(0, 0);
    if (bare->bus == NULL) {
        machines_bare_free(bare);
        return NULL;
    }
    r = sd_bus_match_signal(bare->bus, NULL, SYSTEMD, MANAGER_PATH, MANAGER, "JobRemoved",
                            on_job_removed, bare);
    if (r >= 0)
        r = sd_bus_call_method(bare->bus, SYSTEMD, MANAGER_PATH, MANAGER, "Subscribe", NULL, NULL,
                               NULL);
    if (r >= 0)
        r = sd_bus_get_property_string(bare->bus, SYSTEMD, MANAGER_PATH, MANAGER, "Version", NULL,
                                       &version);
    if (r < 0) {
        machines_bare_free(bare);
        return NULL;
    }
    bare->version = (unsigned int)strtoul(version, NULL, 10);
    free(version);
    return bare;
}

void
machines_bare_free(MachinesBare *bare)
{
    sd_bus_flush_close_unref(bare->bus);
    g_array_unref(bare->options.drive_options);
    g_free(bare->job);
    g_free(bare);
}

/* Waits until the job that @reply names was removed. */
static bool
wait_for_job(MachinesBare *bare, sd_bus_message *reply)
{
    const char *job;
    int r = sd_bus_message_read(reply, "o", &job);

    if (r < 0)
        return false;
    g_free(bare->job);
    bare->job = g_strdup(job);
    bare->done = false;
    while (r >= 0 && !bare->done) {
        r = sd_bus_process(bare->bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bare->bus, (uint64_t)TIMEOUT_MS * 1000);
    }
    return bare->done;
}

/*
 * Opens what the VMM is to see in its jail. Log and metrics, which are made, may be written by all:
 * the VMM's user is not known and gets no access of its own.
 */
static bool
open_files(const Bench *bench, const MachinesNames *names, char **paths, BangerVmFile *files)
{
    bool ok = true;

    paths[0] = machines_path(bench, "root");
    paths[1] = machines_path(bench, "kernel");
    paths[2] = g_strdup(names->log);
    paths[3] = g_strdup(names->metrics);
    for (guint i = 0; i < N_FILES; i++) {
        bool writable = i >= 2;

        files[i] = (BangerVmFile){.path = paths[i], .writable = writable, .is_log = writable};
        files[i].fd =
            open(paths[i], writable ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
        ok &= files[i].fd >= 0 && (!writable || fchmod(files[i].fd, 0666) == 0) &&
              fstat(files[i].fd, &files[i].st) == 0;
    }
    return ok;
}

static bool
start_unit(MachinesBare *bare, const BangerUnitSpec *spec)
{
    g_autofree char *unit = g_strconcat(BANGER_UNIT_PREFIX, spec->vm_id, BANGER_UNIT_SUFFIX, NULL);
    g_autoptr(sd_bus_message) message = NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    int r = sd_bus_message_new_method_call(bare->bus, &message, SYSTEMD, MANAGER_PATH, MANAGER,
                                           "StartTransientUnit");

    if (r >= 0)
        r = sd_bus_message_append(message, "ss", unit, "fail");
    if (r >= 0)
        r = banger_unit_append_properties(message, spec, bare->version);
    if (r >= 0)
        r = sd_bus_message_append(message, "a(sa(sv))", 0);
    return r >= 0 && bench_call_message(bare->bus, message, &reply) && wait_for_job(bare, reply);
}

bool
machines_bare_start(MachinesBare *bare, guint number)
{
    BangerVmFile files[N_FILES];
    char *paths[N_FILES];
    g_auto(BangerJail) jail = BANGER_JAIL_INIT;
    g_auto(MachinesNames) names = {0};
    const char *const environment[] = {"BANGER_OP_ID=op-bare", "BANGER_UID=0", NULL};
    bool ok;

    machines_names(bare->bench, "bare", number, &names);
    ok = open_files(bare->bench, &names, paths, files) &&
         banger_jail_name(&bare->settings, names.id, &jail, NULL);
    if (ok) {
        const char *const sockets[] = {names.api_sock, names.vsock, NULL};
        const char *const argv[] = {MACHINES_BINARY, "--api-sock", names.api_sock,
                                    "--id",          names.id,     NULL};

        ok = banger_jail_make_directory(&jail, sockets, NULL) &&
             start_unit(bare, &(BangerUnitSpec){.settings = &bare->settings,
                                                .vm_id = names.id,
                                                .op_id = "op-bare",
                                                .argv = argv,
                                                .environment = environment,
                                                .output_fd = -1,
                                                .files = files,
                                                .n_files = N_FILES,
                                                .jail = &jail,
                                                .options = &bare->options,
                                                .memory_max = MEMORY_MAX,
                                                .tasks_max = 33,
                                                .needs_libraries = true,
                                                .file_size_max = FILE_SIZE_MAX,
                                                .timeout_ms = TIMEOUT_MS});
    }
    for (guint i = 0; i < N_FILES; i++) {
        banger_close_fd(&files[i].fd);
        g_free(paths[i]);
    }
    return ok;
}

bool
machines_bare_boot(MachinesBare *bare, guint number)
{
    g_autofree char *kernel = machines_path(bare->bench, "kernel");
    g_autofree char *root = machines_path(bare->bench, "root");
    g_autofree char *outside = NULL;
    g_auto(MachinesNames) names = {0};

    machines_names(bare->bench, "bare", number, &names);
    outside = g_strdup_printf("%s/" BANGER_JAIL_DIRECTORY "/%s/%s.sock",
                              bare->settings.runtime_directory, names.id, names.id);
    return machines_boot(&names, outside, kernel, root, true, NULL);
}

bool
machines_bare_stop(MachinesBare *bare, guint number)
{
    g_auto(BangerJail) jail = BANGER_JAIL_INIT;
    g_auto(MachinesNames) names = {0};
    g_autofree char *unit = NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    bool ok;

    machines_names(bare->bench, "bare", number, &names);
    unit = g_strconcat(BANGER_UNIT_PREFIX, names.id, BANGER_UNIT_SUFFIX, NULL);
    (void)sd_bus_call_method(bare->bus, SYSTEMD, MANAGER_PATH, MANAGER, "KillUnit", NULL, NULL,
                             "ssi", unit, "all", SIGKILL);
    ok = sd_bus_call_method(bare->bus, SYSTEMD, MANAGER_PATH, MANAGER, "StopUnit", NULL, &reply,
                            "ss", unit, "replace") >= 0 &&
         wait_for_job(bare, reply);
    /* The connection, which has a reference to the unit (AddRef), stays. */
    (void)sd_bus_call_method(bare->bus, SYSTEMD, MANAGER_PATH, MANAGER, "ResetFailedUnit", NULL,
                             NULL, "s", unit);
    (void)sd_bus_call_method(bare->bus, SYSTEMD, MANAGER_PATH, MANAGER, "UnrefUnit", NULL, NULL,
                             "s", unit);
    if (banger_jail_name(&bare->settings, names.id, &jail, NULL) &&
        banger_jail_open_directory(&jail))
        banger_jail_remove_directory(&jail);
    (void)unlink(names.log);
    (void)unlink(names.metrics);
    return ok;
}

/* A persistent TAP of the owner's. */
static bool
make_tap(const Bench *bench, const char *name)
{
    banger_autofd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};

    (void)g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
    return fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0 &&
           ioctl(fd, TUNSETOWNER, (unsigned long)bench->owner_uid) == 0 &&
           ioctl(fd, TUNSETGROUP, (unsigned long)bench->owner_gid) == 0 &&
           ioctl(fd, TUNSETPERSIST, 1L) == 0;
}

bool
machines_bare_network(const Bench *bench, guint number)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, NULL);
    g_auto(MachinesNames) names = {0};
    BangerLink bridge, tap;
    bool found;

    machines_names(bench, "b", number, &names);
    if (netlink == NULL || !make_tap(bench, names.tap) ||
        !banger_link_find(netlink, MACHINES_BRIDGE, &bridge, &found, NULL) || !found ||
        !banger_link_find(netlink, names.tap, &tap, &found, NULL) || !found)
        return false;
    return banger_link_change(netlink, &tap,
                              &(BangerLinkChange){.master = bridge.index, .up = true}, NULL) &&
           banger_link_delete(netlink, tap.index, NULL);
}
