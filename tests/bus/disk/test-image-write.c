/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What WriteExt4Files refuses, and that it then changes nothing; links; journals; images in use. */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "model/bounds.h"
#include "util/fd.h"

#define MIB ((uint64_t)1 << 20)

/* A root with what the paths below lead through. */
static char *
make_guest(const char *options)
{
    char *image = image_make("image", 32 * MIB, options);
    g_autofree char *mount_point = image_path_of("mount-rw");
    g_autofree char *script = NULL;

    ck_assert_int_eq(mkdir(mount_point, 0755), 0);
    g_free(image_run_words(NULL, "mount", "-o", "loop", image, mount_point));
    script = g_strdup_printf(
        "cd %s && mkdir -p etc dir/sub && echo old > etc/file && mkfifo fifo && mknod null c 1 3 "
        "&& "
        "ln -s /etc/file absolute && ln -s etc/file relative && ln -s ../../../../etc/file up && "
        "ln -s loop-b loop-a && ln -s loop-a loop-b && ln -s self/x self && ln -s dir to-dir && "
        "ln -s /dir/sub dir/back && ln -s /new/target dangling && ln etc/file etc/hard && "
        "ln -s $(printf '/%%0200d/../etc/file' 0) long && mkdir $(printf '%%0200d' 0) && "
        "for i in $(seq 1 41); do ln -s chain-$((i+1)) chain-$i; done && ln -s etc/file chain-42",
        mount_point);
    g_free(image_run_words(NULL, "sh", "-ec", script));
    g_free(image_run_words(NULL, "umount", mount_point));
    ck_assert_int_eq(rmdir(mount_point), 0);
    return image;
}

/* Requires that writing @files is refused with @error and leaves the image byte for byte. */
static void
refused(const char *image, const char *error, const ImageFile *files, size_t n_files)
{
    g_autofree char *before = image_digest(image);
    g_autofree char *message = NULL, *after = NULL;
    const char *got = image_write(image, files, n_files, &message);

    ck_assert_msg(got != NULL, "%s was not refused", files[n_files - 1].path);
    ck_assert_msg(g_str_equal(got, error), "%s: %s: %s", files[n_files - 1].path, got, message);
    after = image_digest(image);
    ck_assert_str_eq(before, after);
}

