/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/disk/image-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/fd.h"

#define CALL_TIMEOUT_USEC (300 * G_USEC_PER_SEC)
#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"
/* posix_spawn(3), which does not copy what is known of this process's memory as fork(2) does. */
#define SPAWN_FLAGS (G_SPAWN_SEARCH_PATH | G_SPAWN_LEAVE_DESCRIPTORS_OPEN)

void
image_enter(const char *program, char **argv, const char *const *options)
{
    if (g_getenv("BANGER_TEST_SYSTEM") == NULL)
        rig_enter(program, argv, options);
}

sd_bus *
image_bus(void)
{
    static sd_bus *bus;
    const char *address = g_getenv("DBUS_SYSTEM_BUS_ADDRESS");

    if (bus != NULL)
        return bus;
    ck_assert_int_ge(sd_bus_new(&bus), 0);
    ck_assert_int_ge(sd_bus_set_address(bus, address != NULL ? address : SYSTEM_BUS), 0);
    ck_assert_int_ge(sd_bus_set_bus_client(bus, true), 0);
    ck_assert_int_ge(sd_bus_start(bus), 0);
    return bus;
}

char *
image_run(const char *const *argv, int *ret_status)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL, *err = NULL;
    int status = 0;
    bool ran = g_spawn_sync(NULL, (char **)argv, NULL, SPAWN_FLAGS, NULL, NULL, &out, &err, &status,
                            &error);

    ck_assert_msg(ran, "%s: %s", argv[0], ran ? "" : error->message);
    status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (ret_status != NULL)
        *ret_status = status;
    else
        ck_assert_msg(status == 0, "%s: status %d: %s%s", argv[0], status, out, err);
    return g_strconcat(out, err, NULL);
}

BangerSettings
image_settings_of_owner(void)
{
    const struct passwd *owner = getpwnam(BANGER_OWNER);

    ck_assert_ptr_nonnull(owner);
    return (BangerSettings){.owner_user = owner->pw_name,
                            .owner_uid = owner->pw_uid,
                            .owner_gid = owner->pw_gid,
                            .state_directory = (char *)BANGER_STATE_DIRECTORY,
                            .runtime_directory = (char *)BANGER_RUNTIME_DIRECTORY};
}

char *
image_path_of(const char *name)
{
    return g_build_filename(BANGER_STATE_DIRECTORY, name, NULL);
}

static void
give_to_owner(const char *path)
{
    const struct passwd *owner = getpwnam(BANGER_OWNER);

    ck_assert_ptr_nonnull(owner);
    ck_assert_int_eq(chown(path, owner->pw_uid, owner->pw_gid), 0);
}

