/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <glib.h>

#include "util/settings.h"
#include "vmm/vm-file.h"

/*
 * Processes, each referred to by a pidfd (pidfd_open(2)) and one open descriptor of its /proc/PID.
 * Both stand for the one process they were opened for: when the pid is given to another one, reads
 * fail and signals reach no process.
 */
typedef struct {
    pid_t pid;
    int pidfd;
    int directory; /* of /proc/PID */
} BangerProcess;

#define BANGER_PROCESS_INIT                                                                        \
    {                                                                                              \
        0, -1, -1                                                                                  \
    }

/* The most bytes of a command line that are read. One that is longer names no socket of ours. */
#define BANGER_COMMAND_LINE_MAX 8192

/*
 * Opens the process @pid. Errors: NotFound if there is none; NotManaged for 0, 1, a number that is
 * no pid ("negative"), the calling process, and the id of a thread.
 */
bool banger_process_open(uint32_t pid, BangerProcess *ret_process, GError **error);

/* Closes the descriptors of @process. */
void banger_process_close(BangerProcess *process);

/* Returns @process with its descriptors, and leaves it without. */
static inline BangerProcess
banger_process_steal(BangerProcess *process)
{
    BangerProcess stolen = *process;

    *process = (BangerProcess)BANGER_PROCESS_INIT;
    return stolen;
}

/*
 * The one function that decides whether @process is a virtual machine monitor of the project's,
 * which it is if
 *
 *  - its cgroup is /banger.slice/banger-vm-<vm_id>.service: only systemd, asked by root, puts a
 *    process there; or
 *  - its program is one that banger_executable_resolve() would accept, its command line is such as
 *    firecracker takes (its options and nothing else) with an --api-sock below the runtime
 *    directory, and all its user ids are one: root or the owner. That is what a process looks like
 *    that the helper started where there is no systemd, and the kernel keeps it so for a helper
 *    that was started later. The name of the process and the text of its command line alone prove
 *    nothing: anyone can set those.
 *
 * Errors: NotManaged, saying why not; NotFound if it has ended, a zombie included; OperationFailed
 * if that cannot be seen.
 */
bool banger_process_check_ours(const BangerProcess *process, const BangerSettings *settings,
                               GError **error);

/* Sends @signal by pidfd_send_signal(2). Errors: NotFound if it has ended meanwhile. */
bool banger_process_signal(const BangerProcess *process, int signal, GError **error);

/* Waits until @process has ended (a zombie has) for at most @timeout_ms. Whether it has. */
bool banger_process_wait_end(const BangerProcess *process, int timeout_ms);

/* Whether @uid is one that a VMM outside of a jail runs as: root, or the owner. */
bool banger_process_is_vmm_uid(const BangerSettings *settings, uid_t uid);

/*
 * Whether the process @pid runs as a user that a VMM runs as (root, the owner),
 * or in a unit of the project's, or that cannot be seen for want of descriptors or memory. No other
 * command line is to be read: the kernel takes the memory map's lock for that, which a process can
 * keep locked for as long as it likes (by a page of a file system of its own, FUSE, that does not
 * answer), and the reader cannot give up waiting.
 */
bool banger_process_may_be_vmm(const BangerSettings *settings, pid_t pid);

/* The vm_id if @process is in the unit of a VM, else NULL. Free with g_free(). */
char *banger_process_vm_id(const BangerProcess *process);

/* Whether @pid is that of a process in the unit of a VM, by one file. */
bool banger_process_is_in_unit(pid_t pid);

/*
 * *@ret_running says whether @pid is a process (not a thread) that has not ended, and, if @api_sock
 * is not empty, one that may be a VMM with an argument that is @api_sock or --api-sock=@api_sock.
 * Two system calls for most answers of "no", six for a "yes". No process is no error. Errors:
 * OperationFailed if it cannot be known, for want of descriptors for one.
 */
bool banger_process_is_running(const BangerSettings *settings, uint32_t pid, const char *api_sock,
                               bool *ret_running, GError **error);

/*
 * Checks that of regular files and block devices @process has open none but the @n_allowed in
 * @allowed (device and inode number count), and each of the first @n_required of them. Files
 * without a name, such as a guest's memory in a memfd, do not count. Errors: NotManaged.
 */
bool banger_process_check_files(const BangerProcess *process, const BangerVmFile *allowed,
                                size_t n_allowed, size_t n_required, GError **error);

#ifdef BANGER_TEST_HOOKS
/*
 * Called, where a test has set it, between the steps that a reused pid could come between: "opened"
 * when there is a pidfd and /proc/PID was not opened yet, "checked" before a signal is sent.
 */
extern void (*banger_process_test_hook)(const char *step, pid_t pid);
#endif

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerProcess, banger_process_close)
