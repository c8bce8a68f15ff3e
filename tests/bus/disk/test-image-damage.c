/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What damage is refused, and left as it is; what is no file system is named; what a file keeps. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "util/fd.h"

#define MIB ((uint64_t)1 << 20)

static const ImageFile small = {"/etc/hostname", "hi\n", 3, 0};

/* Requires that writing is refused with @words, and leaves the image byte for byte. */
static void
refused(const char *image, const ImageFile *file, const char *words)
{
    g_autofree char *before = image_digest(image), *after = NULL, *message = NULL;
    const char *error = image_write(image, file, 1, &message);

    ck_assert_msg(g_strcmp0(error, "OperationFailed") == 0, "%s: %s, not %s", error, message,
                  words);
    ck_assert_msg(strstr(message, words) != NULL, "no \"%s\" in: %s", words, message);
    after = image_digest(image);
    ck_assert_str_eq(before, after);
}

/* Makes an image with /etc/hostname of one block, and then runs @commands of debugfs on it. */
static char *
make_damaged(const char *options, const char *commands)
{
    g_autofree char *all_options = g_strconcat("-t ext4 ", options, NULL);
    char *image = image_make("image", 64 * MIB, all_options);
    g_autofree char *script = image_path_of("script"), *source = image_path_of("source");
    g_autofree char *text =
        g_strdup_printf("mkdir /etc\nwrite %s /etc/hostname\n%s\n", source, commands);

    ck_assert(g_file_set_contents(source, "old hostname", -1, NULL));
    ck_assert(g_file_set_contents(script, text, -1, NULL));
    g_free(image_run_words(NULL, "debugfs", "-w", "-f", script, image));
    (void)unlink(script);
    (void)unlink(source);
    return image;
}

/* What the kernel refuses too. */
static const struct {
    const char *options;
    const char *commands;
    const char *words;
} damages[] = {
    {"-b 4096", "set_bg 0 block_bitmap 0\nset_bg 0 checksum calc", "block for block bitmap"},
    {"-b 4096", "set_bg 0 inode_table 1\nset_bg 0 checksum calc", "damaged"},
    /* A file that has the superblock, a bitmap, an inode table. */
    {"-b 4096", "sif /etc/hostname block[5] 0", "/etc/hostname"},
    {"-b 4096 -O ^extents,^64bit", "sif /etc/hostname block[0] 1", "/etc/hostname"},
    {"-b 1024 -O ^extents,^64bit", "sif /etc/hostname block[0] 258", "/etc/hostname"},
    /* A directory that has one. */
    {"-b 4096 -O ^extents,^64bit", "sif /etc block[0] 1", "/etc/hostname"},
    /* A file's block that counts as free, and one that is outside. */
    {"-b 4096 -O ^extents,^64bit", "sif /etc/hostname block[0] 9000", "/etc/hostname"},
    {"-b 4096 -O ^extents,^64bit", "sif /etc/hostname block[0] 0xffffff0", "/etc/hostname"},
    /* A block of attributes that is the journal's. */
    {"-b 4096 -O ^metadata_csum", "sif /etc/hostname file_acl 1", "/etc/hostname"},
};

START_TEST(damaged)
{
    g_autofree char *image = make_damaged(damages[_i].options, damages[_i].commands);

    refused(image, &small, damages[_i].words);
    (void)unlink(image);
}
END_TEST

/* An image that is shorter than its file system is read as far as it goes, but not written. */
START_TEST(cut_short)
{
    g_autofree char *image = make_damaged("-b 4096", "stats");

    ck_assert_int_eq(truncate(image, 32 * MIB), 0);
    refused(image, &small, "its end is missing");
    image_read_equals(image, "/etc/hostname", "old hostname", 12);
    ck_assert_int_eq(truncate(image, 64 * MIB), 0);
    ck_assert_int_eq(truncate(image, 80 * MIB), 0); /* longer is no damage */
    image_write_ok(image, &small, 1);
    image_check_clean(image);
    (void)unlink(image);
}
END_TEST

/* A compatible feature that is unknown here is no reason not to write: so does the kernel. */
START_TEST(compatible_feature)
{
    g_autofree char *image =
        make_damaged("-b 4096 -O ^metadata_csum", "ssv feature_compat 0x80000078");
    g_autofree char *features = NULL;

    image_write_ok(image, &small, 1);
    image_read_equals(image, "/etc/hostname", "hi\n", 3);
    features = image_run_words(NULL, "dumpe2fs", "-h", image);
    ck_assert_msg(strstr(features, "FEATURE_C31") != NULL, "%s", features);
    (void)unlink(image);
}
END_TEST

