/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <mqueue.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake/fake.h"

/*
 * What a guest would try that has taken its VMM over, as the process that the VMM is. The list is
 * also that of docs/trust-model.md.
 */

static pid_t victim;            /* the VMM of another VM */
static const char *victim_name; /* its vm_id, after which its files and sockets are named */
static int report_fd;

/* Says what came of the attempt @what: it succeeded, or failed with errno. */
static void
report(bool reached, const char *what, const char *on)
{
    if (reached)
        (void)dprintf(report_fd, "escape: REACHED %s %s\n", what, on);
    else
        (void)dprintf(report_fd, "escape: refused %s %s (%s)\n", what, on, g_strerror(errno));
}

static void
try_opening(const char *what, const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);

    report(fd >= 0, what, path);
    if (fd >= 0)
        (void)close(fd);
}

static void
try_listing(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    bool reached = false;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        reached |= entry->d_name[0] != '.';
    report(reached, "list", path);
    if (dir != NULL)
        (void)closedir(dir);
}

static void
try_connecting(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));

    (void)g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    report(fd >= 0 && connect(fd, (const struct sockaddr *)&address,
                              path[0] == '@' ? length : sizeof address) == 0,
           "connect", path);
    (void)close(fd);
}

/* Signals, memory and descriptors of the other VMM. */
static void
try_the_other_process(void)
{
    char byte = 0;
    struct iovec local = {&byte, 1};
    struct iovec remote = {(void *)(uintptr_t)0x400000, 1};
    struct rlimit limit = {0, 0};
    int pidfd;

    report(kill(victim, 0) == 0, "signal", "the other VMM");
    report(ptrace(PTRACE_SEIZE, victim, NULL, NULL) == 0, "ptrace", "the other VMM");
    report(process_vm_readv(victim, &local, 1, &remote, 1, 0) >= 0, "read", "the other's memory");
    report(prlimit(victim, RLIMIT_NOFILE, &limit, NULL) == 0, "prlimit", "the other VMM");
    pidfd = (int)syscall(SYS_pidfd_open, victim, 0);
    report(pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0, "pidfd_signal",
           "the other VMM");
    report(pidfd >= 0 && syscall(SYS_pidfd_getfd, pidfd, 0, 0) >= 0, "pidfd_getfd",
           "the other VMM");
    report(setpriority(PRIO_PROCESS, (id_t)victim, 5) == 0, "setpriority", "the other VMM");
    for (size_t i = 0; i < 5; i++) {
        static const char *const names[] = {"mem", "environ", "root/", "fd/0", "cmdline"};
        g_autofree char *path = g_strdup_printf("/proc/%d/%s", victim, names[i]);

        try_opening("open", path, O_RDONLY);
    }
}

/* Files: of the other VM, of the host; and writing to what is only to be read. */
static void
try_files(const FakeState *state)
{
    static const char *const host[] = {
        "/etc/shadow",
        "/etc/passwd",
        "/etc/banger/helper.conf",
        "/root",
        "/home",
        "/boot",
        "/etc/machine-id",
        "/proc/kcore",
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/proc/1/root/etc/passwd",
        "/dev/mem",
        "/dev/loop-control",
        "/dev/loop0",
        "/dev/mapper/control",
        "/dev/sda",
        "/dev/vda",
        "/dev/fuse",
        "/dev/vhost-net",
        "/dev/vhost-vsock",
        "/dev/ptmx",
        "/dev/pts/ptmx",
        "/dev/pts/0",
        "/dev/rtc0",
        "/dev/hugepages/filled",
        "/run/systemd/system",
        "/var/log/journal",
        "/run/log/journal",
        "/run/banger-helper",
        "/usr/bin/busctl",
    };
    static const char *const places[] = {"/",    "/tmp", "/var/tmp", "/dev/shm", "/run", "/usr",
                                         "/etc", "/var", "/dev",     "/sys",     "/proc"};
    static const char *const others[] = {"", ".log", ".metrics", ".data"};
    g_autofree char *directory = g_path_get_dirname(state->kernel);
    char handle[sizeof(struct file_handle) + MAX_HANDLE_SZ] = {0};
    struct file_handle *file = (struct file_handle *)(void *)handle;
    int mount_id;
    int fd;

    for (size_t i = 0; i < G_N_ELEMENTS(host); i++)
        try_opening("open", host[i], O_RDONLY);
    /* The kernel's view of the network name space, which is the host's. */
    try_opening("open", "/proc/self/net/unix", O_RDONLY);
    try_listing("/sys");
    try_listing("/dev/pts");
    try_listing("/home");
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autofree char *path = g_strconcat(directory, "/", victim_name, others[i], NULL);

        try_opening("open", path, O_RDONLY);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = g_build_filename(places[i], "filled", NULL);

        try_opening("create", path, O_WRONLY | O_CREAT);
    }
    {
        g_autofree char *path = g_build_filename(directory, "filled", NULL);
        g_autofree char *sockets = g_path_get_dirname(state->api_sock);
        g_autofree char *socket_file = g_build_filename(sockets, "filled", NULL);
        g_autofree char *snapshots = g_build_filename(directory, ".vm", state->id, "filled", NULL);

        try_opening("create", path, O_WRONLY | O_CREAT);
        try_opening("create", socket_file, O_WRONLY | O_CREAT);
        try_opening("create", snapshots, O_WRONLY | O_CREAT);
        report(mkdir(socket_file, 0700) == 0, "mkdir", socket_file);
        report(unlink(state->api_sock) == 0, "unlink", state->api_sock);
    }
    try_opening("write", state->kernel, O_WRONLY);
    try_opening("write", "/proc/self/exe", O_WRONLY);
    report(chmod(state->kernel, 0777) == 0, "chmod", state->kernel);
    /* A handle of a file that may be opened, changed to be that of another. */
    file->handle_bytes = MAX_HANDLE_SZ;
    if (name_to_handle_at(AT_FDCWD, state->kernel, file, &mount_id, 0) == 0)
        file->f_handle[0] ^= 1;
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    report(open_by_handle_at(fd, file, O_RDONLY) >= 0, "open_by_handle_at", directory);
}

