/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * rig [options] -- COMMAND …
 *
 * Runs COMMAND as root on a machine made of namespaces: with a system bus, polkit and the built
 * helper of its own, its own users, network, /run, /etc and state directory, and a journal that can
 * be read. All of it is gone when the rig ends, also when it is killed. See HACKING.md.
 */
#include "rig/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/fd.h"

#define PREFIX "banger-rig-"

/* How long what runs in the rig has to end when it is asked to, and the bus to come up. */
#define PATIENCE_MSEC 15000

void
rig_require(bool condition, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    if (condition)
        return;
    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    g_printerr("rig: %s\n", message);
    exit(125);
}

/* Without exit(3): a leak checker cannot look at a process that has left its pid namespace. */
static G_GNUC_NORETURN void
leave(int status)
{
    (void)fflush(NULL);
    _exit(status);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    (void)remove(path);
    return 0;
}

static void
remove_directory(const char *directory)
{
    rig_loops_detach(directory);
    (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Opens and locks @directory/lock; -1 if another rig has it. */
static int
lock_directory(const char *directory)
{
    g_autofree char *path = g_build_filename(directory, "lock", NULL);
    banger_autofd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
        return -1;
    return banger_steal_fd(&fd);
}

/* Whether @path is a rig's and no rig has begun to use it just now. */
static bool
is_left_over(const char *name, const char *path)
{
    struct stat st;

    return g_str_has_prefix(name, PREFIX) && stat(path, &st) == 0 && st.st_uid == 0 &&
           st.st_mtime < time(NULL) - 60;
}

/* Removes what rigs that were killed left behind: folders that no process has locked. */
static void
sweep(const char *base)
{
    g_autoptr(GDir) dir = g_dir_open(base, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(base, name, NULL);
        banger_autofd int lock = -1;

        if (!is_left_over(name, path))
            continue;
        lock = lock_directory(path);
        if (lock >= 0)
            remove_directory(path);
    }
}

/* A folder on a disk (not a tmpfs, as /tmp may be), which every user can pass through. */
static char *
make_directory(int *ret_lock)
{
    const char *base = g_getenv("BANGER_RIG_TMPDIR");
    g_autofree char *path = NULL;
    g_autofree char *sanitizer = NULL;

    if (base == NULL)
        base = "/var/tmp";
    sweep(base);
    path = g_build_filename(base, PREFIX "XXXXXX", NULL);
    rig_require(mkdtemp(path) != NULL && chmod(path, 0755) == 0, "mkdtemp %s: %s", path,
                g_strerror(errno));
    *ret_lock = lock_directory(path);
    sanitizer = g_build_filename(path, "sanitizer", NULL);
    rig_require(mkdir(sanitizer, 0755) == 0 && chmod(sanitizer, 01777) == 0, "mkdir %s: %s",
                sanitizer, g_strerror(errno));
    return g_steal_pointer(&path);
}

/*
 * Adds log_path=@directory/sanitizer/report and @more to @name: a report of the helper fails the
 * rig. What the helper is wrapped in may be a debugger, beside which no leak checker works.
 */
static void
set_sanitizer_options(const char *name, const char *directory, const char *more)
{
    const char *old = g_getenv(name);
    g_autofree char *value =
        g_strdup_printf("%s%slog_path=%s/sanitizer/report%s", old == NULL ? "" : old,
                        old == NULL ? "" : ":", directory, more);

    g_setenv(name, value, TRUE);
}

static void
set_environment(const RigOptions *options, const char *directory)
{
    static const char *const sanitizers[] = {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
                                             "UBSAN_OPTIONS"};
    g_autofree char *address = g_strdup_printf("unix:path=%s/bus", directory);

    g_setenv("BANGER_RIG_DIR", directory, TRUE);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", address, TRUE);
    g_unsetenv("DBUS_SESSION_BUS_ADDRESS");
    g_unsetenv("LD_PRELOAD"); /* of a sanitizer, for one: polkitd would not survive it */
    g_setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", TRUE);
    for (size_t i = 0; i < G_N_ELEMENTS(sanitizers); i++)
        set_sanitizer_options(sanitizers[i], directory,
                              options->wrap == NULL ? "" : ":detect_leaks=0");
}

static void
bring_up_loopback(void)
{
    banger_autofd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

    rig_require(ioctl(fd, SIOCSIFFLAGS, &request) == 0, "lo: %s", g_strerror(errno));
}

/* Forks and runs @argv; its output goes to @log if that is not NULL. */
static pid_t
spawn(char **argv, const char *log)
{
    pid_t pid = fork();
    sigset_t none;

    rig_require(pid >= 0, "fork: %s", g_strerror(errno));
    if (pid > 0)
        return pid;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (log != NULL) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
    }
    (void)execvp(argv[0], argv);
    g_printerr("rig: %s: %s\n", argv[0], g_strerror(errno));
    _exit(127);
}

/* Whether a process listens at @path: a socket is there a moment before. */
static bool
is_listening(const char *path)
{
    banger_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    return fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
}

static void
start_bus(const RigOptions *options, const char *directory)
{
    g_autofree char *config = g_strdup_printf("--config-file=%s/bus.conf", directory);
    g_autofree char *log = options->verbose ? NULL : g_build_filename(directory, "log", NULL);
    g_autofree char *socket_path = g_build_filename(directory, "bus", NULL);
    char *argv[] = {(char *)"dbus-daemon", config, (char *)"--nofork", (char *)"--nopidfile", NULL};
    pid_t pid = spawn(argv, log);

    for (int i = 0; i < PATIENCE_MSEC / 10; i++) {
        if (is_listening(socket_path))
            return;
        rig_require(waitpid(pid, NULL, WNOHANG) == 0, "the bus ended: see %s", log);
        g_usleep(10 * 1000);
    }
    rig_require(false, "the bus did not come up");
}

/* Whether /proc/@pid is a banger-helperd, also under strace or valgrind. */
static bool
is_helper(const char *pid)
{
    g_autofree char *path = g_build_filename("/proc", pid, "cmdline", NULL);
    g_autofree char *arguments = NULL;
    gsize length;

    if (!g_ascii_isdigit(pid[0]) || !g_file_get_contents(path, &arguments, &length, NULL))
        return false;
    for (gsize at = 0; at < length; at += strlen(arguments + at) + 1)
        if (g_str_has_suffix(arguments + at, "/banger-helperd"))
            return true;
    return false;
}

/* Sends @signal (0: nothing) to the helpers; whether there are any. */
static bool
signal_helpers(int signal)
{
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    const char *name;
    bool any = false;

    while (proc != NULL && (name = g_dir_read_name(proc)) != NULL) {
        if (!is_helper(name))
            continue;
        any = true;
        (void)kill((pid_t)g_ascii_strtoll(name, NULL, 10), signal);
    }
    return any;
}

/* Lets the helper end as it would on a machine, so that a leak checker has its say. */
static void
stop_helpers(void)
{
    if (!signal_helpers(SIGTERM))
        return;
    for (int i = 0; i < PATIENCE_MSEC / 10; i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        if (!signal_helpers(0))
            return;
        g_usleep(10 * 1000);
    }
    g_printerr("rig: banger-helperd did not end after SIGTERM\n");
}

/* Whether a sanitizer had something to say; prints it. */
static bool
print_sanitizer_reports(const char *directory)
{
    g_autofree char *folder = g_build_filename(directory, "sanitizer", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    bool any = false;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *text = NULL;

        any = true;
        if (g_file_get_contents(path, &text, NULL, NULL))
            g_printerr("%s\n", text);
    }
    return any;
}

static void
print_log(const char *directory)
{
    g_autofree char *path = g_build_filename(directory, "log", NULL);
    g_autofree char *text = NULL;

    if (g_file_get_contents(path, &text, NULL, NULL) && text[0] != '\0')
        g_printerr("---- what the bus and its services said\n%s----\n", text);
}

static void
print_how_to_use(const char *directory, pid_t pid)
{
    (void)printf("The rig stays until Ctrl-C. In another terminal, as root:\n"
                 "  export DBUS_SYSTEM_BUS_ADDRESS=unix:path=%s/bus\n"
                 "  busctl introspect org.banger.Helper1 /org/banger/Helper1\n"
                 "or go in, to see its network and its users too:\n"
                 "  nsenter --target %d --mount --net --pid\n"
                 "  setpriv --reuid banger --regid banger --init-groups busctl call …\n"
                 "Journal: %s/journal.jsonl, output of the services: %s/log\n",
                 directory, (int)pid, directory, directory);
    (void)fflush(stdout);
}

/*
 * Waits for the end of @command, or for a signal that asks the rig to end, and reaps what else
 * ends. Returns the exit status.
 */
static int
wait_for(pid_t command, const sigset_t *signals)
{
    for (;;) {
        int signal = sigwaitinfo(signals, NULL);
        int status;
        pid_t pid;

        if (signal == SIGTERM)
            return 128 + SIGTERM;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            if (pid == command)
                return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

/*
 * The first process of the namespaces; everything in them ends with it. @pid is what this process
 * is called outside.
 */
static int
run_inside(const RigOptions *options, const char *directory, pid_t pid, const sigset_t *signals)
{
    int status = 0;

    rig_mounts_set_up(directory);
    rig_files_install(options, directory);
    bring_up_loopback();
    rig_journal_start(directory);
    set_environment(options, directory);
    start_bus(options, directory);
    if (options->command != NULL)
        status = wait_for(spawn(options->command, NULL), signals);
    if (options->keep && status != 128 + SIGTERM) {
        print_how_to_use(directory, pid);
        (void)wait_for(-1, signals);
    }
    stop_helpers();
    if (print_sanitizer_reports(directory) && status == 0)
        status = 124;
    if (status != 0 && status != 77 && !options->verbose)
        print_log(directory);
    return status;
}

/* Forks the first process of the namespaces. It dies with this one, whatever this one dies of. */
static pid_t
fork_inside(const RigOptions *options, const char *directory, const sigset_t *signals)
{
    int alive[2];
    pid_t pid;

    rig_require(pipe2(alive, O_CLOEXEC) == 0, "pipe: %s", g_strerror(errno));
    rig_require(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC) == 0,
                "namespaces cannot be made: %s (is this root?)", g_strerror(errno));
    pid = fork();
    rig_require(pid >= 0, "fork: %s", g_strerror(errno));
    if (pid > 0) {
        rig_require(write(alive[1], &pid, sizeof pid) == sizeof pid, "write: %s",
                    g_strerror(errno));
        (void)close(alive[0]); /* the other end stays open for as long as this process lives */
        return pid;
    }
    (void)close(alive[1]);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(alive[0], &pid, sizeof pid) != sizeof pid)
        _exit(125);
    (void)close(alive[0]);
    leave(run_inside(options, directory, pid, signals));
}

static int
run(const RigOptions *options)
{
    int lock = -1;
    g_autofree char *directory = NULL;
    sigset_t signals;
    int status;
    pid_t pid;

    (void)umask(022);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    directory = make_directory(&lock);
    pid = fork_inside(options, directory, &signals);
    for (;;) {
        int signal = sigwaitinfo(&signals, NULL);

        if (signal != SIGCHLD && signal > 0)
            (void)kill(pid, SIGTERM);
        if (waitpid(pid, &status, WNOHANG) == pid)
            break;
    }
    remove_directory(directory);
    (void)close(lock);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
main(int argc, char **argv)
{
    RigOptions options = {0};
    g_auto(GStrv) command = NULL;
    g_auto(GStrv) rules = NULL;
    g_auto(GStrv) limits = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("[-- COMMAND …]");
    g_autoptr(GError) error = NULL;
    const GOptionEntry entries[] = {
        {"no-polkitd", 0, 0, G_OPTION_ARG_NONE, &options.no_polkitd, "No polkit on the bus", NULL},
        {"keep", 0, 0, G_OPTION_ARG_NONE, &options.keep, "Stay until Ctrl-C", NULL},
        {"verbose", 0, 0, G_OPTION_ARG_NONE, &options.verbose, "Show what the services say", NULL},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &options.config, "The helper.conf", "FILE"},
        {"rules", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rules, "More polkit rules", "FILE"},
        {"limit", 0, 0, G_OPTION_ARG_STRING_ARRAY, &limits, "A limit of the bus", "NAME=VALUE"},
        {"wrap", 0, 0, G_OPTION_ARG_STRING, &options.wrap, "Start the helper with it", "COMMAND"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &command, NULL, NULL},
        {NULL},
    };

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("rig: %s\n", error->message);
        return 125;
    }
    options.command = command;
    options.rules = rules;
    options.limits = limits;
    rig_require(command != NULL || options.keep, "no command to run");
    rig_require(geteuid() == 0, "must be run by root");
    leave(run(&options));
}
