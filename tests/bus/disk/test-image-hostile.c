/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images that lie: an error or an answer, in bounded time, and the helper goes on. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "util/fd.h"

#define MIB ((size_t)1 << 20)
#define SEED 20240607
#define N_FLIPPED 2000
#define N_PARTS 4 /* the flipped images run as so many tests */
#define WORKER_TIMEOUT_MSEC "4000"

static const char *const flavours[N_PARTS] = {
    "-t ext4 -b 1024 -O ^metadata_csum,^64bit", "-t ext4 -b 1024", "-t ext2 -b 1024",
    "-t ext4 -b 1024 -O inline_data,^metadata_csum,ea_inode"};

/* A small root, and where its structures are: all but the file's content can be flipped. */
static char *
make_base(const char *options)
{
    char *image = image_make("base", 4 * MIB, options);
    g_autofree char *data = image_bytes(1, 300000);
    ImageFile files[] = {{"/etc/file", data, 300000, 0}, {"/etc/small", "small", 5, 0}};
    g_autofree char *script = image_path_of("script");

    image_write_ok(image, files, 2);
    ck_assert(g_file_set_contents(script,
                                  "symlink /link /etc/file\nmkdir /d\n"
                                  "symlink /d/up ../etc/small\nset_inode_field /d i_size 1024\n",
                                  -1, NULL));
    g_free(image_run_words(NULL, "debugfs", "-w", "-f", script, image));
    (void)unlink(script);
    return image;
}

/*
 * Makes @path a file of the owner's with the @length bytes of @image; with holes, as mke2fs(8)
 * makes it.
 */
static void
put_image(const char *path, const char *image, size_t length)
{
    static const char zeros[4096];
    banger_autofd int fd = -1;

    image_make_file(path, length);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    for (size_t at = 0; at < length; at += sizeof zeros) {
        size_t n = MIN(sizeof zeros, length - at);

        if (memcmp(image + at, zeros, n) != 0)
            ck_assert_int_eq(pwrite(fd, image + at, n, (off_t)at), (ssize_t)n);
    }
}

/*
 * Reads from and writes into @path, whatever comes of it: in bounded time, and what was written can
 * be read.
 */
