/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/overlay-io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image-worker/sandbox.h"
#include "util/worker-protocol.h"

/* All writes of libext2fs but odd ones are whole multiples of the smallest block. */
#define GRANULE 1024u
#define GRANULES_MAX (128u << 10) /* 128 MiB: a full request thrice over */
#define SUPERBLOCK_GRANULE 1u
#define SUPERBLOCK_AT ((uint64_t)1024)
#define RUN_MAX BANGER_SANDBOX_RESERVE_MAX

typedef struct {
    uint64_t number;     /* offset in the image / GRANULE */
    unsigned char *data; /* NULL: an empty slot */
} Granule;

static struct {
    Granule *slots; /* open addressing */
    size_t n_slots; /* a power of two */
    size_t n_used;
    io_channel lower;
    uint64_t image_granules;
    struct ext2_super_block superblock; /* as it was when the image was opened */
} overlay;

static size_t
slot_of(const Granule *slots, size_t n_slots, uint64_t number)
{
    size_t i = (size_t)((number * 0x9e3779b97f4a7c15u) >> 20) & (n_slots - 1);

    while (slots[i].data != NULL && slots[i].number != number)
        i = (i + 1) & (n_slots - 1);
    return i;
}

static unsigned char *
find_granule(uint64_t number)
{
    if (overlay.n_slots == 0)
        return NULL;
    return overlay.slots[slot_of(overlay.slots, overlay.n_slots, number)].data;
}

static bool
grow_table(void)
{
    size_t n_slots = overlay.n_slots == 0 ? 1024 : overlay.n_slots * 2;
    Granule *slots = calloc(n_slots, sizeof *slots);

    if (slots == NULL)
        return false;
    for (size_t i = 0; i < overlay.n_slots; i++)
        if (overlay.slots[i].data != NULL)
            slots[slot_of(slots, n_slots, overlay.slots[i].number)] = overlay.slots[i];
    free(overlay.slots);
    overlay.slots = slots;
    overlay.n_slots = n_slots;
    return true;
}

/* The kept granule @number, made (and filled from the image if @fill) if there is none yet. */
static errcode_t
obtain_granule(uint64_t number, bool fill, unsigned char **ret_data)
{
    unsigned char *data = find_granule(number);

    if (data == NULL) {
        size_t slot;

        if (number >= overlay.image_granules)
            return EXT2_ET_SHORT_WRITE;
        if (overlay.n_used >= GRANULES_MAX)
            return EXT2_ET_NO_MEMORY;
        if (overlay.n_used * 3 >= overlay.n_slots * 2 && !grow_table())
            return EXT2_ET_NO_MEMORY;
        data = malloc(GRANULE);
        if (data == NULL)
            return EXT2_ET_NO_MEMORY;
        if (fill && pread(BANGER_WORKER_FD_IMAGE, data, GRANULE, (off_t)(number * GRANULE)) !=
                        (ssize_t)GRANULE) {
            free(data);
            return EXT2_ET_SHORT_READ;
        }
        slot = slot_of(overlay.slots, overlay.n_slots, number);
        overlay.slots[slot] = (Granule){number, data};
        overlay.n_used++;
    }
    *ret_data = data;
    return 0;
}

static errcode_t
keep_change(uint64_t offset, size_t length, const unsigned char *from)
{
    while (length > 0) {
        size_t within = (size_t)(offset % GRANULE);
        size_t n = length < GRANULE - within ? length : GRANULE - within;
        unsigned char *data;
        errcode_t error = obtain_granule(offset / GRANULE, n < GRANULE, &data);

        if (error != 0)
            return error;
        memcpy(data + within, from, n);
        offset += n;
        from += n;
        length -= n;
    }
    return 0;
}

/* Lays what was kept of the @length bytes at @offset over @to. */
static void
lay_over(uint64_t offset, size_t length, unsigned char *to)
{
    while (overlay.n_used > 0 && length > 0) {
        size_t within = (size_t)(offset % GRANULE);
        size_t n = length < GRANULE - within ? length : GRANULE - within;
        const unsigned char *data = find_granule(offset / GRANULE);

        if (data != NULL)
            memcpy(to, data + within, n);
        offset += n;
        to += n;
        length -= n;
    }
}

/* Offset and length in bytes of @count blocks (or, if negative, bytes) at @block. */
static errcode_t
extent_of(io_channel channel, unsigned long long block, int count, uint64_t *ret_offset,
          size_t *ret_length)
{
    if (__builtin_mul_overflow(block, (unsigned int)channel->block_size, ret_offset))
        return EXT2_ET_BAD_BLOCK_NUM;
    *ret_length = count < 0 ? (size_t)(-(long)count) : (size_t)count * (size_t)channel->block_size;
    return 0;
}

static errcode_t
overlay_read_blk64(io_channel channel, unsigned long long block, int count, void *data)
{
    uint64_t offset;
    size_t length;
    errcode_t error = extent_of(channel, block, count, &offset, &length);

    if (error == 0)
        error = io_channel_read_blk64(overlay.lower, block, count, data);
    if (error == 0)
        lay_over(offset, length, data);
    return error;
}

