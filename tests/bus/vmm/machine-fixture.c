/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/vmm/machine-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/settings.h"

static void
require(bool condition, const char *what)
{
    if (!condition)
        ck_abort_msg("%s: %s", what, g_strerror(errno));
}

bool
machine_has_systemd(void)
{
    return access("/run/systemd/system", F_OK) == 0;
}

bool
machine_has_no_unit(void *name)
{
    g_autofree char *path =
        g_strdup_printf("/sys/fs/cgroup/banger.slice/banger-vm-%s.service", (const char *)name);

    return access(path, F_OK) < 0;
}

/* Lines "NAME ORDER" for VMMs in a jail, in which they do not see a file of ours. */
static GHashTable *jailed_orders; /* name -> the orders */

static void
append_orders(GByteArray *program)
{
    static const char mark[] = "\nBANGER-ORDERS\n";
    GHashTableIter iter;
    gpointer name, orders;

    if (jailed_orders == NULL)
        return;
    g_byte_array_append(program, (const guint8 *)mark, sizeof mark - 1);
    g_hash_table_iter_init(&iter, jailed_orders);
    while (g_hash_table_iter_next(&iter, &name, &orders)) {
        g_auto(GStrv) lines = g_strsplit(orders, "\n", -1);

        for (char **line = lines; *line != NULL; line++) {
            g_autofree char *text = g_strdup_printf("%s %s\n", (char *)name, *line);

            g_byte_array_append(program, (const guint8 *)text, (guint)strlen(text));
        }
    }
}

void
machine_install_double(const char *path, uid_t uid, mode_t mode)
{
    const char *built = g_getenv("BANGER_FAKE_FIRECRACKER");
    g_autoptr(GByteArray) program = g_byte_array_new();
    g_autofree char *content = NULL;
    gsize length;

    if (built == NULL)
        built = MACHINE_DOUBLE;
    require(g_file_get_contents(built, &content, &length, NULL), built);
    g_byte_array_append(program, (const guint8 *)content, (guint)length);
    append_orders(program);
    (void)unlink(path);
    require(g_file_set_contents_full(path, (const char *)program->data, program->len,
                                     G_FILE_SET_CONTENTS_NONE, 0755, NULL),
            path);
    require(chown(path, uid, uid) == 0 && chmod(path, mode) == 0, path);
}

/* udev gives everybody the node; a build machine may have none. */
static void
set_up_tun(void)
{
    g_autofree char *stage = NULL;
    g_autofree char *node = NULL;
    struct stat st;

    if (stat("/dev/net/tun", &st) == 0 && (st.st_mode & 0666) == 0666)
        return;
    stage = g_dir_make_tmp("machine-XXXXXX", NULL);
    node = g_build_filename(stage, "tun", NULL);
    require(mount("tmpfs", stage, "tmpfs", MS_NOSUID, "mode=0755") == 0, "mount tmpfs");
    require(mknod(node, S_IFCHR | 0666, makedev(10, 200)) == 0 && chmod(node, 0666) == 0, "mknod");
    require(mount(node, "/dev/net/tun", NULL, MS_BIND, NULL) == 0, "mount /dev/net/tun");
    require(umount2(stage, MNT_DETACH) == 0 && rmdir(stage) == 0, "umount");
}

void
machine_write(const char *path, const char *text)
{
    require(g_file_set_contents(path, text, -1, NULL), path);
    require(chown(path, RIG_UID_OWNER, RIG_UID_OWNER) == 0, path);
}

void
machine_set_up(const char *const *names)
{
    static const char *const files[] = {"kernel", "initrd", "rootfs", "data", "more"};
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);

    set_up_tun();
    machine_install_double(MACHINE_BINARY, 0, 0755);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_strconcat(MACHINE_STATE, files[i], NULL);

        machine_write(path, files[i]);
    }
    for (; *names != NULL; names++) {
        g_autofree char *tap = g_strconcat("tap-fc-", *names, NULL);

        rig_call_ok(bus, "CreateTap", "sssss", "br-fc", "172.16.0.1", "24", tap, "");
    }
    sd_bus_flush_close_unref(bus);
}

