/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ReadExt4FileTo and WriteExt4FilesFrom: every kind of image and of descriptor, what is refused,
 * and how much memory a worker takes. BANGER_STREAM_SIZE is the size in bytes of the large file of
 * the last (64 MiB by default).
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "util/fd.h"

#define MIB ((uint64_t)1 << 20)
#define MEMORY_MAX_KIB (64u << 10)

typedef struct {
    const char *path;
    int fd;
    uint32_t mode;
} From;

static sd_bus_message *
message_of(const char *image, const From *files, size_t n)
{
    sd_bus_message *message = rig_message_new(image_bus(), "WriteExt4FilesFrom");

    ck_assert_int_ge(sd_bus_message_append(message, "s", image), 0);
    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "(shu)"), 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_ge(
            sd_bus_message_append(message, "(shu)", files[i].path, files[i].fd, files[i].mode), 0);
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", ""), 0);
    return message;
}

/* The error's name, or NULL; its message in *@ret_message. */
static const char *
write_from(const char *image, const From *files, size_t n, char **ret_message)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = rig_call_message(image_bus(), message_of(image, files, n), &error);
    const char *name = image_error_name(&error);

    *ret_message = g_strdup(error.message);
    sd_bus_message_unref(reply);
    sd_bus_error_free(&error);
    return name;
}

static void
write_from_ok(const char *image, const From *files, size_t n)
{
    g_autofree char *message = NULL;
    const char *error = write_from(image, files, n, &message);

    ck_assert_msg(error == NULL, "%s: %s", error, message);
}

/* The error's name, or NULL. */
static const char *
read_to(const char *image, const char *path, int fd, uint64_t *ret_size)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply =
        rig_call(image_bus(), "ReadExt4FileTo", &error, "sshs", image, path, fd, "");
    const char *name = image_error_name(&error);

    if (reply != NULL)
        ck_assert_int_ge(sd_bus_message_read(reply, "t", ret_size), 0);
    sd_bus_message_unref(reply);
    sd_bus_error_free(&error);
    return name;
}

/* A memfd with @data, its offset at the end, as its writer leaves it. */
static int
make_content(const void *data, size_t length)
{
    int fd = memfd_create("content", MFD_CLOEXEC);

    ck_assert_int_eq(write(fd, data, length), (ssize_t)length);
    return fd;
}

static void
read_equals(const char *image, const char *path, const void *data, size_t length)
{
    banger_autofd int fd = memfd_create("got", MFD_CLOEXEC);
    g_autofree char *got = g_malloc(length + 1);
    uint64_t size = 0;

    ck_assert_ptr_null(read_to(image, path, fd, &size));
    ck_assert_uint_eq(size, length);
    ck_assert_int_eq(pread(fd, got, length + 1, 0), (ssize_t)length);
    ck_assert_int_eq(memcmp(got, data, length), 0);
}

static const char *const kinds[] = {
    "-t ext4",
    "-t ext2",
    "-t ext3 -b 1024",
    "-t ext4 -b 1024 -O ^metadata_csum",
    "-t ext4 -O bigalloc -C 65536",
    "-t ext4 -O inline_data",
    "-t ext4 -O ^has_journal,^flex_bg",
};

/* New files, then others in their place, and a file that others have beside them. */
START_TEST(round_trip)
{
    static const size_t sizes[] = {0, 1, 5000, 3 * MIB + 17};
    g_autofree char *image = image_make("image", 64 * MIB, kinds[_i]);
    g_autofree char *data = image_bytes(11, 4 * MIB);
    From files[G_N_ELEMENTS(sizes)];
    char names[G_N_ELEMENTS(sizes)][32];

    image_write_ok(image, &(ImageFile){"/dir/2", data, 2 * MIB, 0}, 1);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
            g_snprintf(names[i], sizeof names[i], "/dir/%zu", i);
            files[i] = (From){names[i], make_content(data + round, sizes[i]), 0600};
        }
        write_from_ok(image, files, G_N_ELEMENTS(sizes));
        image_check_clean(image);
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
            read_equals(image, names[i], data + round, sizes[i]);
            image_read_equals(image, names[i], data + round, sizes[i]);
            (void)close(files[i].fd);
        }
    }
    (void)unlink(image);
}
END_TEST

