/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images that lie, and a worker that a hostile image took over: an error or an answer, in bounded
 * time, and the helper goes on. The worker misbehaves by image-worker/hooks.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/image-aid.h"
#include "image-worker/hooks.h"
#include "sys/loop.h"
#include "sys/worker.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/worker-protocol.h"

#define MIB ((size_t)1 << 20)
#define SEED 20240607
#define N_FLIPPED 2000
#define N_PARTS 4 /* the flipped images run as so many tests */
#define CALL_MAX (20 * G_USEC_PER_SEC)
#define WORKER_TIMEOUT_MSEC "4000"

static const char *const flavours[N_PARTS] = {
    "-t ext4 -b 1024 -O ^metadata_csum,^64bit", "-t ext4 -b 1024", "-t ext2 -b 1024",
    "-t ext4 -b 1024 -O inline_data,^metadata_csum,ea_inode"};

/* A small root, and where its structures are: all but the file's content can be flipped. */
static char *
make_base(const char *options)
{
    char *image = aid_make_image("base", 4 * MIB, options);
    g_autofree char *data = aid_bytes(1, 300000);
    AidFile files[] = {{"/etc/file", data, 300000, 0}, {"/etc/small", "small", 5, 0}};
    g_autofree char *script = aid_path("script");

    aid_write_ok(image, files, 2);
    ck_assert(g_file_set_contents(script,
                                  "symlink /link /etc/file\nmkdir /d\n"
                                  "symlink /d/up ../etc/small\nset_inode_field /d i_size 1024\n",
                                  -1, NULL));
    g_free(aid_run_words(NULL, "debugfs", "-w", "-f", script, image));
    (void)unlink(script);
    return image;
}

/* Writes the @length bytes of @image to @path, as a file of the owner's. */
static void
put_image(const char *path, const void *image, size_t length)
{
    banger_autofd int fd = -1;

    aid_make_file(path, 0);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, image, length), (ssize_t)length);
}

/*
 * Reads from and writes into @path, whatever comes of it: in bounded time, and what was written can
 * be read.
 */
static void
try_everything(const char *path, const char *what)
{
    static const char *const ways[] = {"/etc/file", "/link", "/d/up", "/d/../etc/small"};
    AidFile files[] = {{"/etc/file", "new", 3, 0}, {"/etc/a/b", "other", 5, 0}};
    gint64 start = g_get_monotonic_time();
    g_autoptr(GBytes) data = NULL;
    const char *error;

    (void)aid_read(path, ways[g_str_hash(what) % G_N_ELEMENTS(ways)], NULL, NULL);
    error = aid_write(path, files, 2, NULL);
    if (error == NULL) {
        error = aid_read(path, "/etc/a/b", &data, NULL);
        ck_assert_msg(error != NULL || (g_bytes_get_size(data) == 5 &&
                                        memcmp(g_bytes_get_data(data, NULL), "other", 5) == 0),
                      "%s: what was written is not what is read", what);
    } else {
        ck_assert_msg(g_str_equal(error, "OperationFailed") || g_str_equal(error, "BadParams") ||
                          g_str_equal(error, "NotFound") || g_str_equal(error, "NotSupported") ||
                          g_str_equal(error, "Timeout"),
                      "%s: %s", what, error);
    }
    ck_assert_msg(g_get_monotonic_time() - start < CALL_MAX, "%s took too long", what);
}

/* Where the structures are: the first blocks, and every block of a directory or an extent tree. */
static size_t
pick_offset(GRand *rand)
{
    switch (g_rand_int_range(rand, 0, 4)) {
    case 0:
        return 1024 + (size_t)g_rand_int_range(rand, 0, 1024); /* the superblock */
    case 1:
        return 2048 + (size_t)g_rand_int_range(rand, 0, 64); /* the group descriptors */
    default:
        return 2048 + (size_t)g_rand_int_range(rand, 0, 256 * 1024); /* bitmaps, inodes, and on */
    }
}

/* libext2fs would write over the end of its block bitmap (s_first_data_block, at 0x14 of the
 * superblock). */
