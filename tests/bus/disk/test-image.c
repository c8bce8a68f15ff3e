/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files written into images of every kind, and read back by the helper, by a mount and by debugfs.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "model/bounds.h"

#define MIB ((uint64_t)1 << 20)

typedef struct {
    const char *name;
    const char *options; /* of mke2fs */
    uint64_t size;
} Kind;

static const Kind kinds[] = {
    {"ext4", "-t ext4", 128 * MIB},
    {"ext3", "-t ext3", 128 * MIB},
    {"ext2", "-t ext2", 128 * MIB},
    {"ext2-1k", "-t ext2 -b 1024", 128 * MIB},
    {"ext4-1k", "-t ext4 -b 1024", 128 * MIB},
    {"ext4-2k", "-t ext4 -b 2048", 128 * MIB},
    {"ext4-4k", "-t ext4 -b 4096", 128 * MIB},
    {"ext4-no-extents", "-t ext4 -O ^extents,^64bit", 128 * MIB},
    {"ext4-64bit", "-t ext4 -O 64bit", 128 * MIB},
    {"ext4-no-64bit", "-t ext4 -O ^64bit", 128 * MIB},
    {"ext4-metadata-csum", "-t ext4 -O metadata_csum", 128 * MIB},
    {"ext4-no-metadata-csum", "-t ext4 -O ^metadata_csum,uninit_bg", 128 * MIB},
    {"ext4-csum-seed", "-t ext4 -O metadata_csum,metadata_csum_seed", 128 * MIB},
    {"ext4-inline-data", "-t ext4 -O inline_data", 128 * MIB},
    {"ext4-bigalloc", "-t ext4 -O bigalloc -C 65536", 128 * MIB},
    {"ext4-small-inodes", "-t ext4 -I 128", 128 * MIB},
    {"ext4-no-journal", "-t ext4 -O ^has_journal", 128 * MIB},
    {"ext4-meta-bg", "-t ext4 -O meta_bg,^resize_inode", 128 * MIB},
    {"ext4-sparse-16g", "-t ext4", 16384 * MIB},
};

/* Requires that the guest's file is what it should be, as a mount of the image shows it. */
static void
check_mounted(const char *mount_point, const ImageFile *file)
{
    g_autofree char *path = g_build_filename(mount_point, file->path, NULL);
    g_autofree char *content = NULL;
    gsize length;
    struct stat st;

    ck_assert_int_eq(lstat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode, S_IFREG | (file->mode != 0 ? file->mode & 07777 : 0644));
    ck_assert_uint_eq(st.st_uid, 0);
    ck_assert_uint_eq(st.st_gid, 0);
    ck_assert_uint_eq(st.st_nlink, 1);
    ck_assert(g_file_get_contents(path, &content, &length, NULL));
    ck_assert_uint_eq(length, file->length);
    ck_assert_msg(memcmp(content, file->data, length) == 0, "%s differs", file->path);
}

static void
check_by_debugfs(const char *image, const ImageFile *file)
{
    g_autofree char *copy = image_path_of("debugfs-copy");
    g_autofree char *command = g_strdup_printf("dump %s %s", file->path, copy);
    g_autofree char *content = NULL;
    gsize length;

    g_free(image_run_words(NULL, "debugfs", "-R", command, image));
    ck_assert(g_file_get_contents(copy, &content, &length, NULL));
    /* debugfs 1.47.0 writes all of what an inode could have inline. */
    ck_assert(length == file->length || (file->length < 60 && length == 60));
    ck_assert_int_eq(memcmp(content, file->data, file->length), 0);
    (void)unlink(copy);
}

/* All three ways, and e2fsck. */
static void
check_files(const char *image, const ImageFile *files, size_t n_files)
{
    char *mount_point;

    image_check_clean(image);
    mount_point = image_mount(image);
    for (size_t i = 0; i < n_files; i++)
        check_mounted(mount_point, &files[i]);
    image_unmount(mount_point);
    for (size_t i = 0; i < n_files; i += 1 + n_files / 4) {
        image_read_equals(image, files[i].path, files[i].data, files[i].length);
        check_by_debugfs(image, &files[i]);
    }
}

