/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/unit-list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/sd-auto.h"
#include "vmm/unit-common.h"
#include "vmm/unit-record.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define ANSWER_TIMEOUT_USEC (5 * G_USEC_PER_SEC)
#define TRANSIENT_DIRECTORY "/run/systemd/transient"
#define SMALL_FILE_MAX 16384 /* of a unit's file and of cgroupfs */
#define SHARE_MIN 64         /* machines for whose files a thread is worth making */
#define SHARES_MAX 4

/* Where the cgroups of the units are; a host with both hierarchies has them in its named one. */
static const char *const slices[] = {"/sys/fs/cgroup/banger.slice",
                                     "/sys/fs/cgroup/systemd/banger.slice"};

/* A connection stays open for the next list: to make one takes longer than to be answered. */
static GMutex spare_lock;
static sd_bus *spare;

static int
take_connection(sd_bus **ret_bus)
{
    g_mutex_lock(&spare_lock);
    *ret_bus = g_steal_pointer(&spare);
    g_mutex_unlock(&spare_lock);
    return *ret_bus != NULL ? 0 : sd_bus_open_system_with_description(ret_bus, "banger-units");
}

static void
keep_connection(sd_bus *bus)
{
    g_mutex_lock(&spare_lock);
    if (spare == NULL)
        spare = g_steal_pointer(&bus);
    g_mutex_unlock(&spare_lock);
    sd_bus_flush_close_unref(bus);
}

typedef struct {
    BangerMachineDetails details;
    GHashTable *machines;
    /* The files of all units are read below these; -1 where a folder is not there. */
    int slice;
    int transient;
} List;