/* Four good files, then one that cannot be. */
START_TEST(all_or_nothing)
{
    static const struct {
        const char *path;
        const char *error;
    } bad[] = {
        {"/fifo", "BadParams"},     {"/null", "BadParams"},
        {"/etc", "BadParams"},      {"/etc/file/below", "BadParams"},
        {"/loop-a/x", "BadParams"}, {"/loop-b/x", "BadParams"},
        {"/self/x", "BadParams"},   {"/chain-1/x", "BadParams"}, /* 42 links */
        {"/..", "BadParams"},       {"/dir/.", "BadParams"},
    };
    g_autofree char *image = make_guest("-t ext4");
    g_autofree char *long_name = g_strnfill(256, 'n');
    g_autofree char *long_path = g_strconcat("/etc/", long_name, NULL);
    g_autofree char *big = g_malloc0(BANGER_GUEST_FILE_MAX);
    ImageFile files[] = {
        {"/etc/file", "new\n", 4, 0600}, {"/a/b/c/d", "x", 1, 0}, {"/dir/sub/y", big, 1000000, 0},
        {"/absolute", "again", 5, 0},    {NULL, "never", 5, 0},
    };
    ImageFile too_much[] = {
        {"/one", big, BANGER_GUEST_FILE_MAX / 2, 0},
        {"/two", big, BANGER_GUEST_FILE_MAX / 2, 0},
        {"/three", big, BANGER_GUEST_FILE_MAX / 2, 0},
        {"/four", big, BANGER_GUEST_FILE_MAX / 3, 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        files[4].path = bad[i].path;
        refused(image, bad[i].error, files, 5);
    }
    files[4].path = long_path;
    refused(image, "BadParams", files, 5);
    refused(image, "OperationFailed", too_much, 4); /* no space for the last */
    image_check_clean(image);
    files[4].path = "/chain-1"; /* in the last place a link is replaced */
    image_write_ok(image, files, 5);
    image_check_clean(image);
    image_read_equals(image, "/chain-1", "never", 5);
    image_read_equals(image, "/etc/file", "new\n", 4);
    (void)unlink(image);
}
END_TEST

/* An image without a free inode takes new content, but no new file. */
START_TEST(no_inodes)
{
    g_autofree char *image = image_make("image", 8 * MIB, "-t ext4 -N 16");
    ImageFile file = {"/f", "x", 1, 0};
    g_autofree char *message = NULL;

    while (image_count(image, "Free inodes") > 0) {
        g_autofree char *path =
            g_strdup_printf("/f%ju", (uintmax_t)image_count(image, "Free inodes"));

        file.path = path;
        image_write_ok(image, &file, 1);
    }
    file.path = "/one-more";
    refused(image, "OperationFailed", &file, 1);
    ck_assert_str_eq(image_write(image, &file, 1, &message), "OperationFailed");
    ck_assert_msg(strstr(message, "no inodes left") != NULL, "%s", message);
    file = (ImageFile){"/f1", "other", 5, 0};
    image_write_ok(image, &file, 1);
    image_check_clean(image);
    (void)unlink(image);
}
END_TEST

/* Filled up to its last block, then replaced in place: the old blocks count as free. */
START_TEST(nearly_full)
{
    g_autofree char *image = image_make("image", 8 * MIB, "-t ext4 -b 1024 -O ^has_journal");
    g_autofree char *data = image_bytes(7, 8 * MIB);
    size_t step = 1 * MIB, length = 0;
    ImageFile file = {"/fill", data, 0, 0};

    while (step >= 1024) {
        file.length = length + step;
        if (image_write(image, &file, 1, NULL) == NULL)
            length += step;
        else
            step /= 2;
        image_check_clean(image);
    }
    ck_assert_uint_gt(length, 7 * MIB);
    image_read_equals(image, "/fill", data, length);
    file = (ImageFile){"/fill", data + 1, length, 0};
    image_write_ok(image, &file, 1);
    image_check_clean(image);
    image_read_equals(image, "/fill", data + 1, length);
    file = (ImageFile){"/more", data, 200000, 0};
    refused(image, "OperationFailed", &file, 1);
    (void)unlink(image);
}
END_TEST

/* Inside the guest's root, and never out of it. */
START_TEST(symbolic_links)
{
    static const char *const ways[] = {
        "//etc///file",
        "/./etc/././file/",
        "/etc/hard",
    };
    static const struct {
        const char *path;
        bool is_read;
    } links[] = {
        {"/absolute", true}, {"/relative", true},  {"/up", true},
        {"/long", true},     {"/dangling", false}, {"/self", false},
    };
    static const char *const refused_ways[] = {
        "/to-dir/../etc/file",
        "/../../etc/file",
        "/etc/file/..",
    };
    g_autofree char *image = make_guest("-t ext4");

    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        ImageFile file = {ways[i], ways[i], strlen(ways[i]), 0};

        image_write_ok(image, &file, 1);
        image_read_equals(image, "/etc/file", ways[i], strlen(ways[i]));
        image_read_equals(image, ways[i], ways[i], strlen(ways[i]));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(refused_ways); i++)
        ck_assert_str_eq(image_read(image, refused_ways[i], NULL, NULL), "BadParams");
    /* Read by what it leads to; written in its place, whatever it led to. */
    for (size_t i = 0; i < G_N_ELEMENTS(links); i++) {
        if (links[i].is_read)
            image_read_equals(image, links[i].path, "/etc/hard", 9);
        image_write_ok(image, &(ImageFile){links[i].path, "own", 3, 0}, 1);
        image_read_equals(image, links[i].path, "own", 3);
        image_read_equals(image, "/etc/file", "/etc/hard", 9);
    }
    image_check_clean(image);
    ck_assert_str_eq(image_read(image, "/new/target", NULL, NULL), "NotFound");
    image_write_ok(image, &(ImageFile){"/to-dir/in", "in", 2, 0}, 1);
    image_read_equals(image, "/dir/in", "in", 2);
    ck_assert_str_eq(image_read(image, "/loop-a", NULL, NULL), "BadParams");
    ck_assert_str_eq(image_read(image, "/chain-1", NULL, NULL), "BadParams");
    ck_assert_str_eq(image_read(image, "/chain-2", NULL, NULL), "BadParams");
    ck_assert_ptr_null(image_read(image, "/chain-3", NULL, NULL));
    ck_assert_str_eq(image_read(image, "/nowhere", NULL, NULL), "NotFound");
    ck_assert_str_eq(image_read(image, "/nowhere/x", NULL, NULL), "NotFound");
    ck_assert_str_eq(image_read(image, "/etc", NULL, NULL), "BadParams");
    ck_assert_str_eq(image_read(image, "/fifo", NULL, NULL), "BadParams");
    image_check_clean(image);
    (void)unlink(image);
}
END_TEST