static errcode_t
overlay_read_blk(io_channel channel, unsigned long block, int count, void *data)
{
    return overlay_read_blk64(channel, block, count, data);
}

static errcode_t
overlay_write_blk64(io_channel channel, unsigned long long block, int count, const void *data)
{
    uint64_t offset;
    size_t length;
    errcode_t error = extent_of(channel, block, count, &offset, &length);

    return error != 0 ? error : keep_change(offset, length, data);
}

static errcode_t
overlay_write_blk(io_channel channel, unsigned long block, int count, const void *data)
{
    return overlay_write_blk64(channel, block, count, data);
}

static errcode_t
overlay_write_byte(io_channel channel, unsigned long offset, int size, const void *data)
{
    (void)channel;
    return size < 0 ? EXT2_ET_INVALID_ARGUMENT : keep_change(offset, (size_t)size, data);
}

static errcode_t
overlay_set_blksize(io_channel channel, int block_size)
{
    errcode_t error = io_channel_set_blksize(overlay.lower, block_size);

    if (error == 0)
        channel->block_size = block_size;
    return error;
}

static errcode_t
overlay_flush(io_channel channel)
{
    (void)channel;
    return 0;
}

static errcode_t
overlay_close(io_channel channel)
{
    if (--channel->refcount > 0)
        return 0;
    for (size_t i = 0; i < overlay.n_slots; i++)
        free(overlay.slots[i].data);
    free(overlay.slots);
    (void)io_channel_close(overlay.lower);
    memset(&overlay, 0, sizeof overlay);
    free(channel->name);
    free(channel);
    return 0;
}

static errcode_t
overlay_open(const char *name, int flags, io_channel *ret_channel)
{
    errcode_t error = unixfd_io_manager->open(name, flags, &overlay.lower);
    off_t size = lseek(BANGER_WORKER_FD_IMAGE, 0, SEEK_END);
    io_channel channel;

    if (error != 0)
        return error;
    if (size < 0)
        return errno;
    overlay.image_granules = (uint64_t)size / GRANULE;
    if (pread(BANGER_WORKER_FD_IMAGE, &overlay.superblock, sizeof overlay.superblock,
              (off_t)SUPERBLOCK_AT) != (ssize_t)sizeof overlay.superblock)
        return EXT2_ET_SHORT_READ;
    channel = calloc(1, sizeof *channel);
    if (channel == NULL)
        return EXT2_ET_NO_MEMORY;
    channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    channel->manager = banger_overlay_io_manager;
    channel->name = strdup(name);
    channel->block_size = overlay.lower->block_size;
    channel->refcount = 1;
    *ret_channel = channel;
    return 0;
}

static struct struct_io_manager overlay_manager = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "overlay",
    .open = overlay_open,
    .close = overlay_close,
    .set_blksize = overlay_set_blksize,
    .read_blk = overlay_read_blk,
    .write_blk = overlay_write_blk,
    .flush = overlay_flush,
    .write_byte = overlay_write_byte,
    .read_blk64 = overlay_read_blk64,
    .write_blk64 = overlay_write_blk64,
};

io_manager banger_overlay_io_manager = &overlay_manager;

bool
banger_overlay_is_dirty(void)
{
    return overlay.n_used > 0;
}

static int
by_number(const void *a, const void *b)
{
    uint64_t left = ((const Granule *)a)->number, right = ((const Granule *)b)->number;

    return left < right ? -1 : left > right;
}

/* The kept granules in the image's order, but for the superblock. */
static Granule *
sort_granules(size_t *ret_n)
{
    Granule *all = calloc(overlay.n_used + 1, sizeof *all);
    size_t n = 0;

    if (all == NULL)
        return NULL;
    for (size_t i = 0; i < overlay.n_slots; i++)
        if (overlay.slots[i].data != NULL && overlay.slots[i].number != SUPERBLOCK_GRANULE)
            all[n++] = overlay.slots[i];
    qsort(all, n, sizeof *all, by_number);
    *ret_n = n;
    return all;
}

bool
banger_overlay_check_room(const BangerWorkerRoom *room, BangerWorkerFailure *failure)
{
    const uint32_t chunk_size = room->chunk_size;
    uint64_t last = SUPERBLOCK_AT / (chunk_size != 0 ? chunk_size : 1);
    size_t n = 0, n_dirty = 1;
    Granule *granules;

    if (chunk_size == 0)
        return true;
    granules = sort_granules(&n);
    if (granules == NULL)
        return banger_failure_set_errno(failure, ENOMEM, "cannot write to the image");
    for (size_t i = 0; i < n; i++) {
        uint64_t chunk = granules[i].number * GRANULE / chunk_size;

        n_dirty += chunk != last;
        last = chunk;
    }
    free(granules);
    return n_dirty <= room->n_chunks || banger_failure_set_no_room(failure, room, n_dirty);
}

/* How many granules from @granules on follow each other without a gap. */
static size_t
run_length(const Granule *granules, size_t n)
{
    size_t run = 1;

    while (run < n && run < RUN_MAX / GRANULE &&
           granules[run].number == granules[run - 1].number + 1)
        run++;
    return run;
}