/* Free space in two thousand pieces: a tree of extents that is more than one block. */
START_TEST(fragmented)
{
    g_autofree char *image = image_make("image", 48 * MIB, _i == 0 ? "-t ext4 -b 1024" : "-t ext2");
    g_autofree char *data = image_bytes(14, 20 * MIB), *script = image_path_of("script");
    g_autoptr(GString) commands = g_string_new(NULL);
    g_autofree ImageFile *files = g_new0(ImageFile, 250);
    From file = {"/large", -1, 0};
    size_t length = 10 * MIB + 3;

    for (unsigned int round = 0; round < 16; round++) {
        for (unsigned int i = 0; i < 250; i++) {
            files[i] = (ImageFile){g_strdup_printf("/d%u/f%u", round, i), data + i, 8000, 0};
            if (i % 2 == 0)
                g_string_append_printf(commands, "rm %s\n", files[i].path);
        }
        image_write_ok(image, files, 250);
        for (unsigned int i = 0; i < 250; i++)
            g_free((char *)files[i].path);
    }
    /* What is left in one piece goes to one file, and what lies between the small ones stays. */
    image_write_ok(image, &(ImageFile){"/filler", data, _i == 0 ? 4 * MIB : 8 * MIB, 0}, 1);
    ck_assert(g_file_set_contents(script, commands->str, -1, NULL));
    g_free(image_run_words(NULL, "debugfs", "-w", "-f", script, image));
    file.fd = make_content(data, length);
    write_from_ok(image, &file, 1);
    image_check_clean(image);
    read_equals(image, "/large", data, length);
    if (_i == 0) {
        g_autofree char *extents = image_run_words(NULL, "debugfs", "-R", "ex /large", image);
        g_auto(GStrv) lines = g_strsplit(extents, "\n", -1);

        ck_assert_uint_gt(g_strv_length(lines), 500);
    }
    (void)close(file.fd);
    (void)unlink(script);
    (void)unlink(image);
}
END_TEST

typedef struct {
    int fd;
    const char *data;
    size_t length;
} Feed;

static void *
feed(void *data)
{
    Feed *wanted = data;

    for (size_t done = 0; done < wanted->length;) {
        ssize_t n = write(wanted->fd, wanted->data + done, wanted->length - done);

        if (n <= 0)
            break;
        done += (size_t)n;
    }
    (void)close(wanted->fd);
    return NULL;
}

/* Pipes, blocking and not, both ways: the size of what is in them is not known before. */
START_TEST(pipes)
{
    g_autofree char *image = image_make("image", 64 * MIB, "-t ext4");
    g_autofree char *data = image_bytes(12, 3 * MIB);
    g_autofree char *got = g_malloc(3 * MIB);
    int ends[2];
    Feed wanted = {-1, data, 3 * MIB};
    From file = {"/f", -1, 0};
    pthread_t thread;
    sd_bus_message *message;
    RigPending *pending;
    size_t length = 0;
    ssize_t n;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC | (_i == 1 ? O_NONBLOCK : 0)), 0);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, 0), 0);
    wanted.fd = ends[1];
    file.fd = ends[0];
    ck_assert_int_eq(pthread_create(&thread, NULL, feed, &wanted), 0);
    write_from_ok(image, &file, 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    (void)close(ends[0]);
    image_check_clean(image);
    image_read_equals(image, "/f", data, 3 * MIB);

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC | (_i == 1 ? O_NONBLOCK : 0)), 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, 0), 0);
    message = rig_message_new(image_bus(), "ReadExt4FileTo");
    ck_assert_int_ge(sd_bus_message_append(message, "sshs", image, "/f", ends[1], ""), 0);
    pending = rig_call_start(image_bus(), message);
    (void)close(ends[1]);
    while ((n = read(ends[0], got + length, 3 * MIB - length)) > 0)
        length += (size_t)n;
    rig_pending_wait(image_bus(), pending);
    ck_assert_ptr_null(pending->error_name);
    rig_pending_free(pending);
    ck_assert_uint_eq(length, 3 * MIB);
    ck_assert_int_eq(memcmp(got, data, length), 0);
    (void)close(ends[0]);
    (void)unlink(image);
}
END_TEST