static const struct {
    uint64_t at;
    const char *bytes;
    size_t length;
    const char *words;
} foreign[] = {
    {0, "", 0, "blank"},
    {512, "EFI PART", 8, "GPT"},
    {0, "QFI\xfb", 4, "qcow2"},
    {0, "KDMV", 4, "VMDK"},
    {0, "LUKS\xba\xbe", 6, "LUKS"},
    {0, "XFSB", 4, "XFS"},
    {0x10040, "_BHRfS_M", 8, "Btrfs"},
    {0, "hsqs", 4, "SquashFS"},
    {0, "\x1f\x8b\x08", 3, "gzip"},
    {0, "something else", 14, "Bad magic number"},
};

START_TEST(no_file_system)
{
    g_autofree char *image = image_path_of("image");
    banger_autofd int fd = -1;

    image_make_file(image, MIB);
    fd = open(image, O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(pwrite(fd, foreign[_i].bytes, foreign[_i].length, (off_t)foreign[_i].at),
                     (int)foreign[_i].length);
    banger_close_fd(&fd);
    refused(image, &small, foreign[_i].words);
    image_make_file(image, 0);
    refused(image, &small, "an empty file");
    (void)unlink(image);
}
END_TEST

/* A boot sector with the partition @entry (16 bytes) in the image. */
static void
write_boot_sector(const char *image, const char *entry)
{
    banger_autofd int fd = open(image, O_WRONLY | O_CLOEXEC);

    ck_assert_int_eq(pwrite(fd, entry, 16, 446), 16);
    ck_assert_int_eq(pwrite(fd, "\x55\xaa", 2, 510), 2);
}

START_TEST(partition_table)
{
    static const char good[16] = {(char)0x80, 0, 0, 0, (char)0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8};
    static const char odd_flag[16] = {0x12, 0, 0, 0, (char)0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8};
    static const char no_type[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8};
    static const char outside[16] = {0, 0, 0, 0, (char)0x83, 0, 0, 0, 0, 0, 0, 0x7f, 0, 8};
    static const char zero_start[16] = {0, 0, 0, 0, (char)0x83, 0, 0, 0, 0, 0, 0, 0, 0, 8};
    const char *const others[] = {odd_flag, no_type, outside, zero_start};
    g_autofree char *image = image_path_of("image");

    image_make_file(image, 16 * MIB);
    write_boot_sector(image, good);
    refused(image, &small, "MBR");
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        write_boot_sector(image, others[i]);
        refused(image, &small, "Bad magic number");
    }
    (void)unlink(image);
    g_free(g_steal_pointer(&image));
    /* What extlinux leaves in a file system that is the whole image. */
    image = make_damaged("-b 4096", "stats");
    write_boot_sector(image, good);
    image_write_ok(image, &small, 1);
    image_check_clean(image);
    /* What a file system was before the disk was partitioned. */
    ck_assert_int_eq(truncate(image, 128 * MIB), 0);
    refused(image, &small, "MBR");
    (void)unlink(image);
}
END_TEST

/* The reason stands at the end of the message, however long the path. */
START_TEST(long_path)
{
    g_autofree char *image = image_make("image", 60 * MIB, "-N 20");
    g_autoptr(GString) path = g_string_new(NULL);
    ImageFile file = {NULL, "x", 1, 0};

    for (int i = 0; i < 1300; i++)
        g_string_append(path, "/dd");
    file.path = path->str;
    refused(image, &file, "no inodes left in the image (");
    (void)unlink(image);
}
END_TEST

/* Sets what a guest may have given /file, by the kernel. */
static void
set_attributes(const char *path)
{
    /* Version 2; the owner rwx, uid 7 rwx, the group r--, the mask rwx, others r--. */
    static const unsigned char access_list[] = {
        2, 0, 0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,   7,
        0, 7, 0,   0,   0,   4,   0,  4, 0,   255, 255, 255, 255, 16,  0,
        7, 0, 255, 255, 255, 255, 32, 0, 4,   0,   255, 255, 255, 255,
    };
    /* VFS_CAP_REVISION_2, effective, CAP_NET_RAW. */
    static const unsigned char capability[] = {1, 0, 0, 2, 0, 32, 0, 0, 0, 0,
                                               0, 0, 0, 0, 0, 0,  0, 0, 0, 0};

    ck_assert(g_file_set_contents(path, "old", 3, NULL));
    ck_assert_int_eq(setxattr(path, "user.note", "kept", 4, 0), 0);
    ck_assert_int_eq(setxattr(path, "security.selinux", "system_u:object_r:etc_t:s0", 27, 0), 0);
    ck_assert_int_eq(setxattr(path, "security.capability", capability, sizeof capability, 0), 0);
    ck_assert_int_eq(setxattr(path, "system.posix_acl_access", access_list, sizeof access_list, 0),
                     0);
}