/* One file, then five of every size in new directories, then 200; then the five again. */
START_TEST(round_trip)
{
    const Kind *kind = &kinds[_i];
    g_autofree char *image = image_make("image", kind->size, kind->options);
    g_autofree char *big = image_bytes(1, 16 * MIB);
    g_autofree char *other = image_bytes(2, 16 * MIB);
    ImageFile one = {"/etc-hostname", "guest\n", 6, 0};
    ImageFile five[] = {
        {"/etc/empty", big, 0, 0600},
        {"/etc/one", big, 1, 04755},
        {"/root/.ssh/authorized_keys", big, 1 * MIB, 0400},
        {"/usr/lib/deep/er/big", big, 16 * MIB - 1, 02640},
        {"/etc/small", "0123456789", 10, 01777},
    };
    g_autofree ImageFile *many = g_new0(ImageFile, 200);
    uint64_t free_blocks, free_inodes;

    image_write_ok(image, &one, 1);
    check_files(image, &one, 1);
    image_write_ok(image, five, G_N_ELEMENTS(five));
    check_files(image, five, G_N_ELEMENTS(five));
    for (size_t i = 0; i < 200; i++)
        many[i] =
            (ImageFile){g_strdup_printf("/srv/many/file-%zu", i), other + i, i * 97 % 9000, 0640};
    image_write_ok(image, many, 200);
    check_files(image, many, 200);

    free_blocks = image_count(image, "Free blocks");
    free_inodes = image_count(image, "Free inodes");
    for (size_t i = 0; i < G_N_ELEMENTS(five); i++)
        if (five[i].data == big)
            five[i].data = other;
    image_write_ok(image, five, G_N_ELEMENTS(five));
    check_files(image, five, G_N_ELEMENTS(five));
    ck_assert_uint_eq(image_count(image, "Free blocks"), free_blocks);
    ck_assert_uint_eq(image_count(image, "Free inodes"), free_inodes);
    for (size_t i = 0; i < 200; i++)
        g_free((char *)many[i].path);
    (void)unlink(image);
}
END_TEST

/* What a guest's own system wrote is replaced: sparse, fragmented, with attributes and links. */
static char *
make_foreign_file(const char *image, const char *commands)
{
    g_autofree char *script = image_path_of("debugfs-script");

    ck_assert(g_file_set_contents(script, commands, -1, NULL));
    g_free(image_run_words(NULL, "debugfs", "-w", "-f", script, image));
    (void)unlink(script);
    return image_run_words(NULL, "debugfs", "-R", "stat /file", image);
}

static uint64_t
inode_of(const char *image, const char *path)
{
    g_autofree char *command = g_strdup_printf("stat %s", path);
    g_autofree char *output = image_run_words(NULL, "debugfs", "-R", command, image);
    const char *found = strstr(output, "Inode: ");

    ck_assert_msg(found != NULL, "%s", output);
    return strtoull(found + strlen("Inode: "), NULL, 10);
}

START_TEST(replace_keeps_inode)
{
    static const char *const options[] = {"-t ext4", "-t ext2", "-t ext4 -O inline_data",
                                          "-t ext4 -O ea_inode"};
    g_autofree char *image = image_make("image", 64 * MIB, options[_i]);
    g_autofree char *big = image_bytes(3, 3 * MIB);
    g_autofree char *source = image_path_of("source");
    ImageFile file = {"/file", big, 3 * MIB, 0600};
    uint64_t ino, free_blocks = image_count(image, "Free blocks");
    g_autofree char *commands =
        g_strdup_printf("write %s file\nea_set /file user.note -f %s\nln /file /other\n"
                        "sif /file links_count 2\nsif /file uid 1000\nsif /file flags 0x%x\n",
                        source, source,
                        _i == 0   ? 0x80080
                        : _i == 1 ? 0x80
                                  : 0);

    ck_assert(g_file_set_contents(source, big, _i == 3 ? 5000 : 700, NULL));
    if (_i >= 2)
        *strstr(commands, "sif /file flags") = '\0';
    g_free(make_foreign_file(image, commands));
    ino = inode_of(image, "/file");
    image_write_ok(image, &file, 1);
    ck_assert_uint_eq(inode_of(image, "/file"), ino);
    ck_assert_uint_eq(inode_of(image, "/other"), ino);
    image_check_clean(image);
    image_read_equals(image, "/other", big, 3 * MIB);
    {
        g_autofree char *attributes =
            image_run_words(NULL, "debugfs", "-R", "ea_list /file", image);

        ck_assert_ptr_nonnull(strstr(attributes, "user.note"));
    }
    file.length = 0;
    image_write_ok(image, &file, 1);
    image_check_clean(image);
    g_free(image_run_words(NULL, "debugfs", "-w", "-R", "ea_rm /file user.note", image));
    image_write_ok(image, &file, 1);
    image_check_clean(image);
    ck_assert_uint_eq(image_count(image, "Free blocks"), free_blocks);
    (void)unlink(source);
    (void)unlink(image);
}
END_TEST

/* The kernel adds the blocks of an attribute's own inode to those of the file. */
START_TEST(attribute_of_the_kernel)
{
    g_autofree char *image = image_make("image", 64 * MIB, "-t ext4 -O ea_inode");
    char mount_point[] = "/run/attribute";
    g_autofree char *value = image_bytes(5, 20000);
    ImageFile file = {"/file", "new", 3, 0600};

    ck_assert_int_eq(mkdir(mount_point, 0755), 0);
    g_free(image_run_words(NULL, "mount", "-o", "loop", image, mount_point));
    ck_assert(g_file_set_contents("/run/attribute/file", "old", 3, NULL));
    ck_assert_int_eq(setxattr("/run/attribute/file", "user.large", value, 20000, 0), 0);
    g_free(image_run_words(NULL, "umount", mount_point));
    ck_assert_int_eq(rmdir(mount_point), 0);
    image_write_ok(image, &file, 1);
    image_check_clean(image);
    image_read_equals(image, "/file", "new", 3);
    {
        char *mounted = image_mount(image);
        g_autofree char *path = g_build_filename(mounted, "file", NULL);
        char got[20000];

        ck_assert_int_eq(getxattr(path, "user.large", got, sizeof got), (int)sizeof got);
        ck_assert_int_eq(memcmp(got, value, sizeof got), 0);
        image_unmount(mounted);
    }
    (void)unlink(image);
}
END_TEST