void
machine_order(const char *name, const char *orders)
{
    g_autofree char *path = g_strconcat(MACHINE_RUN, name, ".sock.fake", NULL);

    if (machine_has_systemd()) {
        if (jailed_orders == NULL)
            jailed_orders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        if (orders != NULL)
            g_hash_table_replace(jailed_orders, g_strdup(name), g_strdup(orders));
        else
            (void)g_hash_table_remove(jailed_orders, name);
        machine_install_double(MACHINE_BINARY, 0, 0755);
    } else if (orders == NULL)
        (void)unlink(path);
    else
        machine_write(path, orders);
}

char *
machine_record(const char *name)
{
    g_autofree char *path = g_strconcat(MACHINE_RUN, name, ".record", NULL);
    g_autofree char *jailed = g_strconcat(MACHINE_RUN ".vm/", name, "/", name, ".record", NULL);
    char *record = NULL;

    if (!g_file_get_contents(machine_has_systemd() ? jailed : path, &record, NULL, NULL))
        return NULL;
    return record;
}

pid_t
machine_launch(sd_bus *bus, const Machine *machine)
{
    sd_bus_message *reply = rig_call_message(bus, machine_message(bus, machine, ""), NULL);
    uint32_t pid = 0;

    ck_assert_int_ge(sd_bus_message_read(reply, "u", &pid), 0);
    sd_bus_message_unref(reply);
    ck_assert_uint_gt(pid, 1);
    return (pid_t)pid;
}

void
machine_launch_fails(sd_bus *bus, const Machine *machine, const char *name, const char *words)
{
    g_autofree char *expected = g_strconcat("org.banger.Helper1.Error.", name, NULL);
    g_autofree char *before = machine_host_state();
    g_autofree char *after = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply =
        rig_call_message(bus, machine_message(bus, machine, "op-fails"), &error);

    ck_assert_msg(reply == NULL, "a launch that must fail did not");
    ck_assert_msg(g_str_equal(error.name, expected), "%s, and not %s: %s", error.name, expected,
                  error.message);
    ck_assert_msg(words == NULL || strstr(error.message, words) != NULL, "no \"%s\" in: %s", words,
                  error.message);
    /* The caller's op_id, or, where the array before it is past its limit, the helper's. */
    ck_assert_msg(strstr(error.message, " (op-") != NULL && g_str_has_suffix(error.message, ")"),
                  "no op_id in: %s", error.message);
    ck_assert_msg(strstr(error.message, "s3cret") == NULL, "kernel arguments in: %s",
                  error.message);
    sd_bus_error_free(&error);
    after = machine_host_state();
    ck_assert_str_eq(after, before);
}

/* The files of @folder whose names begin with @prefix. */
static void
add_files(GPtrArray *lines, const char *folder, const char *prefix)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (g_str_has_prefix(name, prefix) && !g_str_has_suffix(name, ".record") &&
            !g_str_equal(name, ".vm"))
            g_ptr_array_add(lines, g_strconcat(folder, name, NULL));
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether the process @pid is a VMM: it runs the binary, which may have been replaced since. */
static bool
is_running_machine(const char *pid)
{
    g_autofree char *path = g_strconcat("/proc/", pid, "/exe", NULL);
    g_autofree char *target = g_ascii_isdigit(pid[0]) ? g_file_read_link(path, NULL) : NULL;

    return target != NULL && (g_str_equal(target, MACHINE_BINARY) ||
                              g_str_equal(target, MACHINE_BINARY " (deleted)"));
}

/* Those there are now; of pid_t. */
static GArray *
list_running(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        pid_t pid = (pid_t)g_ascii_strtoll(name, NULL, 10);

        if (is_running_machine(name))
            g_array_append_val(pids, pid);
    }
    return pids;
}

static void
add_processes(GPtrArray *lines)
{
    g_autoptr(GArray) pids = list_running();

    for (unsigned int i = 0; i < pids->len; i++)
        g_ptr_array_add(lines, g_strdup_printf("%d", g_array_index(pids, pid_t, i)));
}

unsigned int
machine_count_running(void)
{
    g_autoptr(GArray) pids = list_running();

    return pids->len;
}