/* Requires that writing @file is refused, and that no byte of the image changes. */
static void
refused(const char *image, const From *files, size_t n, const char *error, const char *words)
{
    g_autofree char *before = image_digest(image), *after = NULL, *message = NULL;
    const char *got = write_from(image, files, n, &message);

    ck_assert_msg(g_strcmp0(got, error) == 0, "%s: %s", got, message);
    ck_assert_msg(strstr(message, words) != NULL, "no \"%s\" in: %s", words, message);
    after = image_digest(image);
    ck_assert_str_eq(before, after);
}

START_TEST(refusals)
{
    g_autofree char *image = image_make("image", 16 * MIB, "-t ext4");
    banger_autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    banger_autofd int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    banger_autofd int path = open("/etc/passwd", O_PATH | O_CLOEXEC);
    banger_autofd int read_only = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    banger_autofd int large = memfd_create("large", MFD_CLOEXEC);
    From files[] = {{"/good", read_only, 0}, {"/f", -1, 0}};
    From many[17];
    uint64_t size;

    ck_assert_int_eq(ftruncate(large, 32 * MIB), 0);
    files[1].fd = null;
    refused(image, files, 2, "BadParams", "neither of a regular file nor of a pipe");
    files[1].fd = directory;
    refused(image, files, 2, "BadParams", "neither of a regular file nor of a pipe");
    files[1].fd = path;
    refused(image, files, 2, "BadParams", "not open for reading");
    files[1] = (From){"/f", large, 0};
    refused(image, files, 2, "OperationFailed", "no space left in the image");
    files[1] = (From){"/", read_only, 0};
    refused(image, files, 2, "BadParams", "");
    files[1] = (From){"/lost+found", read_only, 0};
    refused(image, files, 2, "BadParams", "is a directory");
    files[1] = (From){"/good/below", read_only, 0};
    image_write_ok(image, &(ImageFile){"/good", "x", 1, 0}, 1);
    refused(image, files, 2, "BadParams", "no directory");
    for (size_t i = 0; i < G_N_ELEMENTS(many); i++)
        many[i] = (From){"/f", read_only, 0};
    refused(image, many, 0, "BadParams", "files");
    ck_assert_str_eq(read_to(image, "/good", read_only, &size), "BadParams");
    ck_assert_str_eq(read_to(image, "/good", null, &size), "BadParams");
    ck_assert_str_eq(read_to(image, "/none", large, &size), "NotFound");
    ck_assert_str_eq(read_to(image, "/lost+found", large, &size), "BadParams");
    image_check_clean(image);
    (void)unlink(image);
}
END_TEST

/* What fails after content came leaves the file system as it was. */
START_TEST(fails_half_way)
{
    g_autofree char *image = image_make("image", 16 * MIB, "-t ext4");
    g_autofree char *data = image_bytes(13, 32 * MIB);
    g_autofree char *message = NULL;
    int ends[2];
    Feed wanted = {-1, data, 32 * MIB};
    From files[] = {{"/f", make_content("new", 3), 0}, {"/g", -1, 0}};
    pthread_t thread;

    image_write_ok(image, &(ImageFile){"/f", "old", 3, 0}, 1);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    wanted.fd = ends[1];
    files[1].fd = ends[0];
    (void)signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pthread_create(&thread, NULL, feed, &wanted), 0);
    ck_assert_str_eq(write_from(image, files, 2, &message), "OperationFailed");
    ck_assert_msg(strstr(message, "no space left in the image") != NULL, "%s", message);
    (void)close(ends[0]);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    image_check_clean(image);
    image_read_equals(image, "/f", "old", 3);
    ck_assert_str_eq(image_read(image, "/g", NULL, NULL), "NotFound");
    (void)close(files[0].fd);
    (void)unlink(image);
}
END_TEST

