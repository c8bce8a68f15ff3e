/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image-worker/channel.h"
#include "image-worker/guest-file.h"
#include "image-worker/sandbox.h"
#include "util/worker-protocol.h"

#define PIECE ((size_t)BANGER_SANDBOX_RESERVE_MAX)

/* Waits until @fd, which may be non-blocking, is ready; the helper sees to the time. */
static bool
wait_for(int fd, short events)
{
    struct pollfd pollfd = {.fd = fd, .events = events};

    return poll(&pollfd, 1, -1) >= 0 || errno == EINTR;
}

/* @length bytes more are copied: the helper hears of it if that makes a step more than it knows. */
static bool
report_progress(BangerStreamProgress *progress, size_t length, BangerWorkerFailure *failure)
{
    progress->now.done += length;
    if (progress->now.done - progress->reported < BANGER_WORKER_PROGRESS_STEP)
        return true;
    progress->reported = progress->now.done;
    if (!banger_channel_reply(BANGER_WORKER_PROGRESS, &progress->now, sizeof progress->now))
        return banger_failure_set(failure, BANGER_WORKER_FAILED, "the helper went away");
    return banger_sandbox_allow_more_time(failure);
}

static bool
put_all(int to, const unsigned char *data, size_t length, BangerWorkerFailure *failure)
{
    while (length > 0) {
        ssize_t n = write(to, data, length);

        if (n < 0 && (errno == EINTR || (errno == EAGAIN && wait_for(to, POLLOUT))))
            continue;
        if (n < 0)
            return banger_failure_set_errno(failure, errno,
                                            "cannot write to the descriptor of the caller");
        data += n;
        length -= (size_t)n;
    }
    return true;
}

static bool
copy_out(ext2_file_t file, uint64_t size, const char *path, int to, BangerWorkerFailure *failure)
{
    unsigned char *piece = malloc(PIECE);
    BangerStreamProgress progress = {.now.total = size};
    uint64_t done = 0;
    bool well = piece != NULL;

    if (!well)
        (void)banger_failure_set_errno(failure, ENOMEM, "cannot read guest path \"%s\"", path);
    while (well && done < size) {
        unsigned int got = 0;
        size_t wanted = size - done < PIECE ? (size_t)(size - done) : PIECE;
        errcode_t error = ext2fs_file_read(file, piece, (unsigned int)wanted, &got);

        if (error == 0 && got == 0)
            error = EXT2_ET_SHORT_READ;
        well = error == 0 ||
               banger_failure_set_ext2(failure, error, "cannot read guest path \"%s\"", path);
        well = well && put_all(to, piece, got, failure);
        done += got;
        well = well && report_progress(&progress, got, failure);
    }
    free(piece);
    return well;
}

bool
banger_stream_read(ext2_filsys fs, const char *path, int to, uint64_t *ret_size,
                   BangerWorkerFailure *failure)
{
    ext2_ino_t ino = 0;
    ext2_file_t file;
    errcode_t error;
    bool done;

    if (!banger_guest_file_find(fs, path, &ino, ret_size, failure))
        return false;
    error = ext2fs_file_open(fs, ino, 0, &file);
    if (error != 0)
        return banger_failure_set_ext2(failure, error, "cannot read guest path \"%s\"", path);
    done = copy_out(file, *ret_size, path, to, failure);
    (void)ext2fs_file_close(file);
    return done;
}

uint64_t
banger_stream_size(int first, uint32_t n)
{
    uint64_t size = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct stat st;

        if (fstat(first + (int)i, &st) < 0 || !S_ISREG(st.st_mode))
            return 0;
        size += (uint64_t)st.st_size;
    }
    return size;
}

bool
banger_stream_check_room(ext2_filsys fs, int first, uint32_t n, const BangerWorkerRoom *room,
                         BangerWorkerFailure *failure)
{
    const uint64_t cluster = (uint64_t)fs->blocksize << fs->cluster_ratio_bits;
    uint64_t needed = 0;
    uint64_t free_bytes = ext2fs_free_blocks_count(fs->super) * fs->blocksize;

    for (uint32_t i = 0; i < n; i++) {
        struct stat st;

        if (fstat(first + (int)i, &st) < 0)
            return banger_failure_set_errno(failure, errno, "cannot examine the content");
        if (S_ISREG(st.st_mode))
            needed += ((uint64_t)st.st_size + cluster - 1) / cluster * cluster;
    }
    if (needed > free_bytes)
        return banger_failure_set(failure, BANGER_WORKER_FAILED,
                                  "no space left in the image: the files take %llu bytes beside "
                                  "what they replace, and %llu are free",
                                  (unsigned long long)needed, (unsigned long long)free_bytes);
    return room->chunk_size == 0 || needed / room->chunk_size < room->n_chunks ||
           banger_failure_set_no_room(failure, room, needed / room->chunk_size + 1);
}

/* Reads until @piece is full or the content ends; *@ret_length is how much there was. */
static bool
fill_piece(int from, bool is_file, uint64_t offset, unsigned char *piece, size_t *ret_length,
           BangerWorkerFailure *failure)
{
    size_t length = 0;

    while (length < PIECE) {
        ssize_t n = is_file ? pread(from, piece + length, PIECE - length, (off_t)(offset + length))
                            : read(from, piece + length, PIECE - length);

        if (n < 0 && (errno == EINTR || (errno == EAGAIN && wait_for(from, POLLIN))))
            continue;
        if (n < 0)
            return banger_failure_set_errno(failure, errno,
                                            "cannot read from the descriptor of the caller");
        if (n == 0)
            break;
        length += (size_t)n;
    }
    *ret_length = length;
    return true;
}