void
image_make_file(const char *path, uint64_t size)
{
    banger_autofd int fd = -1;

    (void)unlink(path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_msg(fd >= 0, "%s: %s", path, g_strerror(errno));
    ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
    give_to_owner(path);
}

char *
image_make(const char *name, uint64_t size, const char *options)
{
    char *path = image_path_of(name);
    g_autofree char *line =
        g_strdup_printf("mke2fs -q -F %s %s", options[0] != '\0' ? options : "-t ext4", path);
    g_auto(GStrv) argv = NULL;

    ck_assert(g_shell_parse_argv(line, NULL, &argv, NULL));
    image_make_file(path, size);
    g_free(image_run((const char *const *)argv, NULL));
    return path;
}

void
image_check_clean(const char *image)
{
    int status;
    g_autofree char *output = image_run_words(&status, "e2fsck", "-fn", image);

    ck_assert_msg(status == 0, "e2fsck -fn %s: status %d: %s", image, status, output);
    /* It may have things to say and still succeed. */
    ck_assert_msg(strstr(output, "Fix?") == NULL && strstr(output, "WARNING") == NULL, "%s",
                  output);
}

uint64_t
image_count(const char *image, const char *field)
{
    g_autofree char *output = image_run_words(NULL, "dumpe2fs", "-h", image);
    g_autofree char *label = g_strconcat("\n", field, ":", NULL);
    const char *found = strstr(output, label);

    ck_assert_msg(found != NULL, "no %s in %s", field, output);
    return strtoull(found + strlen(label), NULL, 10);
}

/* Adds what is not zero of @data, which is at @at. */
static void
add_to_digest(GChecksum *checksum, const guchar *data, size_t length, uint64_t at)
{
    static const guchar zeros[4096];

    for (size_t i = 0; i < length; i += sizeof zeros) {
        size_t n = MIN(length - i, sizeof zeros);
        uint64_t where = at + i;

        if (memcmp(data + i, zeros, n) == 0)
            continue;
        g_checksum_update(checksum, (const guchar *)&where, sizeof where);
        g_checksum_update(checksum, data + i, (gssize)n);
    }
}

/* Where there is data from @at on, or -1 at the end; a device does not know its holes. */
static off_t
find_data(int fd, const struct stat *st, off_t at)
{
    off_t data = S_ISREG(st->st_mode) ? lseek(fd, at, SEEK_DATA) : at;

    ck_assert(data >= 0 || errno == ENXIO);
    return data;
}

/* Of what is not zero, and where it is: images are mostly holes, which are not looked at. */
char *
image_digest(const char *path)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_MD5);
    banger_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    g_autofree guchar *buffer = g_malloc(1 << 20);
    struct stat st;
    off_t at = 0;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    while ((at = find_data(fd, &st, at)) >= 0) {
        /* Pieces are whole pages, of which an image has the same as its copy. */
        off_t page = at & ~(off_t)4095;
        ssize_t n = pread(fd, buffer, 1 << 20, page);

        if (n == 0 && !S_ISREG(st.st_mode))
            break;
        ck_assert_int_gt(n, 0);
        add_to_digest(checksum, buffer, (size_t)n, (uint64_t)page);
        at = page + n;
    }
    g_checksum_update(checksum, (const guchar *)&st.st_size, sizeof st.st_size);
    return g_strdup(g_checksum_get_string(checksum));
}

const char *
image_error_name(const sd_bus_error *error)
{
    if (error->name == NULL)
        return NULL;
    if (g_str_has_prefix(error->name, RIG_ERROR("")))
        return g_intern_string(error->name + strlen(RIG_ERROR("")));
    return g_intern_string(error->name);
}

/* Calls with @message, which it takes over. */
static sd_bus_message *
call(sd_bus_message *message, const char **ret_error, char **ret_message)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    int r = sd_bus_call(image_bus(), message, CALL_TIMEOUT_USEC, &error, &reply);

    sd_bus_message_unref(message);
    ck_assert_int_eq(r < 0, sd_bus_error_is_set(&error));
    *ret_error = image_error_name(&error);
    if (ret_message != NULL)
        *ret_message = g_strdup(error.message);
    sd_bus_error_free(&error);
    return reply;
}

const char *
image_write(const char *image, const ImageFile *files, size_t n_files, char **ret_message)
{
    sd_bus_message *message = rig_message_new(image_bus(), "WriteExt4Files");
    const char *error;

    ck_assert_int_ge(sd_bus_message_append(message, "s", image), 0);
    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "(sayu)"), 0);
    for (size_t i = 0; i < n_files; i++) {
        ck_assert_int_ge(sd_bus_message_open_container(message, 'r', "sayu"), 0);
        ck_assert_int_ge(sd_bus_message_append(message, "s", files[i].path), 0);
        ck_assert_int_ge(sd_bus_message_append_array(message, 'y', files[i].data, files[i].length),
                         0);
        ck_assert_int_ge(sd_bus_message_append(message, "u", files[i].mode), 0);
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    }
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", ""), 0);
    sd_bus_message_unref(call(message, &error, ret_message));
    return error;
}

void
image_write_ok(const char *image, const ImageFile *files, size_t n_files)
{
    g_autofree char *message = NULL;
    const char *error = image_write(image, files, n_files, &message);

    ck_assert_msg(error == NULL, "%s: %s", error, message);
}