/* Makes an image whose journal has what is nowhere else: copied while mounted and dirty. */
static char *
make_dirty_image(const char *options)
{
    g_autofree char *image = image_make("mounted", 64 * MIB, options);
    g_autofree char *mount_point = image_path_of("mount-rw");
    g_autofree char *file = g_build_filename(mount_point, "from-the-journal", NULL);
    char *copy = image_path_of("image");
    banger_autofd int fd = -1;

    ck_assert_int_eq(mkdir(mount_point, 0755), 0);
    /* In data=journal mode a synchronized file is in the journal and not in its place yet. */
    g_free(image_run_words(NULL, "mount", "-o", "loop,data=journal", image, mount_point));
    fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "replayed", 8), 8);
    ck_assert_int_eq(fsync(fd), 0);
    banger_close_fd(&fd);
    image_make_file(copy, 0);
    g_free(image_run_words(NULL, "cp", "--sparse=always", image, copy));
    g_free(image_run_words(NULL, "umount", mount_point));
    ck_assert_int_eq(rmdir(mount_point), 0);
    (void)unlink(image);
    return copy;
}

START_TEST(journal_is_replayed)
{
    static const char *const options[] = {"-t ext4", "-t ext3", "-t ext4 -O metadata_csum,64bit"};
    g_autofree char *image = make_dirty_image(options[_i]);
    g_autofree char *header = image_run_words(NULL, "dumpe2fs", "-h", image);
    ImageFile file = {"/etc/new", "new", 3, 0};

    ck_assert_ptr_nonnull(strstr(header, "needs_recovery"));
    image_write_ok(image, &file, 1);
    image_check_clean(image);
    image_read_equals(image, "/from-the-journal", "replayed", 8);
    image_read_equals(image, "/etc/new", "new", 3);
    image_assert_no_loops(image);
    ck_assert_uint_le(image_count_workers(), 1); /* the next one waits */
    (void)unlink(image);
}
END_TEST

/* Files that were deleted while they were open: in the list, in the orphan file, and in neither. */
START_TEST(orphans_are_cleared)
{
    static const struct {
        const char *options;
        const char *command; /* of debugfs */
    } states[] = {
        {"-t ext4", "ssv last_orphan 99999"},
        {"-t ext2", "ssv last_orphan 99999"},
        {"-t ext4 -O orphan_file", "feature orphan_present"},
        {"-t ext4", "feature orphan_present"},
    };
    g_autofree char *image = image_path_of("image");
    int status;

    image_make_file(image, 16 << 20);
    g_free(image_run_words(&status, "sh", "-c", "mke2fs -q -F $0 \"$1\"", "-t ext4 -O orphan_file",
                           image));
    if (status != 0 && _i >= 2) {
        harness_skip("e2fsprogs before 1.47");
        return;
    }
    (void)unlink(image);
    g_free(image);
    image = image_make("image", 16 << 20, states[_i].options);
    g_free(image_run_words(NULL, "debugfs", "-w", "-R", states[_i].command, image));
    image_write_ok(image, &(ImageFile){"/etc/new", "new", 3, 0}, 1);
    image_check_clean(image);
    image_read_equals(image, "/etc/new", "new", 3);
    (void)unlink(image);
}
END_TEST