static void
try_sockets(void)
{
    static const char *const paths[] = {
        "/run/dbus/system_bus_socket",
        "/var/run/dbus/system_bus_socket",
        "/run/systemd/private",
        "/run/systemd/journal/stdout",
        "/run/systemd/io.system.ManagedOOM",
        "/run/systemd/userdb/io.systemd.DynamicUser",
        "/run/banger-root/bangerd-root.sock",
        "/run/docker.sock",
    };
    static const char *const datagram[] = {"/run/systemd/journal/socket", "/dev/log",
                                           "/run/systemd/journal/dev-log", "/run/systemd/notify"};
    static const struct {
        int family;
        const char *name;
    } families[] = {
        {AF_INET, "AF_INET"},     {AF_INET6, "AF_INET6"}, {AF_NETLINK, "AF_NETLINK"},
        {AF_PACKET, "AF_PACKET"}, {AF_VSOCK, "AF_VSOCK"}, {AF_ALG, "AF_ALG"},
    };
    g_autofree char *flat = g_strdup_printf("/run/banger/%s.sock", victim_name);
    g_autofree char *own = g_strdup_printf("/run/banger/.vm/%s/%s.sock", victim_name, victim_name);
    g_autofree char *by_proc = g_strdup_printf("/proc/1/root/run/banger/%s.sock", victim_name);

    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
        try_connecting(paths[i], SOCK_STREAM);
    for (size_t i = 0; i < G_N_ELEMENTS(datagram); i++)
        try_connecting(datagram[i], SOCK_DGRAM);
    try_connecting(flat, SOCK_STREAM);
    try_connecting(own, SOCK_STREAM);
    try_connecting(by_proc, SOCK_STREAM);
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
        report(socket(families[i].family, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0, "socket",
               families[i].name);
    try_connecting("@banger-test-abstract", SOCK_STREAM);
}

static void
try_taps(void)
{
    const char *const names[] = {"tap-fc-new", victim_name, "tap-fc-spare", "tap-nobodys"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
        int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

        if (i == 1)
            g_snprintf(request.ifr_name, sizeof request.ifr_name, "tap-fc-%s", names[i]);
        else
            (void)g_strlcpy(request.ifr_name, names[i], sizeof request.ifr_name);
        report(fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0, "attach", request.ifr_name);
        (void)close(fd);
    }
}

/* System calls that firecracker has no use for, with arguments that are good where that matters. */
static void
try_system_calls(void)
{
    static const struct {
        long number;
        const char *name;
        long arguments[5];
    } calls[] = {
        {SYS_io_uring_setup, "io_uring_setup", {1}},
        {SYS_bpf, "bpf", {0}},
        {SYS_perf_event_open, "perf_event_open", {0}},
        {SYS_keyctl, "keyctl", {0, -3, 1}},
        {SYS_add_key, "add_key", {0}},
        {SYS_request_key, "request_key", {0}},
        {SYS_userfaultfd, "userfaultfd", {0}},
        {SYS_unshare, "unshare(user)", {CLONE_NEWUSER}},
        {SYS_unshare, "unshare(mount)", {CLONE_NEWNS}},
        {SYS_unshare, "unshare(net)", {CLONE_NEWNET}},
        {SYS_setns, "setns", {0, 0}},
        {SYS_chroot, "chroot", {(long)"/"}},
        {SYS_mount, "mount", {(long)"none", (long)"/run/banger", (long)"tmpfs"}},
        {SYS_umount2, "umount2", {(long)"/run", MNT_DETACH}},
        {SYS_pivot_root, "pivot_root", {(long)"/", (long)"/"}},
        {SYS_open_tree, "open_tree", {AT_FDCWD, (long)"/", 1}},
        {SYS_fsopen, "fsopen", {(long)"tmpfs"}},
        {SYS_init_module, "init_module", {0}},
        {SYS_kexec_load, "kexec_load", {0}},
        {SYS_reboot, "reboot", {0}},
        {SYS_swapon, "swapon", {(long)"/dev/null"}},
        {SYS_sethostname, "sethostname", {(long)"x", 1}},
        {SYS_clock_settime, "clock_settime", {0}},
        {SYS_acct, "acct", {0}},
        {SYS_syslog, "syslog", {10}},
        {SYS_personality, "personality", {0x40000}},
        {SYS_setuid, "setuid(0)", {0}},
        {SYS_setgid, "setgid(0)", {0}},
        {SYS_setgroups, "setgroups", {0, 0}},
        {SYS_mknod, "mknod", {(long)"/run/banger/node", S_IFBLK | 0600, 0x800}},
    };
    struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY};
    void *page;

    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
        report(syscall(calls[i].number, calls[i].arguments[0], calls[i].arguments[1],
                       calls[i].arguments[2], calls[i].arguments[3], calls[i].arguments[4]) >= 0,
               "call", calls[i].name);
    report(setrlimit(RLIMIT_CORE, &core) == 0, "setrlimit", "a core dump");
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    report(page != MAP_FAILED, "mmap", "memory to write and execute");
}