START_TEST(first_block)
{
    g_autofree char *image = make_base(flavours[0]);
    uint32_t block = _i == 0 ? 21 : 2;
    g_autofree char *before = NULL, *after = NULL, *message = NULL;
    AidFile file = {"/etc/a", "a", 1, 0};
    int fd = open(image, O_WRONLY | O_CLOEXEC);

    ck_assert_int_eq(pwrite(fd, &block, sizeof block, 1024 + 0x14), sizeof block);
    (void)close(fd);
    before = aid_digest(image);
    ck_assert_str_eq(aid_write(image, &file, 1, &message), "OperationFailed");
    ck_assert_msg(strstr(message, "the file system would begin at block") != NULL, "%s", message);
    ck_assert_str_eq(aid_read(image, "/etc/small", NULL, NULL), "OperationFailed");
    after = aid_digest(image);
    ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(flipped_bytes)
{
    g_autofree char *base = make_base(flavours[_i]);
    g_autofree char *path = aid_path("image");
    g_autofree char *original = NULL;
    g_autoptr(GRand) rand = g_rand_new_with_seed(SEED + (guint32)_i);
    pid_t helper = rig_pid_of("org.banger.Helper1");
    gsize length;

    ck_assert(g_file_get_contents(base, &original, &length, NULL));
    for (int i = 0; i < N_FLIPPED / N_PARTS; i++) {
        g_autofree char *image = g_memdup2(original, length);
        g_autofree char *what = g_strdup_printf("flavour %d, image %d", _i, i);
        int n_flips = g_rand_int_range(rand, 1, 6);

        for (int k = 0; k < n_flips; k++)
            image[pick_offset(rand)] ^= (char)(1 << g_rand_int_range(rand, 0, 8));
        put_image(path, image, length);
        try_everything(path, what);
    }
    ck_assert_int_eq(rig_pid_of("org.banger.Helper1"), helper);
    ck_assert_uint_le(aid_count_workers(), 1); /* the next one waits */
    ck_assert_uint_eq(aid_count_loops(path), 0);
    (void)unlink(path);
    (void)unlink(base);
}
END_TEST

START_TEST(truncated)
{
    g_autofree char *base = make_base("-t ext4 -b 1024");
    g_autofree char *path = aid_path("image");
    g_autofree char *original = NULL;
    gsize length;

    ck_assert(g_file_get_contents(base, &original, &length, NULL));
    for (gsize cut = 512; cut < length; cut = cut * 5 / 3 + 1) {
        g_autofree char *what = g_strdup_printf("cut after %zu", cut);

        put_image(path, original, cut);
        try_everything(path, what);
    }
    (void)unlink(path);
    (void)unlink(base);
}
END_TEST

/* Numbers in the superblock that nobody can have memory for. */
START_TEST(absurd_sizes)
{
    static const struct {
        size_t offset; /* in the superblock */
        uint32_t value;
    } absurd[] = {
        {0x00, 0xffffffff}, {0x04, 0xffffffff}, {0x04, 0x7fffffff}, {0x18, 6},
        {0x18, 31},         {0x1c, 31},         {0x20, 1},          {0x20, 0xffffffff},
        {0x28, 1},          {0x28, 0xffffffff}, {0x14, 0xffffffff}, {0x54, 0xffffffff},
        {0x58, 0x0000ffff}, {0xce, 0xffff},     {0x150, 0xffff},    {0xfe, 0xffff},
        {0x4c, 0xffffffff}, {0xe8, 7},          {0x174, 31},
    };
    g_autofree char *base = make_base("-t ext4 -b 1024 -O ^metadata_csum");
    g_autofree char *path = aid_path("image");
    g_autofree char *original = NULL;
    gsize length;

    ck_assert(g_file_get_contents(base, &original, &length, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(absurd); i++) {
        g_autofree char *image = g_memdup2(original, length);
        g_autofree char *what = g_strdup_printf("0x%x at 0x%zx", absurd[i].value, absurd[i].offset);

        memcpy(image + 1024 + absurd[i].offset, &absurd[i].value, sizeof absurd[i].value);
        put_image(path, image, length);
        try_everything(path, what);
    }
    (void)unlink(path);
    (void)unlink(base);
}
END_TEST

/* What the worker does, and what the caller is told. */
START_TEST(worker_misbehaves)
{
    static const struct {
        const char *hook;
        const char *error;
        const char *words;
    } cases[] = {
        {"crash", "OperationFailed", "the image worker was killed"},
        {"hang", "Timeout", "not done in time"},
        {"spin", "Timeout", "not done in time"},
        {"lie-magic", "OperationFailed", "makes no sense"},
        {"lie-length", "OperationFailed", "makes no sense"},
        {"lie-status", "OperationFailed", "makes no sense"},
        {"lie-short", "OperationFailed", "without an answer"},
    };
    g_autofree char *image = aid_make_image("image", 4 * MIB, "");
    g_autofree char *hook = g_strconcat(BANGER_HOOK_PREFIX, cases[_i].hook, NULL);
    g_autofree char *message = NULL;
    g_autofree char *before = aid_digest(image), *after = NULL;
    AidFile file = {hook, "x", 1, 0};
    pid_t helper;

    ck_assert_str_eq(aid_read(image, hook, NULL, &message), cases[_i].error);
    ck_assert_msg(strstr(message, cases[_i].words) != NULL, "%s", message);
    helper = rig_pid_of("org.banger.Helper1");
    ck_assert_str_eq(aid_write(image, &file, 1, NULL), cases[_i].error);
    ck_assert_uint_le(aid_count_workers(), 1); /* the next one waits */
    ck_assert_int_eq(rig_pid_of("org.banger.Helper1"), helper);
    after = aid_digest(image);
    ck_assert_str_eq(before, after);
    file.path = "/fine";
    aid_write_ok(image, &file, 1);
    (void)unlink(image);
}
END_TEST

/* A worker that stops while it writes. */
START_TEST(worker_hangs_in_commit)
{
    g_autofree char *image = aid_make_image("image", 4 * MIB, "");
    g_autofree char *message = NULL;
    AidFile file = {BANGER_HOOK_PREFIX "lie-committing", "x", 1, 0};

    ck_assert_str_eq(aid_write(image, &file, 1, &message), "Timeout");
    ck_assert_msg(strstr(message, "may have been changed in part") != NULL, "%s", message);
    (void)unlink(image);
}
END_TEST

START_TEST(worker_eats_memory)
{
    g_autofree char *image = aid_make_image("image", 4 * MIB, "");
    static const char expected[] = "refused: memory: errno 12\n";

    aid_read_equals(image, BANGER_HOOK_PREFIX "memory", expected, strlen(expected));
    (void)unlink(image);
}
END_TEST

static const char *const probes[] = {
    "probe-code",   "probe-exec",        "probe-fork",    "probe-kill",
    "probe-mount",  "probe-open",        "probe-ptrace",  "probe-setuid",
    "probe-socket", "probe-unix-socket", "probe-unshare",
};

/* As libext2fs: each attempt is the end of the worker. */
START_TEST(sandbox_of_library)
{
    g_autofree char *image = aid_make_image("image", 4 * MIB, "");
    g_autofree char *hook = g_strconcat(BANGER_HOOK_PREFIX, probes[_i], NULL);
    g_autofree char *message = NULL;

    ck_assert_str_eq(aid_read(image, hook, NULL, &message), "OperationFailed");
    ck_assert_msg(strstr(message, "system call") != NULL, "%s", message);
    (void)unlink(image);
}
END_TEST

/* The image is written to within its size, and takes no more of the host's disk than that. */
START_TEST(sandbox_bounds_the_image)
{
    g_autofree char *image = aid_make_image("image", 4 * MIB, "");
    AidFile file = {BANGER_HOOK_PREFIX "probe-allocate", "x", 1, 0};
    struct stat st;

    ck_assert_str_eq(aid_write(image, &file, 1, NULL), "OperationFailed");
    ck_assert_int_eq(stat(image, &st), 0);
    ck_assert_int_eq(st.st_size, 4 * MIB);
    ck_assert_int_le(st.st_blocks, (4 + 2) * MIB / 512);
    file.path = "/fine";
    aid_write_ok(image, &file, 1);
    (void)unlink(image);
}
END_TEST

START_TEST(sandbox_has_no_other_descriptor)
{
    g_autofree char *image = aid_make_image("image", 4 * MIB, "");
    static const char expected[] = "refused: probe-write: errno 9\n";

    aid_read_equals(image, BANGER_HOOK_PREFIX "probe-write", expected, strlen(expected));
    (void)unlink(image);
}
END_TEST

/* Starts a worker that runs the hook @probe in the place of e2fsck, on a loop device. */
static int
start_in_cage(const char *probe, BangerWorker *worker, char **ret_device)
{
    const struct passwd *owner = getpwnam(BANGER_OWNER);
    BangerSettings settings = {.owner_user = owner->pw_name, .owner_uid = owner->pw_uid};
    g_autofree char *image = aid_make_image("image", 4 * MIB, "");
    banger_autofd int fd = open(image, O_RDWR | O_CLOEXEC);
    banger_autofd int loop = banger_loop_attach(fd, image, false, ret_device, NULL);

    ck_assert_int_ge(loop, 0);
    ck_assert(banger_worker_start(worker, &settings, probe, loop, CALL_MAX, NULL));
    (void)unlink(image);
    return banger_steal_fd(&loop);
}

/* What @probe could do there. */
static char *
probe_cage(const char *probe)
{
    g_auto(BangerWorker) worker = BANGER_WORKER_INIT;
    g_autofree char *device = NULL;
    banger_autofd int loop = start_in_cage(probe, &worker, &device);
    BangerWorkerReply reply;
    char *answer;
    int status;

    ck_assert_int_ge(loop, 0);
    ck_assert(banger_worker_receive(&worker, &reply, sizeof reply, NULL));
    ck_assert_uint_lt(reply.length, 256);
    answer = g_malloc0(reply.length + 1);
    ck_assert(banger_worker_receive(&worker, answer, reply.length, NULL));
    ck_assert(banger_worker_wait(&worker, &status, NULL));
    return answer;
}

START_TEST(sandbox_of_e2fsck)
{
    g_autofree char *answer = NULL;

    if (g_str_equal(probes[_i], "probe-code")) /* a program must be loaded there */
        return;
    answer = probe_cage(probes[_i]);
    ck_assert_msg(g_str_has_prefix(answer, "refused: "), "%s", answer);
}
END_TEST

/* What libext2fs gets a no for, and e2fsck might have needed some of. */
START_TEST(sandbox_of_e2fsck_requests)
{
    static const char *const requests[] = {"probe-loop", "probe-signal-flag", "probe-signal-number",
                                           "probe-signal-owner"};

    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        g_autofree char *expected = g_strdup_printf("refused: %s: errno %d\n", requests[i], EPERM);
        g_autofree char *answer = probe_cage(requests[i]);

        ck_assert_str_eq(answer, expected);
    }
}
END_TEST

START_TEST(sandbox_of_e2fsck_threads)
{
    g_autofree char *expected = g_strdup_printf("refused: probe-threads: errno %d\n", EAGAIN);
    g_autofree char *answer = probe_cage("probe-threads");

    ck_assert_str_eq(answer, expected);
}
END_TEST

/* What never stops talking is stopped when its time is over. */
START_TEST(time_is_over_while_it_talks)
{
    g_auto(BangerWorker) worker = BANGER_WORKER_INIT;
    g_autofree char *device = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    banger_autofd int loop = start_in_cage("babble", &worker, &device);

    ck_assert(!banger_worker_receive_tail(&worker, 1024, text, &error));
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_TIMEOUT));
    ck_assert_uint_le(text->len, 1024);
    ck_assert_int_ge(loop, 0);
}
END_TEST