static void
try_everything(const char *path, const char *what)
{
    static const char *const ways[] = {"/etc/file", "/link", "/d/up", "/d/../etc/small"};
    ImageFile files[] = {{"/etc/file", "new", 3, 0}, {"/etc/a/b", "other", 5, 0}};
    gint64 start = g_get_monotonic_time();
    g_autoptr(GBytes) data = NULL;
    const char *error;

    (void)image_read(path, ways[g_str_hash(what) % G_N_ELEMENTS(ways)], NULL, NULL);
    error = image_write(path, files, 2, NULL);
    if (error == NULL) {
        error = image_read(path, "/etc/a/b", &data, NULL);
        ck_assert_msg(error != NULL || (g_bytes_get_size(data) == 5 &&
                                        memcmp(g_bytes_get_data(data, NULL), "other", 5) == 0),
                      "%s: what was written is not what is read", what);
    } else {
        ck_assert_msg(g_str_equal(error, "OperationFailed") || g_str_equal(error, "BadParams") ||
                          g_str_equal(error, "NotFound") || g_str_equal(error, "NotSupported") ||
                          g_str_equal(error, "Timeout"),
                      "%s: %s", what, error);
    }
    ck_assert_msg(g_get_monotonic_time() - start < rig_timeout_usec(), "%s took too long", what);
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

/*
 * libext2fs would write over the end of its block bitmap (s_first_data_block, at 0x14 of the
 * superblock).
 */
START_TEST(first_block)
{
    g_autofree char *image = make_base(flavours[0]);
    uint32_t block = _i == 0 ? 21 : 2;
    g_autofree char *before = NULL, *after = NULL, *message = NULL;
    ImageFile file = {"/etc/a", "a", 1, 0};
    int fd = open(image, O_WRONLY | O_CLOEXEC);

    ck_assert_int_eq(pwrite(fd, &block, sizeof block, 1024 + 0x14), sizeof block);
    (void)close(fd);
    before = image_digest(image);
    ck_assert_str_eq(image_write(image, &file, 1, &message), "OperationFailed");
    ck_assert_msg(strstr(message, "the file system would begin at block") != NULL, "%s", message);
    ck_assert_str_eq(image_read(image, "/etc/small", NULL, NULL), "OperationFailed");
    after = image_digest(image);
    ck_assert_str_eq(before, after);
}
END_TEST

#define FLIPS_MAX 5

/* A bit that is flipped; again, and it is as it was. */
typedef struct {
    size_t at;
    char bit;
} Flip;

static void
flip(char *image, const Flip *flips, int n_flips)
{
    for (int i = 0; i < n_flips; i++)
        image[flips[i].at] ^= flips[i].bit;
}

START_TEST(flipped_bytes)
{
    g_autofree char *base = make_base(flavours[_i]);
    g_autofree char *path = image_path_of("image");
    g_autofree char *image = NULL;
    g_autoptr(GRand) rand = g_rand_new_with_seed(SEED + (guint32)_i);
    pid_t helper = rig_pid_of("org.banger.Helper1");
    gsize length;

    ck_assert(g_file_get_contents(base, &image, &length, NULL));
    for (int i = 0; i < N_FLIPPED / N_PARTS; i++) {
        g_autofree char *what = g_strdup_printf("flavour %d, image %d", _i, i);
        int n_flips = g_rand_int_range(rand, 1, FLIPS_MAX + 1);
        Flip flips[FLIPS_MAX];

        for (int k = 0; k < n_flips; k++) {
            flips[k].at = pick_offset(rand);
            flips[k].bit = (char)(1 << g_rand_int_range(rand, 0, 8));
        }
        flip(image, flips, n_flips);
        put_image(path, image, length);
        flip(image, flips, n_flips);
        try_everything(path, what);
    }
    ck_assert_int_eq(rig_pid_of("org.banger.Helper1"), helper);
    ck_assert_uint_le(image_count_workers(), 1); /* the next one waits */
    image_assert_no_loops(path);
    (void)unlink(path);
    (void)unlink(base);
}
END_TEST

START_TEST(truncated)
{
    g_autofree char *base = make_base("-t ext4 -b 1024");
    g_autofree char *path = image_path_of("image");
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

/* Numbers in the superblock that no one can have memory for. */
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
    g_autofree char *path = image_path_of("image");
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

#define N_HOSTILE 12
#define N_GROUPS 9000000u

/*
 * Changes the superblock of @image into one of N_GROUPS block groups, whose descriptors alone would
 * take 288 MB of memory.
 */
static void
make_many_groups(const char *image)
{
    static const uint32_t blocks = N_GROUPS * 256u + 1;
    const struct {
        off_t at;
        uint32_t value;
    } fields[] = {{0, N_GROUPS * 8u},
                  {4, blocks},
                  {12, blocks / 2},
                  {16, N_GROUPS * 4u},
                  {20, 1},
                  {24, 0},
                  {28, 0},
                  {32, 256},
                  {36, 256},
                  {40, 8}};
    banger_autofd int fd = open(image, O_WRONLY | O_CLOEXEC);

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        uint32_t value = GUINT32_TO_LE(fields[i].value);

        ck_assert_int_eq(pwrite(fd, &value, sizeof value, 1024 + fields[i].at), sizeof value);
    }
    ck_assert_int_eq(ftruncate(fd, (off_t)blocks * 1024), 0);
}

/* Many at once that would take all the memory there is: each fails alone, and others are served. */
START_TEST(many_groups)
{
    static const char options[] =
        "-t ext4 -b 1024 -O "
        "^metadata_csum,^64bit,^resize_inode,^has_journal,^flex_bg,^sparse_super";
    g_autofree char *good = image_make("image", 16 << 20, "");
    char *images[N_HOSTILE];
    RigPending *pending[N_HOSTILE];
    pid_t helper;

    image_write_ok(good, &(ImageFile){"/f", "x", 1, 0}, 1);
    helper = rig_pid_of("org.banger.Helper1");
    for (int i = 0; i < N_HOSTILE; i++) {
        g_autofree char *name = g_strdup_printf("hostile%d", i);
        sd_bus_message *message = rig_message_new(image_bus(), "ReadExt4File");

        images[i] = image_make(name, 16 << 20, options);
        make_many_groups(images[i]);
        ck_assert_int_ge(sd_bus_message_append(message, "sss", images[i], "/f", ""), 0);
        pending[i] = rig_call_start(image_bus(), message);
    }
    image_read_equals(good, "/f", "x", 1);
    for (int i = 0; i < N_HOSTILE; i++) {
        rig_pending_wait(image_bus(), pending[i]);
#ifndef __SANITIZE_ADDRESS__ /* with which a worker has no limit on memory */
        ck_assert_str_eq(pending[i]->error_name, "org.banger.Helper1.Error.OperationFailed");
        ck_assert_msg(strstr(pending[i]->error_message, "Memory allocation failed") != NULL, "%s",
                      pending[i]->error_message);
#endif
        rig_pending_free(pending[i]);
        (void)unlink(images[i]);
        g_free(images[i]);
    }
    image_read_equals(good, "/f", "x", 1);
    ck_assert_int_eq(rig_pid_of("org.banger.Helper1"), helper);
    (void)unlink(good);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("image-hostile");
    TCase *tcase = tcase_create("hostile");

    (void)argc;
    (void)g_setenv("BANGER_IMAGE_TIMEOUT_MSEC", WORKER_TIMEOUT_MSEC, TRUE);
    image_enter("bus/image-hostile", argv, NULL);
    tcase_set_timeout(tcase, 400);
    tcase_add_test(tcase, truncated);
    tcase_add_test(tcase, absurd_sizes);
    tcase_add_loop_test(tcase, first_block, 0, 2);
    tcase_add_loop_test(tcase, flipped_bytes, 0, N_PARTS);
    tcase_add_test(tcase, many_groups);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/image-hostile", suite);
}