/* What is in the journal only is read as well; but not replayed under whoever uses the image. */
START_TEST(journal_is_read)
{
    g_autofree char *image = make_dirty_image("-t ext4");
    g_autofree char *before = image_digest(image), *after = NULL;
    banger_autofd int fd = open(image, O_RDWR | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_str_eq(image_read(image, "/from-the-journal", NULL, NULL), "NotFound");
    after = image_digest(image);
    ck_assert_str_eq(before, after);
    banger_close_fd(&fd);
    image_read_equals(image, "/from-the-journal", "replayed", 8);
    image_check_clean(image);
    image_assert_no_loops(image);
    (void)unlink(image);
}
END_TEST

/* Marked as one with errors, as not unmounted, with features that are not known or not kept. */
START_TEST(unfit_file_systems)
{
    static const struct {
        const char *options;
        const char *command; /* of debugfs */
        const char *error;
    } unfit[] = {
        {"-t ext4", "ssv state 3", "OperationFailed"},
        {"-t ext2", "ssv state 0", "OperationFailed"},
        {"-t ext4", "ssv feature_incompat 0x40000000", "NotSupported"},
        {"-t ext4", "ssv feature_ro_compat 0x40000000", "NotSupported"},
        {"-t ext4 -O mmp", "stats", "NotSupported"},
        {"-t ext4 -O quota", "stats", "NotSupported"},
        {"-t ext4", "ssv rev_level 7", "NotSupported"},
        {"-t ext4", "set_bg 0 block_bitmap 0", "OperationFailed"},
        {"-t ext4 -O ^metadata_csum", "set_bg 0 inode_table 3", "OperationFailed"},
        {"-t ext4 -O ^metadata_csum", "set_bg 0 free_blocks_count 1", "OperationFailed"},
        {"-t ext4 -O ^metadata_csum", "set_bg 0 free_inodes_count 1", "OperationFailed"},
        {"-t ext4 -O ^metadata_csum", "freeb 1", "OperationFailed"},
        {"-t ext4 -O ^metadata_csum", "sif <8> block[5] 0", "OperationFailed"},
        {"-t ext4 -O ^metadata_csum", "ssv blocks_count 8000", "OperationFailed"},
    };
    g_autofree char *image = image_make("image", 16 * MIB, unfit[_i].options);
    ImageFile file = {"/f", "x", 1, 0};

    g_free(image_run_words(NULL, "debugfs", "-w", "-R", unfit[_i].command, image));
    refused(image, unfit[_i].error, &file, 1);
    (void)unlink(image);
}
END_TEST

START_TEST(no_image_at_all)
{
    g_autofree char *path = image_path_of("image");
    ImageFile file = {"/f", "x", 1, 0};

    image_make_file(path, 0);
    refused(path, "OperationFailed", &file, 1);
    image_make_file(path, 100000);
    refused(path, "OperationFailed", &file, 1);
    (void)unlink(path);
    ck_assert_str_eq(image_write(path, &file, 1, NULL), "NotFound");
}
END_TEST

/* Mounted, attached to a loop device, open for writing: left alone. */
START_TEST(images_in_use)
{
    g_autofree char *image = image_make("image", 16 * MIB, "-t ext4");
    ImageFile file = {"/f", "x", 1, 0};
    char *mount_point = image_mount(image);
    banger_autofd int fd = -1;

    refused(image, "Busy", &file, 1);
    image_unmount(mount_point);
    fd = open(image, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    refused(image, "Busy", &file, 1);
    ck_assert_str_eq(image_read(image, "/f", NULL, NULL), "NotFound"); /* reading is allowed */
    banger_close_fd(&fd);
    fd = open(image, O_RDONLY | O_CLOEXEC); /* readers are no reason */
    image_write_ok(image, &file, 1);
    image_check_clean(image);
    (void)unlink(image);
}
END_TEST

/* A sparse image on a full disk: found out before the first write. */
START_TEST(disk_full)
{
    g_autofree char *directory = image_path_of("small-disk");
    g_autofree char *data = image_bytes(9, 4 * MIB);
    g_autofree char *image = NULL;
    ImageFile file = {"/f", data, 4 * MIB, 0};
    g_autofree char *message = NULL;

    ck_assert_int_eq(mkdir(directory, 0755), 0);
    ck_assert_int_eq(mount("tmpfs", directory, "tmpfs", 0, "size=2m,mode=0755"), 0);
    image = image_make("small-disk/image", 64 * MIB, "-t ext4 -O ^has_journal");
    refused(image, "OperationFailed", &file, 1);
    ck_assert_str_eq(image_write(image, &file, 1, &message), "OperationFailed");
    ck_assert_msg(strstr(message, "allocate space") != NULL, "%s", message);
    image_check_clean(image);
    ck_assert_int_eq(umount2(directory, MNT_DETACH), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("image-write");
    TCase *tcase = tcase_create("write");

    (void)argc;
    image_enter("bus/image-write", argv, NULL);
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, all_or_nothing);
    tcase_add_test(tcase, no_inodes);
    tcase_add_test(tcase, nearly_full);
    tcase_add_test(tcase, symbolic_links);
    tcase_add_loop_test(tcase, orphans_are_cleared, 0, 4);
    tcase_add_test(tcase, journal_is_read);
    tcase_add_loop_test(tcase, journal_is_replayed, 0, 3);
    tcase_add_loop_test(tcase, unfit_file_systems, 0, 14);
    tcase_add_test(tcase, no_image_at_all);
    tcase_add_test(tcase, images_in_use);
    tcase_add_test(tcase, disk_full);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/image-write", suite);
}