START_TEST(what_a_file_keeps)
{
    g_autofree char *image = image_make("image", 32 * MIB, "-t ext4");
    g_autofree char *mount_point = image_path_of("mount-rw");
    g_autofree char *path = g_build_filename(mount_point, "file", NULL);
    g_autofree char *mounted = NULL, *file = NULL, *stat_text = NULL;
    char value[64];
    unsigned char access_list[64];
    struct stat before, after;

    ck_assert_int_eq(mkdir(mount_point, 0755), 0);
    g_free(image_run_words(NULL, "mount", "-o", "loop", image, mount_point));
    set_attributes(path);
    ck_assert_int_eq(stat(path, &before), 0);
    g_free(image_run_words(NULL, "chattr", "+i", path));
    g_free(image_run_words(NULL, "umount", mount_point));
    ck_assert_int_eq(rmdir(mount_point), 0);

    image_write_ok(image, &(ImageFile){"/file", "new content", 11, 0640}, 1);
    image_check_clean(image);
    mounted = image_mount(image);
    file = g_build_filename(mounted, "file", NULL);
    ck_assert_int_eq(stat(file, &after), 0);
    ck_assert_uint_eq(after.st_ino, before.st_ino);
    ck_assert_uint_eq(after.st_mode, S_IFREG | 0640);
    ck_assert_int_eq(getxattr(file, "user.note", value, sizeof value), 4);
    ck_assert_int_eq(getxattr(file, "security.selinux", value, sizeof value), 27);
    ck_assert_int_eq(getxattr(file, "security.capability", value, sizeof value), -1);
    ck_assert_int_eq(getxattr(file, "system.posix_acl_access", access_list, sizeof access_list),
                     44);
    ck_assert_uint_eq(access_list[6], 6);  /* the owner's, by the mode */
    ck_assert_uint_eq(access_list[14], 7); /* uid 7's */
    ck_assert_uint_eq(access_list[22], 4); /* the group's: the mask stands for it in the mode */
    ck_assert_uint_eq(access_list[30], 4); /* the mask */
    ck_assert_uint_eq(access_list[38], 0); /* others */
    image_unmount(g_steal_pointer(&mounted));
    stat_text = image_run_words(NULL, "debugfs", "-R", "stat /file", image);
    ck_assert_msg(strstr(stat_text, "Flags: 0x80010") != NULL, "%s", stat_text);
    (void)unlink(image);
}
END_TEST

/* Calls CheckImage. The error's name, or NULL; *@ret_corrected is set then. */
static const char *
check_image(const char *image, bool repair, bool *ret_corrected)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply =
        rig_call(image_bus(), "CheckImage", &error, "sbs", image, (int)repair, "");
    const char *name = image_error_name(&error);
    int corrected = 0;

    if (reply != NULL)
        ck_assert_int_ge(sd_bus_message_read(reply, "b", &corrected), 0);
    *ret_corrected = corrected;
    sd_bus_message_unref(reply);
    sd_bus_error_free(&error);
    return name;
}

START_TEST(check)
{
    g_autofree char *image = make_damaged("-b 4096", "stats");
    g_autofree char *before = NULL, *after = NULL;
    banger_autofd int fd = -1;
    bool corrected = true;

    ck_assert_ptr_null(check_image(image, false, &corrected));
    ck_assert(!corrected);
    g_free(image_run_words(NULL, "debugfs", "-w", "-R", "sif /etc/hostname links_count 7", image));
    before = image_digest(image);
    ck_assert_str_eq(check_image(image, false, &corrected), "OperationFailed");
    after = image_digest(image);
    ck_assert_str_eq(before, after);
    fd = open(image, O_RDWR | O_CLOEXEC);
    ck_assert_str_eq(check_image(image, true, &corrected), "Busy");
    ck_assert_str_eq(check_image(image, false, &corrected), "Busy");
    banger_close_fd(&fd);
    ck_assert_ptr_null(check_image(image, true, &corrected));
    ck_assert(corrected);
    image_check_clean(image);
    ck_assert_ptr_null(check_image(image, true, &corrected));
    ck_assert(!corrected);
    /* Root's own is looked at where the owner could, and not repaired. */
    ck_assert_int_eq(chown(image, 0, 0), 0);
    ck_assert_int_eq(chmod(image, 0644), 0);
    ck_assert_ptr_null(check_image(image, false, &corrected));
    ck_assert_str_eq(check_image(image, true, &corrected), "NotManaged");
    ck_assert_int_eq(chmod(image, 0600), 0);
    ck_assert_str_eq(check_image(image, false, &corrected), "NotManaged");
    (void)unlink(image);
    ck_assert_str_eq(check_image(image, true, &corrected), "NotFound");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    image_enter("bus/image-damage", argv, NULL);
    suite = suite_create("image-damage");
    tcase = tcase_create("image-damage");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, damaged, 0, (int)G_N_ELEMENTS(damages));
    tcase_add_test(tcase, cut_short);
    tcase_add_test(tcase, compatible_feature);
    tcase_add_loop_test(tcase, no_file_system, 0, (int)G_N_ELEMENTS(foreign));
    tcase_add_test(tcase, partition_table);
    tcase_add_test(tcase, long_path);
    tcase_add_test(tcase, what_a_file_keeps);
    tcase_add_test(tcase, check);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/image-damage", suite);
}