const char *
image_read(const char *image, const char *guest_path, GBytes **ret_data, char **ret_message)
{
    sd_bus_message *message = rig_message_new(image_bus(), "ReadExt4File");
    sd_bus_message *reply;
    const char *error;
    const void *data;
    size_t length;

    ck_assert_int_ge(sd_bus_message_append(message, "sss", image, guest_path, ""), 0);
    reply = call(message, &error, ret_message);
    if (reply != NULL && ret_data != NULL) {
        ck_assert_int_ge(sd_bus_message_read_array(reply, 'y', &data, &length), 0);
        *ret_data = g_bytes_new(data, length);
    }
    sd_bus_message_unref(reply);
    return error;
}

const char *
image_create_snapshot(const char *base, const char *cow, const char *name)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    const char *result;

    sd_bus_message_unref(
        rig_call(image_bus(), "CreateDMSnapshot", &error, "ssss", base, cow, name, ""));
    result = image_error_name(&error);
    sd_bus_error_free(&error);
    return result;
}

void
image_read_equals(const char *image, const char *guest_path, const void *data, size_t length)
{
    g_autofree char *message = NULL;
    g_autoptr(GBytes) got = NULL;
    const char *error = image_read(image, guest_path, &got, &message);

    ck_assert_msg(error == NULL, "%s: %s: %s", guest_path, error, message);
    ck_assert_uint_eq(g_bytes_get_size(got), length);
    ck_assert_msg(length == 0 || memcmp(g_bytes_get_data(got, NULL), data, length) == 0,
                  "%s differs", guest_path);
}

char *
image_mount(const char *image)
{
    char *mount_point = image_path_of("mount-XXXXXX");

    ck_assert_ptr_nonnull(mkdtemp(mount_point));
    /* ext4 for all three: ext2's and ext3's own drivers may be missing. */
    g_free(
        image_run_words(NULL, "mount", "-t", "ext4", "-o", "loop,ro,noload", image, mount_point));
    return mount_point;
}

void
image_unmount(char *mount_point)
{
    g_free(image_run_words(NULL, "umount", mount_point));
    ck_assert_int_eq(rmdir(mount_point), 0);
    g_free(mount_point);
}

void *
image_bytes(uint32_t seed, size_t length)
{
    uint32_t *words = g_malloc(length + sizeof *words);
    uint32_t word = seed * 2654435761u + 1;

    /* xorshift32: many megabytes of it are made. */
    for (size_t i = 0; i <= length / sizeof *words; i++) {
        word ^= word << 13;
        word ^= word >> 17;
        word ^= word << 5;
        words[i] = word;
    }
    return words;
}

unsigned int
image_count_loops(const char *path)
{
    g_autoptr(GDir) block = g_dir_open("/sys/block", 0, NULL);
    unsigned int n = 0;
    const char *name;
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    while (block != NULL && (name = g_dir_read_name(block)) != NULL) {
        g_autofree char *loop = g_build_filename("/dev", name, NULL);
        banger_autofd int fd = -1;
        struct loop_info64 info;

        if (!g_str_has_prefix(name, "loop"))
            continue;
        fd = open(loop, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        n += fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == st.st_dev &&
             info.lo_inode == st.st_ino;
    }
    return n;
}

static bool
has_no_loops(void *path)
{
    return image_count_loops(path) == 0;
}

void
image_assert_no_loops(const char *path)
{
    rig_wait_for(has_no_loops, (void *)path, "the file to be on no loop device");
}

bool
image_kernel_has_dm(void)
{
    /* The node may be there without a driver behind it; opening it loads the module. */
    banger_autofd int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

    return fd >= 0;
}

bool
image_have_dm(void)
{
    if (image_kernel_has_dm())
        return true;
    harness_skip("no device-mapper in this kernel");
    return false;
}

unsigned int
image_count_workers(void)
{
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    unsigned int n = 0;
    const char *name;

    while ((name = g_dir_read_name(proc)) != NULL) {
        g_autofree char *path = g_build_filename("/proc", name, "comm", NULL);
        g_autofree char *comm = NULL;

        n += g_ascii_isdigit(name[0]) && g_file_get_contents(path, &comm, NULL, NULL) &&
             g_str_has_prefix(comm, "banger-image-w");
    }
    return n;
}
