/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Good images of twenty feature sets, of whose metadata 1 to 64 bits are flipped, and three files
 * written into each, by turns from the message and from descriptors. No worker may crash; and
 * either the write is refused and the image as it was, or e2fsck has no worse to say than before
 * and the superblock is there.
 *
 * BANGER_FUZZ_COUNT is how many images (60 by default), BANGER_FUZZ_SEED where they begin: the
 * image number N is the same in every run.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "util/fd.h"

#define MIB ((uint64_t)1 << 20)
#define BLOCK 1024u
#define DEFAULT_COUNT 60u
#define BITS_MAX 64
#define PART 1000u /* images of one test: libcheck counts its microseconds in 32 bits */
#define MARK "file content, which is not metadata "

static const char *const feature_sets[] = {
    "-t ext4",
    "-t ext3",
    "-t ext2",
    "-t ext2 -b 1024",
    "-t ext4 -b 1024",
    "-t ext4 -b 2048",
    "-t ext4 -O ^extents,^64bit",
    "-t ext4 -O ^64bit",
    "-t ext4 -O 64bit,^metadata_csum",
    "-t ext4 -O ^metadata_csum,uninit_bg",
    "-t ext4 -O metadata_csum,metadata_csum_seed",
    "-t ext4 -O inline_data",
    "-t ext4 -O inline_data,^metadata_csum",
    "-t ext4 -O bigalloc -C 16384",
    "-t ext4 -I 128 -O ^metadata_csum",
    "-t ext4 -O ^has_journal",
    "-t ext4 -O ^has_journal,^metadata_csum -b 1024",
    "-t ext4 -O meta_bg,^resize_inode",
    "-t ext4 -O ea_inode,^metadata_csum",
    "-t ext4 -O sparse_super2,^resize_inode,^flex_bg",
};

/* What the image of a feature set has but zeros. */
typedef struct {
    uint64_t size;
    GByteArray *blocks; /* BLOCK bytes each */
    GArray *numbers;    /* of uint64_t: where they are */
    GArray *metadata;   /* of unsigned int: which of them are to be damaged */
} Base;

static Base bases[G_N_ELEMENTS(feature_sets)];

static void
make_tree(const char *directory)
{
    g_autofree char *script = g_strdup_printf(
        "rm -rf %s; mkdir -p %s/etc/dir && cd %s && for i in $(seq 1 60); do printf '" MARK
        "%%s' $i >etc/dir/file-with-a-name-$i; done && yes '" MARK "' | head -c 60000 >etc/big && "
        "echo '" MARK "' >etc/hostname && ln -s hostname etc/link && "
        "ln -s $(printf '/%%0100d' 1) etc/long && ln etc/hostname etc/hard",
        directory, directory, directory);

    g_free(image_run_words(NULL, "sh", "-ec", script));
}

static void
load_base(Base *base, const char *image)
{
    static const unsigned char zeros[BLOCK];
    unsigned char block[BLOCK];
    banger_autofd int fd = open(image, O_RDONLY | O_CLOEXEC);
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    *base = (Base){(uint64_t)st.st_size, g_byte_array_new(),
                   g_array_new(FALSE, FALSE, sizeof(uint64_t)),
                   g_array_new(FALSE, FALSE, sizeof(unsigned int))};
    for (uint64_t number = 0; number < base->size / BLOCK; number++) {
        ck_assert_int_eq(pread(fd, block, BLOCK, (off_t)(number * BLOCK)), BLOCK);
        if (memcmp(block, zeros, BLOCK) == 0)
            continue;
        if (memmem(block, 128, MARK, strlen(MARK)) == NULL)
            g_array_append_val(base->metadata, base->numbers->len);
        g_array_append_val(base->numbers, number);
        g_byte_array_append(base->blocks, block, BLOCK);
    }
    ck_assert_uint_gt(base->metadata->len, 8);
}

static void
make_bases(void)
{
    g_autofree char *tree = image_path_of("tree");

    make_tree(tree);
    for (size_t i = 0; i < G_N_ELEMENTS(feature_sets); i++) {
        g_autofree char *options = g_strdup_printf("%s -d %s", feature_sets[i], tree);
        g_autofree char *image = image_make("base", 16 * MIB, options);

        load_base(&bases[i], image);
        (void)unlink(image);
    }
    g_free(image_run_words(NULL, "rm", "-r", tree));
}

/* Writes the image number @n to @path: a base with bits flipped. The bits are in @image, too. */
static void
make_image(unsigned int n, const char *path, GByteArray *image)
{
    const Base *base = &bases[n % G_N_ELEMENTS(bases)];
    g_autoptr(GRand) random = g_rand_new_with_seed(n);
    gint n_bits = g_rand_int_range(random, 1, BITS_MAX + 1);
    banger_autofd int fd = -1;

    g_byte_array_set_size(image, (unsigned int)base->size);
    memset(image->data, 0, image->len);
    for (unsigned int i = 0; i < base->numbers->len; i++)
        memcpy(image->data + g_array_index(base->numbers, uint64_t, i) * BLOCK,
               base->blocks->data + (size_t)i * BLOCK, BLOCK);
    for (gint i = 0; i < n_bits; i++) {
        unsigned int which = (unsigned int)g_rand_int_range(random, 0, (gint)base->metadata->len);
        unsigned int block = g_array_index(base->metadata, unsigned int, which);
        uint64_t at = g_array_index(base->numbers, uint64_t, block) * BLOCK;

        image->data[at + (unsigned int)g_rand_int_range(random, 0, BLOCK)] ^=
            (uint8_t)(1u << g_rand_int_range(random, 0, 8));
    }
    (void)unlink(path);
    image_make_file(path, base->size);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    for (unsigned int i = 0; i < base->numbers->len; i++) {
        uint64_t at = g_array_index(base->numbers, uint64_t, i) * BLOCK;

        ck_assert_int_eq(pwrite(fd, image->data + at, BLOCK, (off_t)at), BLOCK);
    }
}

