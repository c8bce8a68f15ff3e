/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/hooks.h"

#ifdef BANGER_TEST_HOOKS

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/loop.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/worker-protocol.h"

/* Each returns what the system call did: -1 with errno set if it was refused. */

static long
hook_crash(void)
{
    volatile uintptr_t nowhere = 8; /* read at run time, or the compiler objects */

    return *(volatile long *)nowhere;
}

static long
hook_hang(void)
{
    static uint32_t word;

    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static long
eat_memory(void)
{
    size_t total = 0;
    char *block = NULL;

#ifdef __SANITIZE_ADDRESS__ /* with which there is no limit on memory: see set_limits() */
    errno = ENOMEM;
    return -1;
#endif
    while ((block = malloc(16 << 20)) != NULL && total < ((size_t)16 << 30)) {
        memset(block, 1, 16 << 20);
        total += 16 << 20;
    }
    return block == NULL ? -1 : 0;
}

static long
hook_spin(void)
{
    for (volatile unsigned long i = 0;; i++)
        ;
    return 0;
}

static long
hook_lie(uint32_t magic, uint32_t status, uint32_t length)
{
    uint32_t reply[4] = {magic, BANGER_WORKER_VERSION, status, length};

    if (write(BANGER_WORKER_FD_REPLY, reply, sizeof reply) < 0)
        abort();
    _exit(0);
}

static long
lie_magic(void)
{
    return hook_lie(1, BANGER_WORKER_OK, 0);
}

static long
lie_length(void)
{
    return hook_lie(BANGER_WORKER_MAGIC, BANGER_WORKER_OK, UINT32_MAX);
}

static long
lie_short(void)
{
    return hook_lie(BANGER_WORKER_MAGIC, BANGER_WORKER_OK, 1000);
}

static long
lie_status(void)
{
    return hook_lie(BANGER_WORKER_MAGIC, 4711, 0);
}

static long
lie_committing(void)
{
    uint32_t reply[4] = {BANGER_WORKER_MAGIC, BANGER_WORKER_VERSION, BANGER_WORKER_READY, 0};

    if (write(BANGER_WORKER_FD_REPLY, reply, sizeof reply) < 0)
        abort();
    return hook_hang();
}

static long
hook_babble(void)
{
    while (write(BANGER_WORKER_FD_REPLY, "babble\n", 7) == 7)
        ;
    return -1;
}

/* Room on the host's disk that the image does not have: behind its end, or by making it longer. */
static long
probe_allocate(void)
{
    const off_t size = lseek(BANGER_WORKER_FD_IMAGE, 0, SEEK_END), room = 64 << 20;

    if (fallocate(BANGER_WORKER_FD_IMAGE, FALLOC_FL_KEEP_SIZE, size, room) == 0 ||
        fallocate(BANGER_WORKER_FD_IMAGE, FALLOC_FL_KEEP_SIZE, 0, size + room) == 0)
        return 0;
    return fallocate(BANGER_WORKER_FD_IMAGE, FALLOC_FL_INSERT_RANGE, 0, room);
}

/* What libext2fs does with an image that it opens. */
static long
probe_flush(void)
{
    return fsync(BANGER_WORKER_FD_IMAGE);
}

static long
probe_open(void)
{
    return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static long
probe_socket(void)
{
    return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static long
probe_unix_socket(void)
{
    return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}

static long
probe_fork(void)
{
    return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
}

static long
probe_exec(void)
{
    char *const arguments[] = {(char *)"true", NULL};

    return syscall(SYS_execve, "/usr/bin/true", arguments, arguments + 1);
}

static long
probe_write(void)
{
    long highest = -1;

    for (int fd = BANGER_WORKER_FD_IMAGE + 1; fd < 1024; fd++)
        if (write(fd, "x", 1) >= 0)
            highest = fd;
    errno = EBADF;
    return highest;
}

static long
probe_kill(void)
{
    return syscall(SYS_kill, -1, 0);
}

static long
probe_ptrace(void)
{
    return syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
}

static long
probe_mount(void)
{
    return syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL);
}

static long
probe_unshare(void)
{
    return syscall(SYS_unshare, CLONE_NEWUSER);
}

static long
probe_setuid(void)
{
    return syscall(SYS_setresuid, 0, 0, 0);
}

static long
probe_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? -1 : 0;
}

/* As a loop device: without AUTOCLEAR it would outlive everything. */
static long
probe_loop(void)
{
    struct loop_info64 info = {0};

    return ioctl(BANGER_WORKER_FD_IMAGE, LOOP_SET_STATUS64, &info);
}

/* Whoever is the owner of a descriptor is sent a signal when something happens to it. */
static long
probe_signal_owner(void)
{
    return fcntl(BANGER_WORKER_FD_REPLY, F_SETOWN, getppid());
}

static long
probe_signal_number(void)
{
    return fcntl(BANGER_WORKER_FD_REPLY, F_SETSIG, SIGKILL);
}

static long
probe_signal_flag(void)
{
    return fcntl(BANGER_WORKER_FD_REPLY, F_SETFL, O_ASYNC);
}

static void *
sleep_on(void *data)
{
    (void)hook_hang();
    return data;
}

static long
probe_threads(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int status = 0;

    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, 64 << 10);
    for (int i = 0; status == 0 && i < 2000; i++)
        status = pthread_create(&thread, &attributes, sleep_on, NULL);
    errno = status;
    return status == 0 ? 0 : -1;
}

static const struct {
    const char *name;
    long (*run)(void);
} hooks[] = {
    {"babble", hook_babble},
    {"crash", hook_crash},
    {"hang", hook_hang},
    {"lie-committing", lie_committing},
    {"lie-length", lie_length},
    {"lie-magic", lie_magic},
    {"lie-short", lie_short},
    {"lie-status", lie_status},
    {"memory", eat_memory},
    {"probe-allocate", probe_allocate},
    {"probe-code", probe_code},
    {"probe-exec", probe_exec},
    {"probe-flush", probe_flush},
    {"probe-fork", probe_fork},
    {"probe-kill", probe_kill},
    {"probe-loop", probe_loop},
    {"probe-mount", probe_mount},
    {"probe-open", probe_open},
    {"probe-ptrace", probe_ptrace},
    {"probe-setuid", probe_setuid},
    {"probe-signal-flag", probe_signal_flag},
    {"probe-signal-number", probe_signal_number},
    {"probe-signal-owner", probe_signal_owner},
    {"probe-socket", probe_socket},
    {"probe-threads", probe_threads},
    {"probe-unix-socket", probe_unix_socket},
    {"probe-unshare", probe_unshare},
    {"probe-write", probe_write},
    {"spin", hook_spin},
};

bool
banger_hook_run(const char *path, char *answer, size_t size)
{
    if (strncmp(path, BANGER_HOOK_PREFIX, strlen(BANGER_HOOK_PREFIX)) != 0)
        return false;
    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
        long result;

        if (strcmp(path + strlen(BANGER_HOOK_PREFIX), hooks[i].name) != 0)
            continue;
        errno = 0;
        result = hooks[i].run();
        if (result < 0)
            (void)snprintf(answer, size, "refused: %s: errno %d\n", hooks[i].name, errno);
        else
            (void)snprintf(answer, size, "done: %s: %ld\n", hooks[i].name, result);
        return true;
    }
    return false;
}

#else

bool
banger_hook_run(const char *path, char *answer, size_t size)
{
    (void)path;
    (void)answer;
    (void)size;
    return false;
}

#endif