/* The most memory that a worker which runs now has had, in KiB (VmHWM of /proc/PID/status). */
static unsigned int
peak_memory(void)
{
    g_autofree char *text =
        image_run_words(NULL, "sh", "-c",
                        "for p in $(pgrep banger-image-w); do sed -n 's/^VmHWM:[[:space:]]*//p' "
                        "/proc/$p/status 2>&1; done | sort -n | tail -1");

    return (unsigned int)g_ascii_strtoull(text, NULL, 10);
}

/* A call that may take longer than those of the rig. */
typedef struct {
    sd_bus_message *message;
    atomic_bool done;
    char *error;
} LongCall;

static void *
make_call(void *data)
{
    LongCall *call = data;
    sd_bus_error error = SD_BUS_ERROR_NULL;

    if (sd_bus_call(image_bus(), call->message, 600 * G_USEC_PER_SEC, &error, NULL) < 0)
        call->error = g_strdup(error.message);
    sd_bus_error_free(&error);
    sd_bus_message_unref(call->message);
    call->done = true;
    return NULL;
}

/* Waits for the answer to @message; the most memory that a worker had meanwhile. */
static unsigned int
call_and_watch(sd_bus_message *message)
{
    LongCall call = {.message = message};
    unsigned int peak = 0;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, make_call, &call), 0);
    while (!call.done) {
        unsigned int now = peak_memory();

        peak = MAX(peak, now);
        g_usleep(20000);
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_msg(call.error == NULL, "%s", call.error);
    return peak;
}

START_TEST(memory)
{
    const uint64_t size = harness_number("BANGER_STREAM_SIZE", 64 * MIB);
    g_autofree char *image = image_make("image", size + size / 8 + 64 * MIB, "-t ext4");
    g_autofree char *source = image_path_of("source");
    banger_autofd int fd = -1;
    From file = {"/large", -1, 0};
    sd_bus_message *message;
    unsigned int written, read;
    struct stat st;

    image_make_file(source, size);
    fd = open(source, O_RDWR | O_CLOEXEC);
    file.fd = fd;
    written = call_and_watch(message_of(image, &file, 1));
    image_check_clean(image);
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    message = rig_message_new(image_bus(), "ReadExt4FileTo");
    ck_assert_int_ge(sd_bus_message_append(message, "sshs", image, "/large", fd, ""), 0);
    read = call_and_watch(message);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_uint_eq((uint64_t)st.st_size, size);
    g_printerr("%ju MiB: a worker had at most %u KiB when writing, %u KiB when reading\n",
               (uintmax_t)(size / MIB), written, read);
    ck_assert_uint_gt(MIN(written, read), 0);
#ifndef __SANITIZE_ADDRESS__
    ck_assert_uint_lt(written, MEMORY_MAX_KIB);
    ck_assert_uint_lt(read, MEMORY_MAX_KIB);
#endif
    (void)unlink(source);
    (void)unlink(image);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    image_enter("bus/image-stream", argv, NULL);
    suite = suite_create("image-stream");
    tcase = tcase_create("image-stream");
    tcase_set_timeout(tcase, 600);
    tcase_add_loop_test(tcase, round_trip, 0, (int)G_N_ELEMENTS(kinds));
    tcase_add_loop_test(tcase, fragmented, 0, 2);
    tcase_add_loop_test(tcase, pipes, 0, 2);
    tcase_add_test(tcase, refusals);
    tcase_add_test(tcase, fails_half_way);
    tcase_add_test(tcase, memory);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/image-stream", suite);
}
