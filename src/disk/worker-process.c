/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/worker-process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk/check-progress.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/spawning.h"
#include "util/user.h"
#include "util/worker-protocol.h"

#define PIPE_SIZE (1 << 20)
#define PIPE_SIZE_DEFAULT ((size_t)64 << 10)

/* Its user, looked up once; a user that does not exist yet is looked for again. */
bool
banger_worker_find_user(const BangerSettings *settings, uid_t *ret_uid, gid_t *ret_gid,
                        GError **error)
{
    static GMutex lock;
    static uid_t known_uid;
    static gid_t known_gid;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);

    if (known_uid == 0) {
        g_autoptr(GError) failure = NULL;
        uid_t uid = 0;
        gid_t gid = 0;

        if (!banger_user_find(BANGER_WORKER_USER, &uid, &gid, &failure))
            return banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED,
                                    "images are handled as a user of their own: %s",
                                    failure->message);
        if (uid == 0 || gid == 0 || uid == settings->owner_uid)
            return banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED,
                                    "the user " BANGER_WORKER_USER
                                    ", which images are handled as, must be neither root nor %s",
                                    settings->owner_user);
        known_uid = uid;
        known_gid = gid;
    }
    *ret_uid = known_uid;
    *ret_gid = known_gid;
    return true;
}

static const char *
find_program(void)
{
#ifdef BANGER_TEST_HOOKS
    const char *path = g_getenv("BANGER_IMAGE_WORKER");

    if (path != NULL)
        return path;
#endif
    return BANGER_LIBEXECDIR "/banger-image-worker";
}

bool
banger_worker_check_programs(bool fsck, GError **error)
{
    const char *const programs[] = {find_program(), fsck ? BANGER_E2FSCK : find_program()};

    for (size_t i = 0; i < G_N_ELEMENTS(programs); i++)
        if (access(programs[i], X_OK) < 0)
            return banger_set_errno(error, BANGER_ERROR_NOT_SUPPORTED, errno, "this host lacks %s",
                                    programs[i]);
    return true;
}

void
banger_worker_set_timeout(BangerWorker *worker, gint64 timeout_usec)
{
#ifdef BANGER_TEST_HOOKS
    /* The tests do not wait for a worker that hangs as long as callers must. */
    const char *msec = g_getenv("BANGER_IMAGE_TIMEOUT_MSEC");

    if (msec != NULL)
        timeout_usec = g_ascii_strtoll(msec, NULL, 10) * 1000;
#endif
    worker->deadline_usec = g_get_monotonic_time() + timeout_usec;
}

/*
 * posix_spawn(3) shares the address space until the exec and runs nothing of ours in between, which
 * is what a process with many threads needs, and is cheap however large this one is. The order of
 * the duplications matters: none may overwrite a descriptor that is still to be duplicated.
 */
static int
spawn_process(pid_t *ret_pid, char *const arguments[], int request, int reply, int image)
{
    char *const environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;
    uint64_t ticket;
    int status;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    (void)sigfillset(&signals);
    (void)posix_spawnattr_setsigdefault(&attributes, &signals);
    (void)sigemptyset(&signals);
    (void)posix_spawnattr_setsigmask(&attributes, &signals);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    status = posix_spawn_file_actions_adddup2(&actions, request, BANGER_WORKER_FD_REQUEST);
    if (status == 0)
        status = posix_spawn_file_actions_adddup2(&actions, reply, BANGER_WORKER_FD_REPLY);
    if (status == 0 && image >= 0)
        status = posix_spawn_file_actions_adddup2(&actions, image, BANGER_WORKER_FD_IMAGE);
    if (status == 0)
        status =
            posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    /* The exec would close them too, but posix_spawn() returns a moment before that. */
    if (status == 0)
        status = posix_spawn_file_actions_addclosefrom_np(
            &actions, image >= 0 ? BANGER_WORKER_FD_IMAGE + 1 : BANGER_WORKER_FD_IMAGE);
    ticket = banger_spawning_begin();
    if (status == 0)
        status = posix_spawn(ret_pid, arguments[0], &actions, &attributes, arguments, environment);
    banger_spawning_end(ticket);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return status;
}

/* A descriptor of ours that is above those that the worker gets: duplicating cannot collide. */
static bool
lift_fd(int *fd)
{
    int lifted;

    if (*fd > BANGER_WORKER_FD_IMAGE)
        return true;
    lifted = fcntl(*fd, F_DUPFD_CLOEXEC, BANGER_WORKER_FD_IMAGE + 1);
    if (lifted < 0)
        return false;
    banger_close_fd(fd);
    *fd = lifted;
    return true;
}

