/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMMs that hang delay no method beyond its time limit. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "util/settings.h"

/*
 * A stranger's process whose command line no one can read: what is mapped there is a file of a file
 * system of the stranger's own, FUSE, which does not answer. One thread reads that mapping by
 * /proc/self/mem, which keeps the memory map locked for as long; another waits to change the map;
 * and who wants to read the command line waits behind that, for ever, SIGKILL or not.
 */

#define FOLDER "/run/hung"
#define PAGE 4096u
#define NOT_MANAGED "org.banger.Helper1.Error.NotManaged"
#define NOT_FOUND "org.banger.Helper1.Error.NotFound"

static sd_bus *bus;
static pid_t server = -1; /* of the file system; the one process that has /dev/fuse open */
static pid_t hung = -1;
static volatile bool *is_read; /* shared: whether the read that hangs has begun */

static void
answer(int fuse, uint64_t unique, int error, const void *data, size_t size)
{
    char buffer[512];
    struct fuse_out_header header = {
        .len = (uint32_t)(sizeof header + size), .error = error, .unique = unique};

    memcpy(buffer, &header, sizeof header);
    memcpy(buffer + sizeof header, data, size);
    (void)!write(fuse, buffer, sizeof header + size);
}

static struct fuse_attr
attributes_of(uint64_t node)
{
    return (struct fuse_attr){.ino = node,
                              .size = PAGE,
                              .nlink = 1,
                              .mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644,
                              .uid = RIG_UID_STRANGER,
                              .gid = RIG_UID_STRANGER,
                              .blksize = PAGE};
}

/* A file system in which every name is one file, that can be opened, and reads of which hang. */
static _Noreturn void
serve(int fuse)
{
    static char buffer[1 << 20];
    struct fuse_in_header request;

    while (read(fuse, buffer, sizeof buffer) >= (ssize_t)sizeof request) {
        memcpy(&request, buffer, sizeof request);
        switch (request.opcode) {
        case FUSE_INIT: {
            struct fuse_init_out out = {.major = 7, .minor = 31, .max_write = 1 << 16};

            answer(fuse, request.unique, 0, &out, sizeof out);
            break;
        }
        case FUSE_LOOKUP: {
            struct fuse_entry_out out = {.nodeid = 2, .entry_valid = 3600, .attr_valid = 3600};

            out.attr = attributes_of(2);
            answer(fuse, request.unique, 0, &out, sizeof out);
            break;
        }
        case FUSE_GETATTR: {
            struct fuse_attr_out out = {.attr_valid = 3600};

            out.attr = attributes_of(request.nodeid);
            answer(fuse, request.unique, 0, &out, sizeof out);
            break;
        }
        case FUSE_OPEN:
            answer(fuse, request.unique, 0, &(struct fuse_open_out){.fh = 1},
                   sizeof(struct fuse_open_out));
            break;
        case FUSE_READ:
            *is_read = true;
            break;
        case FUSE_FORGET:
        case FUSE_INTERRUPT:
            break;
        default:
            answer(fuse, request.unique, -ENOSYS, "", 0);
        }
    }
    _exit(0);
}

static void *
read_page(void *page)
{
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    char byte;

    (void)!pread(memory, &byte, 1, (off_t)(uintptr_t)page);
    return NULL;
}

/* Whether the process waits for its own memory map, and whoever wants to read it does. */
static bool
is_hung(void *data)
{
    g_autofree char *state = machine_proc_status(*(pid_t *)data, "State");

    return *is_read && state[0] == 'D';
}

static _Noreturn void
hang(void)
{
    pthread_t reader;
    void *page = MAP_FAILED;
    int fd = -1;

    if (setresgid(RIG_UID_STRANGER, RIG_UID_STRANGER, RIG_UID_STRANGER) == 0 &&
        setresuid(RIG_UID_STRANGER, RIG_UID_STRANGER, RIG_UID_STRANGER) == 0 &&
        prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
        prctl(PR_SET_DUMPABLE, 1) == 0) /* or /proc/self is root's */
        fd = open(FOLDER "/file", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    if (page == MAP_FAILED || pthread_create(&reader, NULL, read_page, page) != 0)
        _exit(1);
    while (!*is_read)
        (void)usleep(1000);
    (void)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    _exit(1);
}

static void
set_up_host(void)
{
    static const char *const names[] = {"hung", NULL};
    g_autofree char *options = NULL;
    int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    machine_set_up(names);
    if (fuse < 0)
        return;
    is_read = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne((void *)is_read, MAP_FAILED);
    options = g_strdup_printf("fd=%d,rootmode=40755,user_id=%d,group_id=%d", fuse, RIG_UID_STRANGER,
                              RIG_UID_STRANGER);
    ck_assert_int_eq(mkdir(FOLDER, 0755), 0);
    ck_assert_int_eq(mount("hung", FOLDER, "fuse", MS_NOSUID | MS_NODEV, options), 0);
    server = fork();
    if (server == 0)
        serve(fuse);
    (void)close(fuse);
    hung = fork();
    if (hung == 0)
        hang();
    rig_wait_for(is_hung, &hung, "a process to hang");
}

/* With the server ends the connection, and every wait for it. */
static void
tear_down_host(void)
{
    if (server < 0)
        return;
    (void)kill(hung, SIGKILL);
    (void)kill(server, SIGKILL);
    (void)waitpid(server, NULL, 0);
    (void)waitpid(hung, NULL, 0);
    (void)umount2(FOLDER, MNT_DETACH);
}

static void
set_up(void)
{
    bus = rig_bus_open(RIG_UID_OWNER);
}

static void
tear_down(void)
{
    sd_bus_flush_close_unref(bus);
}

static bool
can_hang(void)
{
    if (server < 0)
        harness_skip("this kernel has no /dev/fuse");
    return server > 0;
}

START_TEST(finding)
{
    if (!can_hang())
        return;
    rig_call_fails(bus, NOT_FOUND, "FindFirecrackerPID", "ss", MACHINE_RUN "none.sock", "op-f");
}
END_TEST

START_TEST(launching)
{
    Machine *machine = machine_new("hung");

    if (can_hang())
        rig_call_ok(bus, "KillProcess", "us", (uint32_t)machine_launch(bus, machine), "");
    machine_free(machine);
}
END_TEST

START_TEST(asking_for_it)
{
    if (!can_hang())
        return;
    ck_assert(!machine_is_running(bus, (uint32_t)hung, MACHINE_RUN "x.sock"));
    rig_call_fails(bus, NOT_MANAGED, "KillProcess", "us", (uint32_t)hung, "op-k");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/process-hung", argv, NULL);
    suite = suite_create("process-hung");
    tcase = tcase_create("process-hung");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, set_up_host, tear_down_host);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, finding);
    tcase_add_test(tcase, launching);
    tcase_add_test(tcase, asking_for_it);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/process-hung", suite);
}
