/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "rig/rig-client.h"
#include "util/settings.h"

/*
 * What the tests of images and snapshots share: images made by mke2fs in the state directory, the
 * calls, and other people's tools to look at the result with. Where $BANGER_TEST_SYSTEM is set the
 * programs run against the machine's own bus and helper (tests/vm), else inside a rig.
 */

typedef struct {
    const char *path;
    const void *data;
    size_t length;
    uint32_t mode;
} ImageFile;

/* The first line of main(). */
void image_enter(const char *program, char **argv, const char *const *options);

/* A connection to the bus as root, closed when the process ends. */
sd_bus *image_bus(void);

/*
 * Runs @argv (NULL-terminated) and returns what it printed on both outputs; its exit status, or -1
 * for a signal, in @ret_status, which may be NULL: then it must succeed. Free it.
 */
char *image_run(const char *const *argv, int *ret_status);
#define image_run_words(ret_status, ...)                                                           \
    image_run((const char *const[]){__VA_ARGS__, NULL}, ret_status)

/* The helper's directories and their owner, whose name is static (getpwnam(3)). */
BangerSettings image_settings_of_owner(void);

/* The path of @name in the state directory. Free it. */
char *image_path_of(const char *name);

/* Makes the file @path with @size bytes (sparse) for the owner. */
void image_make_file(const char *path, uint64_t size);

/*
 * Makes the image @name of @size bytes with `mke2fs @options` (separated by spaces, or ""),
 * and returns its path. Free it.
 */
char *image_make(const char *name, uint64_t size, const char *options);

/* Requires that `e2fsck -fn` finds nothing to say. */
void image_check_clean(const char *image);

/* What `dumpe2fs -h` says of @field. */
uint64_t image_count(const char *image, const char *field);

/* A digest of the bytes of @path. Free it. */
char *image_digest(const char *path);

/* The name of @error without "org.banger.Helper1.Error."; NULL if none is set. Static. */
const char *image_error_name(const sd_bus_error *error);

/*
 * Calls WriteExt4Files. Returns what image_error_name() says: NULL for success; the message in
 * @ret_message, which may be NULL, and is to be freed.
 */
const char *image_write(const char *image, const ImageFile *files, size_t n_files,
                        char **ret_message);
void image_write_ok(const char *image, const ImageFile *files, size_t n_files);

/* Calls ReadExt4File, in the same way. */
const char *image_read(const char *image, const char *guest_path, GBytes **ret_data,
                       char **ret_message);

/* Calls CreateDMSnapshot, and returns what image_error_name() says. */
const char *image_create_snapshot(const char *base, const char *cow, const char *name);

/* Requires that the helper reads @length bytes of @data at @guest_path. */
void image_read_equals(const char *image, const char *guest_path, const void *data, size_t length);

/* Mounts @image read-only at a folder of its own, without replaying anything; returns it. */
char *image_mount(const char *image);
void image_unmount(char *mount_point);

/* @length bytes that are the same for the same @seed. Free them. */
void *image_bytes(uint32_t seed, size_t length);

/* The loop devices that are attached to @path. */
unsigned int image_count_loops(const char *path);

/*
 * Waits until none is. A loop device that is being detached lasts for as long as anyone has it
 * open, and other tests on this machine open all that there are to look at them.
 */
void image_assert_no_loops(const char *path);

/* Whether this kernel has device-mapper. */
bool image_kernel_has_dm(void);

/* The same; else marks the test as skipped. */
bool image_have_dm(void);

/* The processes of banger-image-worker that run now. */
unsigned int image_count_workers(void);
