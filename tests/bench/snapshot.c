/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bench/compare.h"
#include "util/fd.h"

#define DM_NAME "fc-rootfs-bench"
#define DM_PATH "/dev/mapper/" DM_NAME
#define BASE_BYTES (1L << 30)
#define COW_BYTES (256L << 20)

static char *base_loop; /* of the reference's snapshot */
static char *cow_loop;

char *
bench_snapshot_obstacle(Bench *bench)
{
    (void)bench;
    if (access("/dev/mapper/control", F_OK) != 0 || !bench_run("dmsetup", "version", NULL))
        return g_strdup("no device-mapper in this kernel");
    return NULL;
}

static char *
base_path(const Bench *bench)
{
    return g_build_filename(bench->directory, "base.ext4", NULL);
}

static char *
cow_path(const Bench *bench)
{
    return g_build_filename(bench->directory, "cow", NULL);
}

static bool
make_file(const Bench *bench, const char *path, off_t size)
{
    banger_autofd int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    return fd >= 0 && ftruncate(fd, size) == 0 &&
           fchown(fd, bench->owner_uid, bench->owner_gid) == 0;
}

bool
bench_snapshot_files(Bench *bench)
{
    g_autofree char *base = base_path(bench);
    g_autofree char *cow = cow_path(bench);

    return make_file(bench, base, BASE_BYTES) && make_file(bench, cow, COW_BYTES) &&
           bench_run("mke2fs", "-q", "-F", "-t", "ext4", base, NULL);
}

static bool
create_by_processes(const char *base, const char *cow)
{
    g_autofree char *sectors = NULL;
    g_autofree char *table = NULL;

    if (!bench_run_output(&base_loop, "losetup", "-f", "--show", "--read-only", base, NULL) ||
        !bench_run_output(&cow_loop, "losetup", "-f", "--show", cow, NULL) ||
        !bench_run_output(&sectors, "blockdev", "--getsz", base_loop, NULL))
        return false;
    table = g_strdup_printf("0 %s snapshot %s %s P 8", sectors, base_loop, cow_loop);
    return bench_run("dmsetup", "create", DM_NAME, "--table", table, NULL);
}

static bool
remove_by_processes(void)
{
    bool ok = bench_run("dmsetup", "remove", DM_NAME, NULL) &&
              bench_run("losetup", "-d", cow_loop, NULL) &&
              bench_run("losetup", "-d", base_loop, NULL);

    g_clear_pointer(&cow_loop, g_free);
    g_clear_pointer(&base_loop, g_free);
    return ok;
}

bool
bench_snapshot_create(Bench *bench, BenchSide side)
{
    g_autofree char *base = base_path(bench);
    g_autofree char *cow = cow_path(bench);

    if (side == BENCH_REFERENCE)
        return create_by_processes(base, cow);
    return bench_call(bench_side_bus(bench, side), NULL, "CreateDMSnapshot", "sss", base, cow,
                      DM_NAME);
}

bool
bench_snapshot_remove(Bench *bench, BenchSide side)
{
    if (side == BENCH_REFERENCE)
        return remove_by_processes();
    return bench_call(bench_side_bus(bench, side), NULL, "RemoveDMSnapshot", "s", DM_NAME);
}

static bool
run(Bench *bench, BenchSide side)
{
    return bench_snapshot_create(bench, side) && bench_snapshot_remove(bench, side);
}

static bool
create(Bench *bench, BenchSide side)
{
    return bench_snapshot_create(bench, side);
}

static bool
remove_it(Bench *bench, BenchSide side)
{
    return bench_snapshot_remove(bench, side);
}

static bool
check(Bench *bench, BenchSide side)
{
    if (side == BENCH_REFERENCE)
        return bench_run("e2fsck", "-fy", DM_PATH, NULL);
    return bench_call(bench_side_bus(bench, side), NULL, "FsckSnapshot", "s", DM_PATH);
}

static void
tear_down(Bench *bench)
{
    g_autofree char *base = base_path(bench);
    g_autofree char *cow = cow_path(bench);

    if (access(DM_PATH, F_OK) == 0)
        (void)bench_run("dmsetup", "remove", DM_NAME, NULL);
    (void)unlink(base);
    (void)unlink(cow);
}

void
bench_snapshot_cases(Bench *bench)
{
    static const BenchCase cases[] = {
        {.name = "CreateDMSnapshot + RemoveDMSnapshot",
         .reference = "2 x losetup -f; blockdev --getsz; dmsetup create; dmsetup remove; "
                      "2 x losetup -d",
         .bar = 1.5,
         .obstacle = bench_snapshot_obstacle,
         .set_up = bench_snapshot_files,
         .run = run,
         .tear_down = tear_down},
        {.name = "FsckSnapshot",
         .reference = "e2fsck -fy",
         .obstacle = bench_snapshot_obstacle,
         .set_up = bench_snapshot_files,
         .before = create,
         .run = check,
         .after = remove_it,
         .tear_down = tear_down},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        bench_compare(bench, &cases[i]);
}