void
machine_kill_running(void)
{
    /* One that was being started may come up meanwhile. */
    for (;;) {
        g_autoptr(GArray) pids = list_running();

        if (pids->len == 0)
            return;
        for (unsigned int i = 0; i < pids->len; i++)
            (void)kill(g_array_index(pids, pid_t, i), SIGKILL);
        for (unsigned int i = 0; i < pids->len; i++)
            rig_wait_pid_gone(g_array_index(pids, pid_t, i));
    }
}

char *
machine_host_state(void)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    add_files(lines, MACHINE_STATE, "");
    add_files(lines, MACHINE_RUN, "");
    add_files(lines, MACHINE_RUN ".vm/", "");                      /* of VMs in a jail */
    add_files(lines, "/sys/fs/cgroup/banger.slice/", "banger-vm"); /* units that run */
    add_processes(lines);
    g_ptr_array_sort(lines, compare);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

char *
machine_proc_status(pid_t pid, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
    g_autofree char *key = g_strdup_printf("\n%s:", name);
    g_autofree char *text = NULL;
    const char *found;

    if (!g_file_get_contents(path, &text, NULL, NULL) || (found = strstr(text, key)) == NULL)
        return g_strdup("");
    found += strlen(key);
    return g_strstrip(g_strndup(found, strcspn(found, "\n")));
}

uint32_t
machine_find(sd_bus *bus, const char *api_sock)
{
    sd_bus_message *reply = rig_call(bus, "FindFirecrackerPID", NULL, "ss", api_sock, "");
    uint32_t pid = 0;

    ck_assert_int_ge(sd_bus_message_read(reply, "u", &pid), 0);
    sd_bus_message_unref(reply);
    return pid;
}

bool
machine_is_running(sd_bus *bus, uint32_t pid, const char *api_sock)
{
    sd_bus_message *reply = rig_call(bus, "ProcessRunning", NULL, "uss", pid, api_sock, "");
    int running = -1;

    ck_assert_int_ge(sd_bus_message_read(reply, "b", &running), 0);
    sd_bus_message_unref(reply);
    return running;
}

static bool
has_executed(void *data)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", *(pid_t *)data);
    g_autofree char *text = NULL;
    g_autofree char *mine = NULL;
    gsize length, my_length;

    return g_file_get_contents(path, &text, &length, NULL) && length > 0 &&
           g_file_get_contents("/proc/self/cmdline", &mine, &my_length, NULL) &&
           (length != my_length || memcmp(text, mine, length) != 0);
}

void
machine_wait_executed(pid_t pid)
{
    rig_wait_for(has_executed, &pid, "exec");
}

pid_t
machine_start_program(uid_t uid, const char *const *argv)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (setsid() >= 0 && setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 &&
            setresuid(uid, uid, uid) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
            (void)execv(argv[0], (char *const *)(void *)argv);
        _exit(127);
    }
    machine_wait_executed(pid);
    return pid;
}

void
machine_end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

bool
machine_has_ended(pid_t pid)
{
    g_autofree char *state = machine_proc_status(pid, "State");

    return state[0] == '\0' || state[0] == 'Z';
}

static bool
is_gone(void *data)
{
    return kill(*(pid_t *)data, 0) < 0 && errno == ESRCH;
}

void
machine_kill(sd_bus *bus, pid_t pid)
{
    rig_call_ok(bus, "KillProcess", "us", (uint32_t)pid, "");
    rig_wait_for(is_gone, &pid, "the end of the VMM, zombie and all");
}

sd_bus *machine_bus;

static const char *const *machine_names;

static void
set_up_names(void)
{
    machine_set_up(machine_names);
}

static void
open_bus(void)
{
    machine_bus = rig_bus_open(RIG_UID_OWNER);
}

static void
close_bus(void)
{
    machine_bus = sd_bus_flush_close_unref(machine_bus);
}

TCase *
machine_add_tcase(Suite *suite, const char *name, const char *const *names, void (*set_up)(void),
                  void (*tear_down)(void))
{
    TCase *tcase = tcase_create(name);

    machine_names = names;
    tcase_set_timeout(tcase, 90);
    tcase_add_unchecked_fixture(tcase, set_up_names, NULL);
    tcase_add_checked_fixture(tcase, open_bus, close_bus);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    suite_add_tcase(suite, tcase);
    return tcase;
}