static bool
add_run(BangerRuns *runs, blk64_t start, blk64_t n)
{
    BangerRun *list = runs->list;

    if (runs->n > 0 && list[runs->n - 1].start + list[runs->n - 1].n == start) {
        list[runs->n - 1].n += n;
        return true;
    }
    if (runs->n % 256 == 0) {
        list = realloc(runs->list, (runs->n + 256) * sizeof *list);
        if (list == NULL)
            return false;
        runs->list = list;
    }
    list[runs->n++] = (BangerRun){start, n};
    return true;
}

/* Allocates at most @wanted blocks, behind what @runs has if it can be. */
static errcode_t
allocate_run(ext2_filsys fs, BangerRuns *runs, blk64_t wanted, blk64_t *ret_start, blk64_t *ret_n)
{
    const blk64_t ratio = (blk64_t)1 << fs->cluster_ratio_bits;
    blk64_t goal = runs->n > 0 ? runs->list[runs->n - 1].start + runs->list[runs->n - 1].n
                               : fs->super->s_first_data_block;
    errcode_t error;

    wanted = (wanted + ratio - 1) / ratio * ratio;
    if (goal >= ext2fs_blocks_count(fs->super))
        goal = fs->super->s_first_data_block;
    error = ext2fs_new_range(fs, 0, goal, wanted, NULL, ret_start, ret_n);
    if (error != 0)
        return error;
    *ret_n = (*ret_n < wanted ? *ret_n : wanted) / ratio * ratio;
    if (*ret_n == 0)
        return EXT2_ET_BLOCK_ALLOC_FAIL;
    ext2fs_block_alloc_stats_range(fs, *ret_start, (blk_t)*ret_n, +1);
    return add_run(runs, *ret_start, *ret_n) ? 0 : EXT2_ET_NO_MEMORY;
}

/* Takes what the @length bytes at @offset change off @room. */
static bool
take_room(BangerWorkerRoom *room, uint64_t offset, size_t length, BangerWorkerFailure *failure)
{
    uint64_t n;

    if (room->chunk_size == 0 || length == 0)
        return true;
    n = (offset + length - 1) / room->chunk_size - offset / room->chunk_size + 1;
    if (n > room->n_chunks)
        return banger_failure_set_no_room(failure, room, n);
    room->n_chunks -= (uint32_t)n;
    return true;
}

static bool
write_run(uint64_t offset, const unsigned char *data, size_t length, BangerWorkerFailure *failure)
{
    struct stat st;

    if (fstat(BANGER_WORKER_FD_IMAGE, &st) == 0 && S_ISREG(st.st_mode) &&
        fallocate(BANGER_WORKER_FD_IMAGE, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length) < 0 &&
        errno != EOPNOTSUPP && errno != ENOSYS)
        return banger_failure_set_errno(failure, errno, "cannot allocate space for the image");
    while (length > 0) {
        ssize_t n = pwrite(BANGER_WORKER_FD_IMAGE, data, length, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return banger_failure_set_errno(failure, n < 0 ? errno : EIO,
                                            "cannot write to what is free in the image");
        data += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return true;
}

/* Writes @length bytes, the rest of the last cluster being zeros, to blocks of their own. */
static bool
write_piece(ext2_filsys fs, BangerRuns *runs, BangerWorkerRoom *room, unsigned char *piece,
            size_t length, BangerWorkerFailure *failure)
{
    size_t done = 0;

    while (done < length) {
        blk64_t start = 0, n = 0;
        size_t bytes;
        errcode_t error =
            allocate_run(fs, runs, (length - done + fs->blocksize - 1) / fs->blocksize, &start, &n);

        if (error != 0)
            return banger_failure_set_ext2(failure, error, "cannot write the content");
        bytes = (size_t)n * fs->blocksize;
        if (bytes > PIECE - done)
            bytes = PIECE - done;
        for (size_t i = length; i < done + bytes; i++)
            piece[i] = 0;
        if (!take_room(room, start * fs->blocksize, bytes, failure) ||
            !write_run(start * fs->blocksize, piece + done, bytes, failure))
            return false;
        done += bytes;
    }
    return true;
}

bool
banger_stream_write(ext2_filsys fs, int from, BangerStreamProgress *progress, BangerRuns *ret_runs,
                    BangerWorkerFailure *failure)
{
    unsigned char *piece = malloc(PIECE);
    BangerRuns runs = {0};
    size_t length = PIECE;
    struct stat st;
    bool well = piece != NULL && fstat(from, &st) == 0;

    if (!well)
        (void)banger_failure_set_errno(failure, errno, "cannot read the content");
    while (well && length == PIECE) {
        well = fill_piece(from, S_ISREG(st.st_mode), runs.size, piece, &length, failure) &&
               write_piece(fs, &runs, &progress->room, piece, length, failure);
        runs.size += length;
        well = well && report_progress(progress, length, failure);
    }
    free(piece);
    if (well)
        *ret_runs = runs;
    else
        free(runs.list);
    return well;
}