START_TEST(sandbox_of_e2fsck_descriptors)
{
    g_autofree char *answer = probe_cage("probe-write");

    ck_assert_msg(g_str_has_prefix(answer, "refused: "), "%s", answer);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("image-hostile");
    TCase *cage = tcase_create("cage");
    TCase *tcase = tcase_create("hostile");

    (void)argc;
    (void)g_setenv("BANGER_IMAGE_TIMEOUT_MSEC", WORKER_TIMEOUT_MSEC, TRUE);
    aid_enter("bus/image-hostile", argv, NULL);
    tcase_set_timeout(cage, 400);
    tcase_set_timeout(tcase, 400);
    tcase_add_loop_test(cage, worker_misbehaves, 0, 7);
    tcase_add_test(cage, worker_hangs_in_commit);
    tcase_add_test(cage, worker_eats_memory);
    tcase_add_loop_test(cage, sandbox_of_library, 0, G_N_ELEMENTS(probes));
    tcase_add_test(cage, sandbox_bounds_the_image);
    tcase_add_test(cage, sandbox_has_no_other_descriptor);
    tcase_add_loop_test(cage, sandbox_of_e2fsck, 0, G_N_ELEMENTS(probes));
    tcase_add_test(cage, sandbox_of_e2fsck_requests);
    tcase_add_test(cage, sandbox_of_e2fsck_threads);
    tcase_add_test(cage, time_is_over_while_it_talks);
    tcase_add_test(cage, sandbox_of_e2fsck_descriptors);
    tcase_add_test(tcase, truncated);
    tcase_add_test(tcase, absurd_sizes);
    tcase_add_loop_test(tcase, first_block, 0, 2);
    tcase_add_loop_test(tcase, flipped_bytes, 0, N_PARTS);
    suite_add_tcase(suite, cage);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/image-hostile", suite);
}
