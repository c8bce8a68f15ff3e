/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/compare.h"
#include "bench/machines.h"

extern char **environ;

#define PROCESSES_MAX 64

/* What is remembered of a machine: its VMM, and the loops of its snapshot. */
typedef struct {
    pid_t vmm;
    char *base_loop;
    char *cow_loop;
} Made;

static Made all_made[PROCESSES_MAX];

static bool
make_bridge(void)
{
    if (bench_run("ip", "link", "show", MACHINES_BRIDGE, NULL))
        return bench_run("ip", "link", "set", MACHINES_BRIDGE, "up", NULL);
    /* Another caller may be first. */
    (void)bench_run("ip", "link", "add", "name", MACHINES_BRIDGE, "type", "bridge", NULL);
    (void)bench_run("ip", "addr", "add", MACHINES_BRIDGE_IP "/" MACHINES_PREFIX, "dev",
                    MACHINES_BRIDGE, NULL);
    return bench_run("ip", "link", "set", MACHINES_BRIDGE, "up", NULL);
}

static bool
make_tap(const Bench *bench, const MachinesNames *names)
{
    g_autofree char *uid = g_strdup_printf("%u", bench->owner_uid);
    g_autofree char *gid = g_strdup_printf("%u", bench->owner_gid);

    return bench_run("ip", "tuntap", "add", "dev", names->tap, "mode", "tap", "user", uid, "group",
                     gid, NULL) &&
           bench_run("ip", "link", "set", names->tap, "master", MACHINES_BRIDGE, NULL) &&
           bench_run("ip", "link", "set", names->tap, "up", NULL);
}

/* One rule: there already, or added; or removed. */
static bool
change_rule(bool enable, const char *table, const char *chain, const char *option, const char *what,
            const char *out, const char *target)
{
    if (!enable)
        return bench_run("iptables", "-w", "-t", table, "-D", chain, option, what, "-o", out, "-j",
                         target, NULL);
    return bench_run("iptables", "-w", "-t", table, "-C", chain, option, what, "-o", out, "-j",
                     target, NULL) ||
           bench_run("iptables", "-w", "-t", table, "-A", chain, option, what, "-o", out, "-j",
                     target, NULL);
}

static bool
change_nat(const MachinesNames *names, bool enable)
{
    g_autofree char *source = g_strconcat(names->guest, "/32", NULL);
    g_autofree char *route = NULL;
    g_autofree char *uplink = NULL;
    const char *dev;

    if (!bench_run_output(&route, "ip", "-4", "route", "show", "default", NULL) ||
        (dev = strstr(route, "dev ")) == NULL ||
        (enable && !bench_run("sysctl", "-w", "net.ipv4.ip_forward=1", NULL)))
        return false;
    dev += strlen("dev ");
    uplink = g_strndup(dev, strcspn(dev, " \n"));
    return change_rule(enable, "nat", "POSTROUTING", "-s", source, uplink, "MASQUERADE") &&
           change_rule(enable, "filter", "FORWARD", "-i", names->tap, uplink, "ACCEPT") &&
           change_rule(enable, "filter", "FORWARD", "-i", uplink, names->tap, "ACCEPT");
}

static bool
make_snapshot(const Bench *bench, const MachinesNames *names, Made *made)
{
    g_autofree char *base = machines_path(bench, "base.ext4");
    g_autofree char *sectors = NULL;
    g_autofree char *table = NULL;

    if (!bench_run("truncate", "-s", "16M", names->cow, NULL) ||
        !bench_run_output(&made->base_loop, "losetup", "-f", "--show", "--read-only", base, NULL) ||
        !bench_run_output(&made->cow_loop, "losetup", "-f", "--show", names->cow, NULL) ||
        !bench_run_output(&sectors, "blockdev", "--getsz", made->base_loop, NULL))
        return false;
    table = g_strdup_printf("0 %s snapshot %s %s P 8", sectors, made->base_loop, made->cow_loop);
    return bench_run("dmsetup", "create", names->snapshot, "--table", table, NULL);
}

