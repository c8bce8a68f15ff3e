/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sys/socket.h>

#include "vmm/unit-properties.h"

#define APPEND BANGER_UNIT_APPEND

/* What a console may write: after so many lines in the interval journald drops the rest of it. */
#define LOG_INTERVAL_USEC ((uint64_t)30 * G_USEC_PER_SEC)
#define LOG_BURST 1000u

#define ASYNC_TASKS 256u /* io_uring(7) has the kernel's threads counted as the VMM's */

/* Whether a drive is read and written by way of io_uring(7). */
static bool
has_async_drive(const BangerMachineOptions *options)
{
    for (unsigned int i = 0; i < options->drive_options->len; i++)
        if (g_str_equal(g_array_index(options->drive_options, BangerDriveOptions, i).io_engine,
                        "Async"))
            return true;
    return false;
}

/*
 * firecracker asks for mincore(2) with a balloon, and installs filters of its own, by seccomp(2).
 * A call that is not listed fails, with the error of a call that is not allowed.
 */
static int
append_system_calls(sd_bus_message *message, const BangerMachineOptions *options)
{
    int r = 0;

    APPEND(r, message, "SystemCallArchitectures", "as", 1, "native");
    APPEND(r, message, "SystemCallFilter", "(bas)", 1, 3, "@system-service", "mincore", "seccomp");
    APPEND(r, message, "SystemCallFilter", "(bas)", 0, 10, "@privileged", "@keyring", "@resources",
           "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "bpf",
           "io_uring_setup", "perf_event_open");
    /* The host's message queues, semaphores and shared memory (sysvipc(7), mq_overview(7)). */
    APPEND(r, message, "SystemCallFilter", "(bas)", 0, 13, "mq_open", "mq_unlink", "msgctl",
           "msgget", "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat",
           "shmctl", "shmget");
    if (has_async_drive(options))
        APPEND(r, message, "SystemCallFilter", "(bas)", 1, 1, "io_uring_setup");
    APPEND(r, message, "SystemCallErrorNumber", "i", (int32_t)EPERM);
    return r;
}

/* An address of @family, and a prefix of no bit. */
static int
append_all_addresses(sd_bus_message *message, int family, size_t length)
{
    static const uint8_t none[16] = {0};
    int r = sd_bus_message_open_container(message, 'r', "iayu");

    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "i", family);
    if (r < 0)
        return r;
    r = sd_bus_message_append_array(message, 'y', none, length);
    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "u", 0u);
    if (r < 0)
        return r;
    return sd_bus_message_close_container(message);
}

/* IPAddressDeny=any: a(iayu), all addresses of each family. */
static int
append_no_network(sd_bus_message *message)
{
    int r = banger_unit_open_array(message, "IPAddressDeny", "(iayu)");

    if (r < 0)
        return r;
    r = append_all_addresses(message, AF_INET, 4);
    if (r < 0)
        return r;
    r = append_all_addresses(message, AF_INET6, 16);
    if (r < 0)
        return r;
    return banger_unit_close_array(message);
}

int
banger_unit_append_limits(sd_bus_message *message, const BangerUnitSpec *spec)
{
    const BangerMachineOptions *options = spec->options;
    uint64_t async_tasks = has_async_drive(options) ? ASYNC_TASKS : 0;
    int r = append_system_calls(message, options);

    if (r < 0)
        return r;
    r = append_no_network(message);
    APPEND(r, message, "MemoryMax", "t",
           options->has_memory_max ? options->memory_max : spec->memory_max);
    APPEND(r, message, "TasksMax", "t",
           options->has_tasks_max ? options->tasks_max : spec->tasks_max + async_tasks);
    if (options->has_cpu_weight)
        APPEND(r, message, "CPUWeight", "t", options->cpu_weight);
    if (options->has_cpu_quota_usec)
        APPEND(r, message, "CPUQuotaPerSecUSec", "t", options->cpu_quota_usec);
    if (options->has_io_weight)
        APPEND(r, message, "IOWeight", "t", options->io_weight);
    APPEND(r, message, "LimitCORE", "t", (uint64_t)0);
    APPEND(r, message, "LimitFSIZE", "t", spec->file_size_max);
    /* A console's text has no levels, and is not taken for anything else's. */
    APPEND(r, message, "SyslogIdentifier", "s", "banger-console");
    APPEND(r, message, "SyslogLevelPrefix", "b", 0);
    APPEND(r, message, "LogRateLimitIntervalUSec", "t", LOG_INTERVAL_USEC);
    APPEND(r, message, "LogRateLimitBurst", "u", LOG_BURST);
    return r;
}