static bool
make_channels(int request[2], int reply[2])
{
    /* A socket, since a pipe whose reader is gone would signal SIGPIPE. [0] is the worker's. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, request) < 0)
        return false;
    if (pipe2(reply, O_CLOEXEC) < 0 || !lift_fd(&request[0]) || !lift_fd(&reply[1]))
        return false;
    return fcntl(request[1], F_SETFL, O_NONBLOCK) == 0 && fcntl(reply[0], F_SETFL, O_NONBLOCK) == 0;
}

bool
banger_worker_spawn(BangerWorker *worker, uid_t uid, gid_t gid, const char *command, int image_fd,
                    GError **error)
{
    int request[2] = {-1, -1}, reply[2] = {-1, -1};
    g_autofree char *uid_text = g_strdup_printf("%u", uid);
    g_autofree char *gid_text = g_strdup_printf("%u", gid);
    g_autofree char *parent = g_strdup_printf("%d", getpid());
    char *arguments[] = {(char *)find_program(), (char *)command, uid_text, gid_text, parent, NULL};
    banger_autofd int image = -1;
    int status = 0;

    if (image_fd >= 0)
        image = fcntl(image_fd, F_DUPFD_CLOEXEC, BANGER_WORKER_FD_IMAGE + 1);
    if ((image_fd >= 0 && image < 0) || !make_channels(request, reply))
        status = errno;
    if (status == 0)
        status = spawn_process(&worker->pid, arguments, request[0], reply[1], image);
    banger_close_fd(&request[0]);
    banger_close_fd(&reply[1]);
    worker->request = request[1];
    worker->reply = reply[0];
    if (status != 0) {
        worker->pid = 0;
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, status, "cannot start %s",
                                arguments[0]);
    }
    /* Not reaped before banger_worker_wait(): the number cannot be another process's. */
    worker->pidfd = (int)syscall(SYS_pidfd_open, worker->pid, 0);
    if (worker->pidfd < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot watch the image worker");
    return true;
}

bool
banger_worker_start(BangerWorker *worker, const BangerSettings *settings, const char *command,
                    int image_fd, gint64 timeout_usec, GError **error)
{
    uid_t uid = 0;
    gid_t gid = 0;

    if (!banger_worker_find_user(settings, &uid, &gid, error) ||
        !banger_worker_slot_take(BANGER_WORKER_SLOT_E2FSCK, worker->job, timeout_usec, error))
        return false;
    worker->slot = BANGER_WORKER_SLOT_E2FSCK;
    if (!banger_worker_spawn(worker, uid, gid, command, image_fd, error))
        return false;
    banger_worker_set_timeout(worker, timeout_usec);
    return true;
}

static bool
check_time(const BangerWorker *worker, GError **error)
{
    return g_get_monotonic_time() < worker->deadline_usec ||
           banger_set_error(error, BANGER_ERROR_TIMEOUT,
                            "the image worker was not done in time and was killed");
}

/*
 * Waits until one of the two @fds (the second's fd may be -1) is ready. False, with @error, when
 * the worker's time is over, or its job was cancelled.
 */
static bool
wait_ready(const BangerWorker *worker, struct pollfd fds[2], GError **error)
{
    BangerJob *job = worker->goes_through ? NULL : worker->job;
    struct pollfd all[] = {fds[0], fds[1], {.fd = banger_job_get_cancel_fd(job), .events = POLLIN}};

    for (;;) {
        gint64 left_usec = worker->deadline_usec - g_get_monotonic_time();
        int ready;

        if (!banger_job_check(job, error) || !check_time(worker, error))
            return false;
        ready = poll(all, G_N_ELEMENTS(all),
                     left_usec <= 0 ? 0 : (int)MIN(left_usec / 1000 + 1, G_USEC_PER_SEC));
        fds[0].revents = all[0].revents;
        fds[1].revents = all[1].revents;
        if (ready > 0 && (fds[0].revents | fds[1].revents) != 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                    "cannot wait for the image worker");
    }
}

/* Takes @n bytes off the front of @parts; returns how many parts, empty ones too, are done with. */
static size_t
skip_sent(struct iovec *parts, size_t n_parts, size_t n)
{
    size_t done = 0;

    while (done < n_parts && n >= parts[done].iov_len) {
        n -= parts[done].iov_len;
        done++;
    }
    if (done < n_parts) {
        parts[done].iov_base = (char *)parts[done].iov_base + n;
        parts[done].iov_len -= n;
    }
    return done;
}

/* sendmsg(2), with the @n_fds descriptors at @fds. */
static ssize_t
send_message(int socket, struct iovec *parts, size_t n_parts, const int *fds, size_t n_fds)
{
    union {
        struct cmsghdr header; /* for its alignment */
        char buffer[CMSG_SPACE((1 + BANGER_WORKER_DESCRIPTORS_MAX) * sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = MIN(n_parts, 64)};

    if (n_fds > 0) {
        message.msg_control = control.buffer;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

/* Waits until the worker reads on. *@ret_gone: it answers instead, and does not want the rest. */
static bool
wait_writable(BangerWorker *worker, bool *ret_gone, GError **error)
{
    struct pollfd fds[] = {{.fd = worker->request, .events = POLLOUT},
                           {.fd = worker->reply, .events = POLLIN}};

    if (!wait_ready(worker, fds, error))
        return false;
    *ret_gone = fds[1].revents != 0;
    return true;
}

bool
banger_worker_send(BangerWorker *worker, const int *fds, size_t n_fds, struct iovec *parts,
                   size_t n_parts, GError **error)
{
    bool gone = false;

    while (n_parts > 0 && !gone) {
        ssize_t n = send_message(worker->request, parts, n_parts, fds, n_fds);
        size_t done = n >= 0 ? skip_sent(parts, n_parts, (size_t)n) : 0;

        parts += done;
        n_parts -= done;
        n_fds = n >= 0 ? 0 : n_fds; /* they are sent once */
        if (n >= 0 || errno == EINTR)
            continue;
        gone = errno == EPIPE || errno == ECONNRESET;
        if (errno == EAGAIN && !wait_writable(worker, &gone, error))
            return false;
        if (errno != EAGAIN && !gone)
            return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                    "cannot talk to the image worker");
    }
    return true;
}

void
banger_worker_send_go(BangerWorker *worker)
{
    /* A worker that is gone answers no more: the next wait says so. */
    (void)send(worker->request, "", 1, MSG_NOSIGNAL);
}

/* Reads what is there, at most @length bytes; 0 at the end of file. */
static bool
receive_some(BangerWorker *worker, void *buffer, size_t length, size_t *ret_n, GError **error)
{
    struct pollfd fds[] = {{.fd = worker->reply, .events = POLLIN}, {.fd = -1}};

    for (;;) {
        ssize_t n = read(worker->reply, buffer, length);

        if (n >= 0) {
            *ret_n = (size_t)n;
            return true;
        }
        if (errno == EAGAIN) {
            if (!wait_ready(worker, fds, error))
                return false;
        } else if (errno != EINTR) {
            return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                    "cannot listen to the image worker");
        }
    }
}

/* Blocks until the process is gone; it is dying, or has been killed. */
static int
reap_worker(BangerWorker *worker)
{
    int status = 0;

    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    worker->pid = 0;
    return status;
}

static bool
judge_end(int status, int *ret_status, GError **error)
{
    const char *words = WIFSIGNALED(status) ? sigdescr_np(WTERMSIG(status)) : NULL;

    if (WIFEXITED(status)) {
        *ret_status = WEXITSTATUS(status);
        return true;
    }
    if (WTERMSIG(status) == SIGSYS)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "the image worker was killed: it made a system call that its "
                                "sandbox does not allow");
    return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                            "the image worker was killed by signal %d (%s)", WTERMSIG(status),
                            words != NULL ? words : "real-time");
}

bool
banger_worker_wait(BangerWorker *worker, int *ret_status, GError **error)
{
    struct pollfd fds[] = {{.fd = worker->pidfd, .events = POLLIN}, {.fd = -1}};

    banger_close_fd(&worker->request);
    if (!wait_ready(worker, fds, error))
        return false;
    return judge_end(reap_worker(worker), ret_status, error);
}

/* The worker closed its end early: how it ended says why. */
static bool
explain_silence(BangerWorker *worker, GError **error)
{
    int status = 0;

    return banger_worker_wait(worker, &status, error) &&
           banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                            "the image worker ended with status %d and without an answer", status);
}