/* A process a step, as the reference has it. */
static bool
write_file(const char *image, const char *source, guint i)
{
    g_autofree char *rm = g_strdup_printf("rm /file%u", i);
    g_autofree char *write = g_strdup_printf("write %s /file%u", source, i);
    g_autofree char *mode = g_strdup_printf("set_inode_field /file%u mode 0100644", i);
    g_autofree char *uid = g_strdup_printf("set_inode_field /file%u uid 0", i);
    g_autofree char *gid = g_strdup_printf("set_inode_field /file%u gid 0", i);

    (void)bench_run("debugfs", "-w", "-R", rm, image, NULL); /* it may not be there yet */
    return bench_run("debugfs", "-w", "-R", write, image, NULL) &&
           bench_run("debugfs", "-w", "-R", mode, image, NULL) &&
           bench_run("debugfs", "-w", "-R", uid, image, NULL) &&
           bench_run("debugfs", "-w", "-R", gid, image, NULL);
}

static bool
write_root(const Bench *bench, const char *root)
{
    g_autofree char *source = machines_path(bench, "file");
    bool ok = bench_run("e2fsck", "-fy", root, NULL);

    for (guint i = 0; i < BENCH_FILES && ok; i++)
        ok = write_file(root, source, i);
    return ok;
}

static bool
start_vmm(const Bench *bench, const MachinesNames *names, const char *root, Made *made)
{
    g_autofree char *kernel = machines_path(bench, "kernel");
    char *const argv[] = {(char *)MACHINES_BINARY,
                          (char *)"--api-sock",
                          names->api_sock,
                          (char *)"--id",
                          names->id,
                          NULL};

    (void)unlink(names->api_sock);
    (void)unlink(names->vsock);
    return g_file_set_contents(names->log, "", 0, NULL) &&
           g_file_set_contents(names->metrics, "", 0, NULL) &&
           posix_spawn(&made->vmm, MACHINES_BINARY, NULL, NULL, argv, environ) == 0 &&
           machines_boot(names, names->api_sock, kernel, root, false, names->tap);
}

bool
machines_create_by_processes(const Bench *bench, guint number, double *ret_host_usec)
{
    double start = bench_now();
    Made *made = &all_made[number];
    g_auto(MachinesNames) names = {0};
    g_autofree char *device = NULL;
    const char *root;

    machines_names(bench, "b", number, &names);
    device = g_strconcat("/dev/mapper/", names.snapshot, NULL);
    root = machines_have_snapshots() ? device : names.drive;
    if (!make_bridge() || !make_tap(bench, &names) || !change_nat(&names, true) ||
        (machines_have_snapshots() && !make_snapshot(bench, &names, made)) ||
        !write_root(bench, root))
        return false;
    if (ret_host_usec != NULL)
        *ret_host_usec = bench_now() - start;
    return start_vmm(bench, &names, root, made);
}

bool
machines_destroy_by_processes(const Bench *bench, guint number)
{
    Made *made = &all_made[number];
    g_auto(MachinesNames) names = {0};
    g_autofree char *pid = g_strdup_printf("%d", made->vmm);
    bool ok;

    machines_names(bench, "b", number, &names);
    ok = bench_run("kill", "-KILL", pid, NULL) && waitpid(made->vmm, NULL, 0) == made->vmm &&
         change_nat(&names, false) && bench_run("ip", "link", "del", names.tap, NULL);
    if (ok && machines_have_snapshots())
        ok = bench_run("dmsetup", "remove", names.snapshot, NULL) &&
             bench_run("losetup", "-d", made->cow_loop, NULL) &&
             bench_run("losetup", "-d", made->base_loop, NULL) && unlink(names.cow) == 0;
    g_clear_pointer(&made->base_loop, g_free);
    g_clear_pointer(&made->cow_loop, g_free);
    (void)unlink(names.api_sock);
    (void)unlink(names.vsock);
    /* They are root's, and the helper's next machine would be refused them. */
    (void)unlink(names.log);
    (void)unlink(names.metrics);
    return ok;
}