static int
open_folder(const char *path)
{
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/*
 * Reads @folder/@unit/@name (@name may be NULL). Returns 0, or the errno of why it cannot be read;
 * then @buffer is "".
 */
static int
read_unit_file(int folder, const char *unit, const char *name, char *buffer, size_t size)
{
    g_autofree char *path = g_strjoin("/", unit, name, NULL);
    banger_autofd int fd = -1;
    ssize_t length;

    buffer[0] = '\0';
    if (folder < 0)
        return ENOENT;
    fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    length = fd < 0 ? -1 : read(fd, buffer, size - 1);
    if (length < 0)
        return errno;
    buffer[length] = '\0';
    return 0;
}

/* Whether process @pid is systemd's own child: the main process, not one that it made. */
static bool
is_main_process(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
    g_autofree char *text = NULL;
    const char *name_end;
    int parent = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    name_end = strrchr(text, ')');
    return name_end != NULL && sscanf(name_end + 1, " %*c %d", &parent) == 1 && parent == 1;
}

/* The main process of the unit among those of @text, the lines of cgroup.procs; 0 without one. */
static pid_t
find_leader(const char *text)
{
    pid_t leader = 0;

    for (const char *at = text; *at != '\0';) {
        char *end;
        pid_t pid = (pid_t)strtol(at, &end, 10);

        if (end == at)
            break;
        at = end + strspn(end, "\n");
        if (leader == 0 || (pid > 0 && is_main_process(pid) && !is_main_process(leader)))
            leader = pid;
    }
    return leader;
}

static void
read_leader(int slice, BangerMachineInfo *machine)
{
    char text[SMALL_FILE_MAX];

    (void)read_unit_file(slice, machine->unit, "cgroup.procs", text, sizeof text);
    machine->leader = find_leader(text);
}

static void
read_figures(int slice, BangerMachineInfo *machine)
{
    char text[SMALL_FILE_MAX];
    const char *usage;

    (void)read_unit_file(slice, machine->unit, "memory.current", text, sizeof text);
    machine->memory_bytes = g_ascii_strtoull(text, NULL, 10);
    (void)read_unit_file(slice, machine->unit, "cpu.stat", text, sizeof text);
    usage = strstr(text, "usage_usec ");
    if (usage != NULL)
        machine->cpu_usec = g_ascii_strtoull(usage + strlen("usage_usec "), NULL, 10);
}

/* What the unit was made with, and when: its file is written once. */
static void
read_record(int transient, BangerMachineInfo *machine)
{
    char text[SMALL_FILE_MAX];
    struct stat st;

    if (transient < 0 || fstatat(transient, machine->unit, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    machine->since_usec =
        (uint64_t)st.st_mtim.tv_sec * G_USEC_PER_SEC + (uint64_t)st.st_mtim.tv_nsec / 1000;
    (void)read_unit_file(transient, machine->unit, NULL, text, sizeof text);
    banger_unit_record_parse(text, machine);
}

/* Whether a unit of this ActiveState, with a job waiting or not, is a machine. */
static bool
parse_state(const char *active, bool has_job, BangerMachineState *ret_state)
{
    static const struct {
        const char *active;
        BangerMachineState state;
    } states[] = {
        {"active", BANGER_MACHINE_RUNNING},        {"reloading", BANGER_MACHINE_RUNNING},
        {"refreshing", BANGER_MACHINE_RUNNING},    {"activating", BANGER_MACHINE_STARTING},
        {"deactivating", BANGER_MACHINE_STOPPING}, {"failed", BANGER_MACHINE_FAILED},
    };

    if (g_str_equal(active, "inactive") && has_job) {
        *ret_state = BANGER_MACHINE_STARTING;
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
        if (g_str_equal(active, states[i].active)) {
            *ret_state = states[i].state;
            return true;
        }
    return false;
}

static void
add_machine(const List *list, const char *unit, BangerMachineState state)
{
    g_autofree char *vm_id = banger_unit_parse_name(unit);
    BangerMachineInfo *machine;

    if (vm_id == NULL)
        return;
    machine = banger_machine_info_new(vm_id);
    g_free(machine->unit);
    machine->unit = g_strdup(unit);
    machine->state = state;
    g_hash_table_insert(list->machines, machine->id, machine);
}

/* The machines whose files one thread reads. */
typedef struct {
    const List *list;
    BangerMachineInfo **machines;
    unsigned int n;
} Share;

static gpointer
read_share(void *user_data)
{
    const Share *share = user_data;
    const List *list = share->list;

    for (unsigned int i = 0; i < share->n; i++) {
        BangerMachineInfo *machine = share->machines[i];

        read_leader(list->slice, machine);
        if (list->details & BANGER_MACHINE_FIGURES)
            read_figures(list->slice, machine);
        if (list->details & BANGER_MACHINE_RECORD)
            read_record(list->transient, machine);
    }
    return NULL;
}

/*
 * Reads the files of @machines: where they are many, on several threads, since nearly all that it
 * takes is the kernel's time. A share that no thread can be had for is read by this one.
 */
static void
read_files(const List *list, const GPtrArray *machines)
{
    unsigned int n = CLAMP(machines->len / SHARE_MIN, 1, MIN(g_get_num_processors(), SHARES_MAX));
    Share shares[SHARES_MAX];
    GThread *threads[SHARES_MAX] = {NULL};

    for (unsigned int i = 0; i < n; i++) {
        unsigned int first = machines->len * i / n;

        shares[i] = (Share){list, (BangerMachineInfo **)machines->pdata + first,
                            machines->len * (i + 1) / n - first};
        if (i > 0)
            threads[i] = g_thread_try_new("units", read_share, &shares[i], NULL);
    }
    for (unsigned int i = 0; i < n; i++)
        if (threads[i] == NULL)
            (void)read_share(&shares[i]);
    for (unsigned int i = 0; i < n; i++)
        if (threads[i] != NULL)
            (void)g_thread_join(threads[i]);
}

static void
read_all_files(const List *list)
{
    g_autoptr(GPtrArray) machines = g_ptr_array_new();
    GHashTableIter iter;
    gpointer machine;

    g_hash_table_iter_init(&iter, list->machines);
    while (g_hash_table_iter_next(&iter, NULL, &machine))
        g_ptr_array_add(machines, machine);
    read_files(list, machines);
}

/* Reads the answer of ListUnitsByPatterns. */
static int
read_units(sd_bus_message *reply, const List *list)
{
    const char *unit, *active;
    uint32_t job;
    int r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");

    while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssssouso)", &unit, NULL, NULL, &active,
                                              NULL, NULL, NULL, &job, NULL, NULL)) > 0) {
        BangerMachineState state;

        if (parse_state(active, job != 0, &state))
            add_machine(list, unit, state);
    }
    return r;
}