/* What `e2fsck -fn` ends with: 0, 4 for errors, 8 where it finds no file system to check. */
static int
fsck(const char *path, char **ret_text)
{
    int status = -1;

    *ret_text = image_run_words(&status, "e2fsck", "-fn", path);
    return status;
}

static bool
is_unchanged(const char *path, const GByteArray *image)
{
    g_autofree char *now = NULL;
    gsize length = 0;

    ck_assert(g_file_get_contents(path, &now, &length, NULL));
    return length == image->len && memcmp(now, image->data, length) == 0;
}

static bool
has_superblock(const char *path)
{
    banger_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char magic[2] = {0};

    return pread(fd, magic, 2, 1080) == 2 && magic[0] == 0x53 && magic[1] == 0xef;
}

/* WriteExt4FilesFrom, as image_write(). */
static const char *
write_from(const char *path, const ImageFile *files, size_t n, char **ret_message)
{
    sd_bus_message *message = rig_message_new(image_bus(), "WriteExt4FilesFrom");
    sd_bus_error error = SD_BUS_ERROR_NULL;
    const char *name;

    ck_assert_int_ge(sd_bus_message_append(message, "s", path), 0);
    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "(shu)"), 0);
    for (size_t i = 0; i < n; i++) {
        banger_autofd int fd = memfd_create("content", MFD_CLOEXEC);

        ck_assert_int_eq(write(fd, files[i].data, files[i].length), (ssize_t)files[i].length);
        ck_assert_int_ge(sd_bus_message_append(message, "(shu)", files[i].path, fd, files[i].mode),
                         0);
    }
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", ""), 0);
    sd_bus_message_unref(rig_call_message(image_bus(), message, &error));
    name = image_error_name(&error);
    *ret_message = g_strdup(error.message);
    sd_bus_error_free(&error);
    return name;
}

typedef struct {
    unsigned int n_written;
    unsigned int n_refused;
    unsigned int n_refused_later; /* after its journal was replayed */
    unsigned int n_clean_before;
} Figures;

/* Requires what the top of this file says of the image number @n, at @path. */
static void
check_one(unsigned int n, const char *path, GByteArray *image, Figures *figures)
{
    static char content[20000];
    const ImageFile files[] = {{"/etc/hostname", "new\n", 4, 0},
                               {"/etc/link", content, 5000, 0},
                               {"/new/directory/file", content, sizeof content, 0}};
    g_autofree char *message = NULL, *before_text = NULL, *after_text = NULL;
    const char *error;
    int before, after;

    make_image(n, path, image);
    before = fsck(path, &before_text);
    error = (n / G_N_ELEMENTS(bases) % 2 == 0 ? image_write : write_from)(
        path, files, G_N_ELEMENTS(files), &message);
    ck_assert_msg(error == NULL || (strstr(message, "killed") == NULL &&
                                    strstr(message, "makes no sense") == NULL &&
                                    strstr(message, "without an answer") == NULL),
                  "image %u: %s", n, message);
    figures->n_clean_before += before == 0;
    if (error != NULL && is_unchanged(path, image)) {
        figures->n_refused++;
        return;
    }
    figures->n_refused_later += error != NULL;
    figures->n_written += error == NULL;
    after = fsck(path, &after_text);
    ck_assert_msg(after <= before && has_superblock(path),
                  "image %u: %s; e2fsck: %d before, %d after:\n%s\n---\n%s", n,
                  message != NULL ? message : "written", before, after, before_text, after_text);
}

static unsigned int
number_of_parts(void)
{
    return ((unsigned int)harness_number("BANGER_FUZZ_COUNT", DEFAULT_COUNT) + PART - 1) / PART;
}

START_TEST(flipped_bits)
{
    unsigned int total = (unsigned int)harness_number("BANGER_FUZZ_COUNT", DEFAULT_COUNT);
    unsigned int count = MIN(PART, total - (unsigned int)_i * PART);
    unsigned int seed =
        (unsigned int)harness_number("BANGER_FUZZ_SEED", 0) + (unsigned int)_i * PART;
    g_autofree char *path = image_path_of("image");
    g_autoptr(GByteArray) image = g_byte_array_new();
    Figures figures = {0};

    make_bases();
    for (unsigned int n = seed; n < seed + count; n++)
        check_one(n, path, image, &figures);
    g_printerr("%u images: %u written, %u refused, %u refused after their journal was replayed; "
               "e2fsck had nothing to say of %u\n",
               count, figures.n_written, figures.n_refused, figures.n_refused_later,
               figures.n_clean_before);
    ck_assert_uint_gt(figures.n_written, 0);
    ck_assert_uint_gt(figures.n_refused, 0);
    (void)unlink(path);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    image_enter("bus/image-fuzz", argv, NULL);
    suite = suite_create("image-fuzz");
    tcase = tcase_create("image-fuzz");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, flipped_bits, 0, (int)number_of_parts());
    suite_add_tcase(suite, tcase);
    return harness_run("bus/image-fuzz", suite);
}
