/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <unistd.h>

#include "bench/compare.h"

#define IMAGE_SIZE "4G"
#define FILE_BYTES 2048

/* The size of one file of a guest's configuration, more or less. */
static char *
source_path(const Bench *bench)
{
    return g_build_filename(bench->directory, "source", NULL);
}

char *
bench_image_path(const Bench *bench)
{
    return g_build_filename(bench->directory, "image.ext4", NULL);
}

/* An image with a file to read, as big as a guest's, but with holes for what is not used. */
bool
bench_image_make(Bench *bench)
{
    g_autofree char *image = bench_image_path(bench);
    g_autofree char *source = source_path(bench);
    g_autofree char *data = g_malloc(FILE_BYTES);
    g_autofree char *request = g_strdup_printf("write %s read-me", source);

    memset(data, 'b', FILE_BYTES);
    (void)unlink(image);
    return g_file_set_contents(source, data, FILE_BYTES, NULL) &&
           bench_run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", image, IMAGE_SIZE,
                     NULL) &&
           bench_run("debugfs", "-w", "-R", "mkdir bench", image, NULL) &&
           bench_run("debugfs", "-w", "-R", request, image, NULL) &&
           chown(image, bench->owner_uid, bench->owner_gid) == 0;
}

void
bench_image_remove(Bench *bench)
{
    g_autofree char *image = bench_image_path(bench);
    g_autofree char *source = source_path(bench);

    (void)unlink(image);
    (void)unlink(source);
}

/* What the reference does for one file: a process a step. */
static bool
write_by_steps(const char *image, const char *source, guint i)
{
    g_autofree char *rm = g_strdup_printf("rm /bench/file%u", i);
    g_autofree char *write = g_strdup_printf("write %s /bench/file%u", source, i);
    g_autofree char *mode = g_strdup_printf("set_inode_field /bench/file%u mode 0100644", i);
    g_autofree char *uid = g_strdup_printf("set_inode_field /bench/file%u uid 0", i);
    g_autofree char *gid = g_strdup_printf("set_inode_field /bench/file%u gid 0", i);

    (void)bench_run("debugfs", "-w", "-R", rm, image, NULL); /* it may not be there yet */
    return bench_run("debugfs", "-w", "-R", write, image, NULL) &&
           bench_run("debugfs", "-w", "-R", mode, image, NULL) &&
           bench_run("debugfs", "-w", "-R", uid, image, NULL) &&
           bench_run("debugfs", "-w", "-R", gid, image, NULL);
}

bool
bench_image_write(const Bench *bench, BenchSide side)
{
    g_autofree char *image = bench_image_path(bench);
    g_autofree char *source = source_path(bench);
    bool ok = true;

    if (side != BENCH_REFERENCE)
        return bench_call_write(bench_side_bus(bench, side), image, BENCH_FILES, FILE_BYTES);
    for (guint i = 0; i < BENCH_FILES && ok; i++)
        ok = write_by_steps(image, source, i);
    return ok;
}

bool
bench_image_read(const Bench *bench, BenchSide side)
{
    g_autofree char *image = bench_image_path(bench);

    if (side != BENCH_REFERENCE)
        return bench_call(bench_side_bus(bench, side), NULL, "ReadExt4File", "ss", image,
                          "/read-me");
    return bench_run("debugfs", "-R", "cat /read-me", image, NULL);
}

static bool
run_write(Bench *bench, BenchSide side)
{
    return bench_image_write(bench, side);
}

/* The most a reference could save: all steps of a file in one process. */
static bool
run_write_scripts(Bench *bench, BenchSide side)
{
    g_autofree char *image = bench_image_path(bench);
    g_autofree char *source = source_path(bench);
    g_autofree char *script = g_build_filename(bench->directory, "script", NULL);
    bool ok = true;

    if (side != BENCH_REFERENCE)
        return bench_image_write(bench, side);
    for (guint i = 0; i < BENCH_FILES && ok; i++) {
        g_autofree char *text = g_strdup_printf("rm /bench/file%u\n"
                                                "write %s /bench/file%u\n"
                                                "set_inode_field /bench/file%u mode 0100644\n"
                                                "set_inode_field /bench/file%u uid 0\n"
                                                "set_inode_field /bench/file%u gid 0\n",
                                                i, source, i, i, i, i);

        ok = g_file_set_contents(script, text, -1, NULL) &&
             bench_run("debugfs", "-w", "-f", script, image, NULL);
    }
    (void)unlink(script);
    return ok;
}

static bool
run_read(Bench *bench, BenchSide side)
{
    return bench_image_read(bench, side);
}

void
bench_image_cases(Bench *bench)
{
    static const BenchCase cases[] = {
        {.name = "ReadExt4File",
         .reference = "debugfs -R cat",
         .bar = 2,
         .set_up = bench_image_make,
         .run = run_read,
         .tear_down = bench_image_remove},
        {.name = "WriteExt4Files",
         .reference = "for each of 5 files: debugfs -w -R rm, write, 3 x set_inode_field",
         .bar = 20,
         .set_up = bench_image_make,
         .run = run_write,
         .tear_down = bench_image_remove},
        {.name = "WriteExt4Files, scripts",
         .reference = "for each of 5 files: one debugfs -w -f with all of that",
         .set_up = bench_image_make,
         .run = run_write_scripts,
         .tear_down = bench_image_remove},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        bench_compare(bench, &cases[i]);
}