static bool
write_at(int fd, const void *data, size_t length, uint64_t offset, BangerWorkerFailure *failure)
{
    const unsigned char *from = data;

    while (length > 0) {
        ssize_t n = pwrite(fd, from, length, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return banger_failure_set_errno(failure, n < 0 ? errno : EIO,
                                            "the image is damaged, check it with e2fsck: writing "
                                            "to it failed half-way");
        from += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return true;
}

/* Makes sure that a sparse file has room for every write: afterwards ENOSPC cannot happen. */
static bool
reserve_space(int fd, const Granule *granules, size_t n, BangerWorkerFailure *failure)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return banger_failure_set_errno(failure, errno, "cannot examine the image");
    if (!S_ISREG(st.st_mode))
        return true;
    for (size_t i = 0, run; i < n; i += run) {
        run = run_length(granules + i, n - i);
        if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)(granules[i].number * GRANULE),
                      (off_t)(run * GRANULE)) == 0)
            continue;
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            return true;
        return banger_failure_set_errno(failure, errno, "cannot allocate space for the image");
    }
    return true;
}

static bool
write_runs(int fd, const Granule *granules, size_t n, BangerWorkerFailure *failure)
{
    unsigned char *buffer = malloc(RUN_MAX);
    bool done = buffer != NULL;

    for (size_t i = 0, run; done && i < n; i += run) {
        run = run_length(granules + i, n - i);
        for (size_t k = 0; k < run; k++)
            memcpy(buffer + k * GRANULE, granules[i + k].data, GRANULE);
        done = write_at(fd, buffer, run * GRANULE, granules[i].number * GRANULE, failure);
    }
    if (buffer == NULL)
        (void)banger_failure_set_errno(failure, ENOMEM, "cannot write to the image");
    free(buffer);
    return done;
}

static bool
flush_granules(int fd, BangerWorkerFailure *failure)
{
    if (fdatasync(fd) < 0)
        return banger_failure_set_errno(failure, errno, "cannot flush the image to the disk");
    return true;
}

/* The superblock as it shall be, but with the mark of a file system that is being changed. */
static bool
write_marked_superblock(ext2_filsys fs, int fd, const unsigned char *superblock,
                        BangerWorkerFailure *failure)
{
    struct ext2_super_block marked;

    _Static_assert(sizeof marked == GRANULE, "a superblock is one granule");
    memcpy(&marked, superblock, sizeof marked);
    marked.s_state &= (__u16)~ext2fs_cpu_to_le16(EXT2_VALID_FS);
    (void)ext2fs_superblock_csum_set(fs, &marked);
    return write_at(fd, &marked, sizeof marked, SUPERBLOCK_AT, failure) &&
           flush_granules(fd, failure);
}

bool
banger_overlay_check_image(int fd, BangerWorkerFailure *failure)
{
    struct ext2_super_block now;

    return (pread(fd, &now, sizeof now, (off_t)SUPERBLOCK_AT) == (ssize_t)sizeof now &&
            memcmp(&now, &overlay.superblock, sizeof now) == 0) ||
           banger_failure_set(failure, BANGER_WORKER_FAILED,
                              "another process has written to the image meanwhile");
}

/* Whether the new superblock is of the same file system as that which the image was opened with. */
static bool
check_superblock(const unsigned char *new_one, BangerWorkerFailure *failure)
{
    const struct ext2_super_block *was = &overlay.superblock;
    struct ext2_super_block next = *was;

    if (new_one != NULL)
        memcpy(&next, new_one, sizeof next);
    if (next.s_magic != was->s_magic || next.s_blocks_count != was->s_blocks_count ||
        next.s_blocks_count_hi != was->s_blocks_count_hi ||
        next.s_inodes_count != was->s_inodes_count ||
        next.s_log_block_size != was->s_log_block_size ||
        next.s_feature_incompat != was->s_feature_incompat ||
        memcmp(next.s_uuid, was->s_uuid, sizeof next.s_uuid) != 0)
        return banger_failure_set(failure, BANGER_WORKER_FAILED,
                                  "the file system is damaged, check it with e2fsck: a file would "
                                  "be written over its superblock");
    return true;
}

bool
banger_overlay_commit(ext2_filsys fs, int fd, BangerWorkerFailure *failure)
{
    const unsigned char *superblock = find_granule(SUPERBLOCK_GRANULE);
    size_t n = 0;
    Granule *granules = sort_granules(&n);
    bool done;

    if (granules == NULL)
        return banger_failure_set_errno(failure, ENOMEM, "cannot write to the image");
    done = banger_overlay_check_image(fd, failure) && check_superblock(superblock, failure) &&
           reserve_space(fd, granules, n, failure) &&
           (superblock == NULL || write_marked_superblock(fs, fd, superblock, failure)) &&
           write_runs(fd, granules, n, failure) && flush_granules(fd, failure) &&
           (superblock == NULL || (write_at(fd, superblock, GRANULE, SUPERBLOCK_AT, failure) &&
                                   flush_granules(fd, failure)));
    free(granules);
    return done;
}