static int
ask_systemd(sd_bus *bus, const char *pattern, sd_bus_error *bus_error, const List *list)
{
    g_autoptr(sd_bus_message) message = NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    int r = sd_bus_message_new_method_call(bus, &message, SYSTEMD, "/org/freedesktop/systemd1",
                                           SYSTEMD ".Manager", "ListUnitsByPatterns");

    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "asas", 0, 1, pattern);
    if (r < 0)
        return r;
    r = sd_bus_call(bus, message, ANSWER_TIMEOUT_USEC, bus_error, &reply);
    return r < 0 ? r : read_units(reply, list);
}

/* Asks over the connection that was kept, or, if that is no more, over a new one. */
static int
ask_with_connection(const char *pattern, sd_bus_error *bus_error, const List *list)
{
    sd_bus *bus = NULL;
    int r = take_connection(&bus);

    if (r >= 0)
        r = ask_systemd(bus, pattern, bus_error, list);
    if (r == -ENOTCONN || r == -ECONNRESET) { /* the bus was restarted since the last time */
        sd_bus_close_unref(bus);
        bus = NULL;
        r = sd_bus_open_system_with_description(&bus, "banger-units");
        if (r >= 0)
            r = ask_systemd(bus, pattern, bus_error, list);
    }
    if (r >= 0)
        keep_connection(bus);
    else
        sd_bus_close_unref(bus);
    return r;
}

/* The folder of the units' cgroups, or -1. */
static int
open_slice(void)
{
    int fd = open_folder(slices[0]);

    return fd >= 0 ? fd : open_folder(slices[1]);
}

bool
banger_unit_list(const char *vm_id, BangerMachineDetails details, GHashTable *machines,
                 GError **error)
{
    g_autofree char *pattern =
        g_strconcat(BANGER_UNIT_PREFIX, vm_id != NULL ? vm_id : "*", BANGER_UNIT_SUFFIX, NULL);
    g_auto(sd_bus_error) bus_error = SD_BUS_ERROR_NULL;
    List list = {details, machines, open_slice(), open_folder(TRANSIENT_DIRECTORY)};
    bool timed_out;
    int r = ask_with_connection(pattern, &bus_error, &list);
    if (r >= 0)
        read_all_files(&list);
    banger_close_fd(&list.slice);
    banger_close_fd(&list.transient);
    if (r >= 0)
        return true;
    timed_out = r == -ETIMEDOUT || sd_bus_error_has_name(&bus_error, SD_BUS_ERROR_NO_REPLY);
    return banger_set_error(error, timed_out ? BANGER_ERROR_TIMEOUT : BANGER_ERROR_OPERATION_FAILED,
                            "cannot list the units of virtual machines: %s",
                            bus_error.message != NULL ? bus_error.message : g_strerror(-r));
}

bool
banger_unit_exists(const char *vm_id)
{
    g_autofree char *path =
        g_strconcat(TRANSIENT_DIRECTORY "/" BANGER_UNIT_PREFIX, vm_id, BANGER_UNIT_SUFFIX, NULL);
    struct stat st;

    return stat(path, &st) == 0 || errno != ENOENT;
}

/* Finds a process of @unit, the main one if there are more. Returns 0, or why it cannot be seen. */
static int
find_process(const char *unit, pid_t *ret_pid)
{
    banger_autofd int slice = open_slice();
    char text[SMALL_FILE_MAX] = "";
    int errnum = slice < 0 ? errno : read_unit_file(slice, unit, "cgroup.procs", text, sizeof text);

    *ret_pid = find_leader(text);
    return errnum;
}

bool
banger_unit_find_process(const char *vm_id, pid_t *ret_pid, GError **error)
{
    g_autofree char *unit = g_strconcat(BANGER_UNIT_PREFIX, vm_id, BANGER_UNIT_SUFFIX, NULL);
    int errnum = find_process(unit, ret_pid);

    /* Without a cgroup, or with one that is just going, it has no process. */
    return !banger_is_shortage(errnum) ||
           banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errnum,
                            "cannot look at the processes of %s", unit);
}

pid_t
banger_unit_find_leader(const char *unit)
{
    pid_t pid;

    (void)find_process(unit, &pid);
    return pid;
}