/* Its own files, which it may write, to be more than the host has room for. */
static void
try_growing(const FakeState *state)
{
    const off_t huge = (off_t)1 << 40;
    g_autofree char *directory = g_path_get_dirname(state->kernel);
    g_autofree char *drive = g_strconcat(directory, "/", state->id, ".data", NULL);
    int fd = open(drive, O_RDWR | O_CLOEXEC);

    (void)signal(SIGXFSZ, SIG_IGN);
    report(ftruncate(report_fd, huge) == 0, "grow", "its log");
    report(fd < 0 || ftruncate(fd, huge) == 0, "grow", "its drive");
    report(pwrite(fd, "x", 1, huge) == 1, "write beyond the end of", "its drive");
    report(fallocate(fd, 0, huge, 4096) == 0, "fallocate", "its drive");
    report(fchmod(fd, 0666) == 0, "chmod", "its drive");
    (void)close(fd);
}

/* What processes share that have neither a file nor a socket in common. */
static void
try_ipc(void)
{
    const int flags = IPC_CREAT | 0666;

    report(mq_open("/banger-escape", O_RDWR | O_CREAT, 0666, NULL) >= 0, "mq_open", "a queue");
    report(msgget(0x62616e67, flags) >= 0, "msgget", "a queue");
    report(semget(0x62616e67, 1, flags) >= 0, "semget", "a semaphore");
    report(shmget(0x62616e67, 4096, flags) >= 0, "shmget", "memory");
    report(shmat(0, NULL, SHM_RDONLY) != (void *)-1, "shmat", "memory");
}

/* Memory that was written is not executed, and nothing runs before everybody else. */
static void
try_code(void)
{
    const struct sched_param first = {1};
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    report(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0, "mprotect", "memory to execute");
    report(sched_setscheduler(0, SCHED_FIFO, &first) == 0, "sched_setscheduler", "real time");
    report(execl("/usr/bin/su", "su", NULL) == 0, "execute", "/usr/bin/su");
}

void
fake_escape(const FakeState *state, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 2);

    report_fd = state->log_fd;
    victim_name = words[0];
    victim = words[0] != NULL && words[1] != NULL ? atoi(words[1]) : 0;
    if (victim <= 1)
        return;
    try_the_other_process();
    try_files(state);
    try_sockets();
    try_taps();
    try_system_calls();
    try_growing(state);
    try_ipc();
    try_code();
    (void)dprintf(report_fd, "escape: end\n");
}