bool
banger_worker_receive(BangerWorker *worker, void *buffer, size_t length, GError **error)
{
    char *to = buffer;
    size_t n = 0;

    if (length > PIPE_SIZE_DEFAULT)
        (void)fcntl(worker->reply, F_SETPIPE_SZ, PIPE_SIZE);
    while (length > 0) {
        if (!receive_some(worker, to, length, &n, error))
            return false;
        if (n == 0)
            return explain_silence(worker, error);
        to += n;
        length -= n;
    }
    return true;
}

/* Reads what e2fsck reports, if it does. */
static void
receive_progress(BangerWorker *worker, BangerCheckProgress *progress)
{
    char buffer[4096];
    ssize_t n = read(worker->request, buffer, sizeof buffer);

    if (n > 0 && banger_check_progress_add(progress, buffer, (size_t)n))
        banger_job_set_progress(worker->job, progress->done);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        banger_close_fd(&worker->request);
}

bool
banger_worker_receive_check(BangerWorker *worker, size_t max, GString *ret_text, GError **error)
{
    BangerCheckProgress progress = {0};
    char buffer[4096];
    size_t n = 1;

    while (n > 0) {
        struct pollfd fds[] = {{.fd = worker->reply, .events = POLLIN},
                               {.fd = worker->request, .events = POLLIN}};

        if (!wait_ready(worker, fds, error))
            return false;
        if (fds[1].revents != 0)
            receive_progress(worker, &progress);
        if (fds[0].revents == 0)
            continue;
        if (!receive_some(worker, buffer, sizeof buffer, &n, error))
            return false;
        g_string_append_len(ret_text, buffer, (gssize)n);
        if (ret_text->len > max)
            g_string_erase(ret_text, 0, (gssize)(ret_text->len - max));
    }
    return true;
}

void
banger_worker_clear(BangerWorker *worker)
{
    if (worker->pid > 0) {
        (void)kill(worker->pid, SIGKILL); /* our child, not reaped: the number is its own */
        (void)reap_worker(worker);
    }
    banger_close_fd(&worker->pidfd);
    banger_close_fd(&worker->request);
    banger_close_fd(&worker->reply);
    banger_worker_slot_leave(worker->slot);
    worker->slot = BANGER_WORKER_SLOT_NONE;
}