/* A directory of 20,000 entries, indexed by the kernel, takes 300 more. */
START_TEST(htree_directory)
{
    g_autofree char *image = image_make("image", 256 * MIB, "-t ext4 -b 1024 -N 40000");
    g_autofree char *mount_point = image_path_of("mount-rw");
    g_autofree ImageFile *files = g_new0(ImageFile, 150);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    char *shown;

    ck_assert_int_eq(mkdir(mount_point, 0755), 0);
    g_free(image_run_words(NULL, "mount", "-o", "loop", image, mount_point));
    for (int i = 0; i < 20000; i++) {
        g_autofree char *path =
            g_strdup_printf("%s/an-entry-with-a-longer-name-%d", mount_point, i);

        ck_assert(g_file_set_contents_full(path, "", 0, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
    }
    g_free(image_run_words(NULL, "umount", mount_point));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 150; i++) {
            char *name =
                g_strdup_printf("/a-new-entry-with-a-much-longer-name-than-that-%d-%zu", round, i);

            g_ptr_array_add(names, name);
            files[i] = (ImageFile){name, "x", 1, 0};
        }
        image_write_ok(image, files, 150);
        image_check_clean(image);
    }
    shown = image_mount(image);
    for (size_t i = 0; i < 150; i++)
        check_mounted(shown, &files[i]); /* found by the kernel through the index */
    image_unmount(shown);
    image_read_equals(image, "/an-entry-with-a-longer-name-12345", "", 0);
    ck_assert_int_eq(rmdir(mount_point), 0);
    (void)unlink(image);
}
END_TEST

/* A directory whose subdirectories are too many for its link count takes another one. */
START_TEST(uncounted_directory)
{
    g_autofree char *image = image_make("image", 256 * MIB, "-t ext4 -b 1024 -N 70000");
    g_autofree char *mount_point = image_path_of("mount-rw");
    g_autofree char *many = g_build_filename(mount_point, "many", NULL);
    ImageFile files[] = {{"/many/new/deep/file", "x", 1, 0}, {"/many/other/file", "y", 1, 0}};
    char *shown;

    ck_assert_int_eq(mkdir(mount_point, 0755), 0);
    g_free(image_run_words(NULL, "mount", "-o", "loop", image, mount_point));
    ck_assert_int_eq(mkdir(many, 0755), 0);
    for (int i = 0; i < 65000; i++) {
        g_autofree char *path = g_strdup_printf("%s/%d", many, i);

        ck_assert_int_eq(mkdir(path, 0755), 0);
    }
    g_free(image_run_words(NULL, "umount", mount_point));
    ck_assert_int_eq(rmdir(mount_point), 0);
    image_check_clean(image);
    image_write_ok(image, files, G_N_ELEMENTS(files));
    image_check_clean(image);
    shown = image_mount(image);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        check_mounted(shown, &files[i]);
    image_unmount(shown);
    (void)unlink(image);
}
END_TEST

/* A file larger than what may be read is refused, with both numbers. */
START_TEST(read_limit)
{
    g_autofree char *image = image_make("image", 64 * MIB, "-t ext4");
    g_autofree char *source = image_path_of("source");
    g_autofree char *message = NULL, *command = g_strdup_printf("write %s big", source);

    image_make_file(source, BANGER_GUEST_FILE_MAX + 1);
    g_free(image_run_words(NULL, "debugfs", "-w", "-R", command, image));
    ck_assert_str_eq(image_read(image, "/big", NULL, &message), "BadParams");
    ck_assert_msg(strstr(message, "16777216") != NULL && strstr(message, "16777217") != NULL, "%s",
                  message);
    (void)unlink(source);
    (void)unlink(image);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("image");
    TCase *kinds_case = tcase_create("kinds");
    TCase *other = tcase_create("other");

    (void)argc;
    image_enter("bus/image", argv, NULL);
    tcase_set_timeout(kinds_case, 240);
    tcase_add_loop_test(kinds_case, round_trip, 0, G_N_ELEMENTS(kinds));
    suite_add_tcase(suite, kinds_case);
    tcase_set_timeout(other, 240);
    tcase_add_loop_test(other, replace_keeps_inode, 0, 4);
    tcase_add_test(other, attribute_of_the_kernel);
    tcase_add_test(other, htree_directory);
    tcase_add_test(other, uncounted_directory);
    tcase_add_test(other, read_limit);
    suite_add_tcase(suite, other);
    return harness_run("bus/image", suite);
}
