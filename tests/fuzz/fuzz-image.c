/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The image worker's own code and libext2fs under it, on damaged file systems. mke2fs and debugfs
 * make the sound ones when the target starts; the bytes say which, what is done with it, and which
 * of its bytes are changed before. What must be true besides memory safety: a write that failed
 * has changed nothing.
 */
#include <fcntl.h>
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image-worker/file-system.h"
#include "image-worker/guest-file.h"
#include "image-worker/overlay-io.h"
#include "image-worker/soundness.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __lsan_is_turned_off(void);

/* The worker frees nothing: its process ends with its one request. */
int
__lsan_is_turned_off(void)
{
    return 1;
}

#define IMAGE_SIZE (256u << 10)
#define FILE_MAX (64u << 10)

static const char *const features[] = {
    "^metadata_csum,^has_journal,^resize_inode,extent,64bit",
    "^metadata_csum,^has_journal,^resize_inode,^extent,^64bit",
    "metadata_csum,^has_journal,^resize_inode,extent,64bit",
    "^metadata_csum,^has_journal,^resize_inode,extent,inline_data",
};
static unsigned char *bases[G_N_ELEMENTS(features)];
static int image_fd;

static const char *const paths[] = {
    "/etc/hostname",      "/big",        "/link",     "/loop",
    "/etc/new/deep/file", "/etc/../big", "/many/f17", "/",
};

static bool
run(const char *const *argv)
{
    int status;

    return g_spawn_sync(NULL, (char **)argv, NULL,
                        G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                            G_SPAWN_STDERR_TO_DEV_NULL,
                        NULL, NULL, NULL, NULL, &status, NULL) &&
           g_spawn_check_wait_status(status, NULL);
}

/* What is in a sound image: files short and long, links, a folder of many. */
static char *
write_script(const char *directory)
{
    g_autoptr(GString) script = g_string_new(NULL);
    g_autofree char *small = g_build_filename(directory, "small", NULL);
    g_autofree char *big = g_build_filename(directory, "big", NULL);
    g_autofree char *text = g_strnfill(40000, 'x');
    char *path = g_build_filename(directory, "script", NULL);

    g_assert_true(g_file_set_contents(small, "guest\n", -1, NULL));
    g_assert_true(g_file_set_contents(big, text, -1, NULL));
    g_string_append_printf(script,
                           "mkdir etc\nmkdir many\nwrite %s etc/hostname\nwrite %s big\n"
                           "symlink link etc/hostname\nsymlink loop loop\n",
                           small, big);
    for (int i = 0; i < 20; i++)
        g_string_append_printf(script, "write %s many/f%d\n", small, i);
    g_assert_true(g_file_set_contents(path, script->str, -1, NULL));
    return path;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    g_autofree char *directory = g_dir_make_tmp("fuzz-image-XXXXXX", NULL);
    g_autofree char *script = write_script(directory);
    g_autofree char *image = g_build_filename(directory, "image", NULL);

    (void)argc;
    (void)argv;
    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        const char *const make[] = {"mke2fs", "-q", "-F", "-t",        "ext4", "-b",   "1024",
                                    "-N",     "64", "-O", features[i], image,  "256K", NULL};
        const char *const fill[] = {"debugfs", "-w", "-f", script, image, NULL};
        gsize size;

        (void)unlink(image);
        g_assert_true(run(make) && run(fill));
        g_assert_true(g_file_get_contents(image, (char **)&bases[i], &size, NULL));
        g_assert_cmpuint(size, ==, IMAGE_SIZE);
    }
    (void)run((const char *const[]){"rm", "-r", directory, NULL});
    /* Moved out of the way of the descriptor that the worker's code has its image on. */
    image_fd = fcntl(memfd_create("image", MFD_CLOEXEC), F_DUPFD_CLOEXEC, 64);
    g_assert_true(image_fd >= 0);
    return 0;
}

/* Each patch: three bytes of offset, one of length, and what to put there. */
static void
make_image(unsigned char *image, const uint8_t *data, size_t size)
{
    while (size > 4) {
        size_t offset = (data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) % IMAGE_SIZE;
        size_t length = MIN(MIN(data[3] % 64u + 1, size - 4), IMAGE_SIZE - offset);

        memcpy(image + offset, data + 4, length);
        data += 4 + length;
        size -= 4 + length;
    }
    g_assert_true(pwrite(image_fd, image, IMAGE_SIZE, 0) == IMAGE_SIZE);
}

/* Closing the file system closes the descriptor, so each has one of its own. */
static ext2_filsys
open_image(io_manager manager, int flags)
{
    BangerWorkerFailure failure = {0};
    ext2_filsys fs = NULL;

    g_assert_true(dup2(image_fd, BANGER_WORKER_FD_IMAGE) == BANGER_WORKER_FD_IMAGE);
    if (banger_file_system_open(manager, flags, &fs, &failure))
        return fs;
    if (fs != NULL)
        ext2fs_free(fs);
    return NULL;
}

static bool
read_file(const char *path, void **ret_data, size_t *ret_length)
{
    BangerWorkerFailure failure = {0};
    ext2_filsys fs = open_image(unixfd_io_manager, 0);
    bool ok =
        fs != NULL && banger_guest_file_read(fs, path, FILE_MAX, ret_data, ret_length, &failure);

    if (fs != NULL)
        ext2fs_free(fs);
    return ok;
}

static bool
write_file(const char *path, const void *data, size_t length)
{
    BangerWorkerFailure failure = {0};
    ext2_filsys fs = open_image(banger_overlay_io_manager, EXT2_FLAG_RW | EXT2_FLAG_SKIP_MMP);
    bool ok = fs != NULL && ext2fs_read_bitmaps(fs) == 0 && banger_soundness_check(fs, &failure) &&
              banger_guest_file_write(fs, path, 0644, data, length, &failure);

    if (ok) {
        fs->flags |= EXT2_FLAG_MASTER_SB_ONLY;
        ok = ext2fs_flush(fs) == 0 && banger_overlay_commit(fs, BANGER_WORKER_FD_IMAGE, &failure);
    }
    if (fs != NULL)
        ext2fs_free(fs);
    return ok;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char image[IMAGE_SIZE];
    static unsigned char after[IMAGE_SIZE];
    static char content[FILE_MAX];
    const char *path;
    size_t wanted;
    void *read = NULL;
    size_t length = 0;

    if (size < 3)
        return 0;
    memcpy(image, bases[data[0] % G_N_ELEMENTS(bases)], IMAGE_SIZE);
    path = paths[data[1] % G_N_ELEMENTS(paths)];
    wanted = (size_t)data[2] * data[2]; /* up to 65,025 bytes */
    make_image(image, data + 3, size - 3);
    if (read_file(path, &read, &length))
        g_assert_true(length <= FILE_MAX);
    free(read);
    memset(content, 'w', wanted);
    if (!write_file(path, content, wanted)) {
        g_assert_true(pread(image_fd, after, IMAGE_SIZE, 0) == IMAGE_SIZE);
        g_assert_true(memcmp(image, after, IMAGE_SIZE) == 0);
    }
    return 0;
}
