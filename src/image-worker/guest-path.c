/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/guest-path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "image-worker/guest-content.h"
#include "image-worker/soundness.h"
#include "util/worker-protocol.h"

#define DEPTH_MAX 2048                           /* directories on the way: PATH_MAX / 2 */
#define PENDING_MAX (4 * BANGER_WORKER_PATH_MAX) /* what is left to walk, link targets included */
#define LINK_TARGET_MAX 4095
#define LINKS_MAX 65000 /* of a directory, without dir_nlink */

typedef struct {
    ext2_filsys fs;
    const char *path; /* as the caller wrote it, for messages */
    BangerGuestWalk way_of;
    ext2_ino_t way[DEPTH_MAX]; /* the directories from the root to where we are */
    unsigned int depth;
    unsigned int n_followed;
    char pending[PENDING_MAX];
    const char *rest; /* into pending */
    BangerWorkerFailure *failure;
} Walk;

static ext2_ino_t
current_directory(const Walk *walk)
{
    return walk->way[walk->depth];
}

bool
banger_guest_inode_read(ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *ret_inode, int size,
                        const char *path, BangerWorkerFailure *failure)
{
    errcode_t error;

    if (ino != EXT2_ROOT_INO &&
        (ino < EXT2_FIRST_INODE(fs->super) || ino > fs->super->s_inodes_count))
        return banger_failure_set(failure, BANGER_WORKER_FAILED,
                                  "guest path \"%s\" leads to inode %u, which is no file's: the "
                                  "file system is damaged",
                                  path, ino);
    error = ext2fs_read_inode_full(fs, ino, ret_inode, size);
    if (error != 0)
        return banger_failure_set_ext2(failure, error, "cannot read inode %u of guest path \"%s\"",
                                       ino, path);
    if (ret_inode->i_links_count == 0)
        return banger_failure_set(failure, BANGER_WORKER_FAILED,
                                  "guest path \"%s\" leads to inode %u, which is deleted: the file "
                                  "system is damaged",
                                  path, ino);
    return true;
}

static bool
read_link_blocks(Walk *walk, ext2_ino_t ino, char *target, unsigned int size)
{
    errcode_t error = banger_guest_content_read(walk->fs, ino, target, size);

    return error == 0 ||
           banger_failure_set_ext2(walk->failure, error,
                                   "cannot read a symbolic link of guest path \"%s\"", walk->path);
}

/* Reads the target of the symbolic link @ino into @target of LINK_TARGET_MAX + 1 bytes. */
static bool
read_link(Walk *walk, ext2_ino_t ino, struct ext2_inode *inode, char *target)
{
    __u64 size = EXT2_I_SIZE(inode);

    if (size == 0 || size > LINK_TARGET_MAX || (inode->i_flags & EXT4_ENCRYPT_FL) != 0)
        return banger_failure_set(walk->failure, BANGER_WORKER_FAILED,
                                  "guest path \"%s\" leads through a symbolic link that is "
                                  "damaged or encrypted",
                                  walk->path);
    memset(target, 0, LINK_TARGET_MAX + 1);
    if (!ext2fs_is_fast_symlink(inode))
        return read_link_blocks(walk, ino, target, (unsigned int)size);
    if (size >= sizeof inode->i_block)
        size = sizeof inode->i_block - 1;
    memcpy(target, inode->i_block, (size_t)size);
    return true;
}

/* Continues with the target of the link @ino, then with @rest. */
static bool
follow_link(Walk *walk, ext2_ino_t ino, struct ext2_inode *inode, const char *rest)
{
    char target[LINK_TARGET_MAX + 1];
    char next[PENDING_MAX];
    int length;

    if (++walk->n_followed > BANGER_WORKER_FOLLOWS_MAX)
        return banger_failure_set(walk->failure, BANGER_WORKER_BAD_PARAMS,
                                  "guest path \"%s\" leads through more than %u symbolic links",
                                  walk->path, BANGER_WORKER_FOLLOWS_MAX);
    if (!read_link(walk, ino, inode, target))
        return false;
    length = snprintf(next, sizeof next, "%s%s%s", target, *rest != '\0' ? "/" : "", rest);
    if (length < 0 || (size_t)length >= sizeof next)
        return banger_failure_set(walk->failure, BANGER_WORKER_BAD_PARAMS,
                                  "guest path \"%s\" grows too long by its symbolic links",
                                  walk->path);
    if (target[0] == '/')
        walk->depth = 0;
    memcpy(walk->pending, next, (size_t)length + 1);
    walk->rest = walk->pending;
    return true;
}

static bool
enter_directory(Walk *walk, ext2_ino_t directory)
{
    if (walk->depth + 1 >= DEPTH_MAX)
        return banger_failure_set(walk->failure, BANGER_WORKER_BAD_PARAMS,
                                  "guest path \"%s\" is too deep", walk->path);
    walk->way[++walk->depth] = directory;
    return true;
}

/*
 * Directories whose names are not what they seem, or whose blocks are not theirs: nothing is
 * entered into them.
 */
static bool
check_directory_writable(ext2_filsys fs, ext2_ino_t directory, const char *name,
                         BangerWorkerFailure *failure)
{
    struct ext2_inode inode = {0};

    if (!banger_guest_inode_read(fs, directory, &inode, sizeof inode, name, failure))
        return false;
    if ((inode.i_flags & (EXT4_ENCRYPT_FL | EXT4_CASEFOLD_FL)) != 0)
        return banger_failure_set(failure, BANGER_WORKER_NOT_SUPPORTED,
                                  "cannot create \"%s\": its directory is encrypted or folds case",
                                  name);
    return banger_soundness_check_inode(fs, directory, &inode, name, failure);
}

static bool
touch_directory(ext2_filsys fs, ext2_ino_t directory, BangerWorkerFailure *failure)
{
    struct ext2_inode inode = {0};
    errcode_t error = ext2fs_read_inode(fs, directory, &inode);

    if (error == 0) {
        inode.i_mtime = inode.i_ctime = (__u32)time(NULL);
        error = ext2fs_write_inode(fs, directory, &inode);
    }
    return error == 0 || banger_failure_set_ext2(failure, error, "cannot update a directory");
}

bool
banger_guest_link(ext2_filsys fs, ext2_ino_t directory, const char *name, ext2_ino_t ino,
                  int file_type, BangerWorkerFailure *failure)
{
    errcode_t error;

    if (!check_directory_writable(fs, directory, name, failure))
        return false;
    error = ext2fs_link(fs, directory, name, ino, file_type);
    if (error == EXT2_ET_DIR_NO_SPACE) {
        error = ext2fs_expand_dir(fs, directory);
        if (error == 0)
            error = ext2fs_link(fs, directory, name, ino, file_type);
    }
    if (error != 0)
        return banger_failure_set_ext2(failure, error, "cannot enter \"%s\" into its directory",
                                       name);
    return touch_directory(fs, directory, failure);
}

/*
 * A directory that once had more subdirectories than can be counted has 1 as its link count and
 * keeps it (dir_nlink); libext2fs counts on from there.
 */
static bool
keep_uncounted(Walk *walk, const struct ext2_inode *before)
{
    struct ext2_inode inode = {0};
    errcode_t error;

    if (before->i_links_count != 1)
        return true;
    error = ext2fs_read_inode(walk->fs, current_directory(walk), &inode);
    if (error == 0) {
        inode.i_links_count = 1;
        error = ext2fs_write_inode(walk->fs, current_directory(walk), &inode);
    }
    return error == 0 || banger_failure_set_ext2(walk->failure, error, "cannot update a directory");
}

/* Makes the directory @name (0755, owner 0:0) and enters it. */
static bool
make_directory(Walk *walk, const char *name)
{
    ext2_filsys fs = walk->fs;
    struct ext2_inode parent = {0};
    ext2_ino_t ino;
    errcode_t error;

    if (!check_directory_writable(fs, current_directory(walk), name, walk->failure) ||
        !banger_guest_inode_read(fs, current_directory(walk), &parent, sizeof parent, walk->path,
                                 walk->failure))
        return false;
    if (parent.i_links_count >= LINKS_MAX)
        return banger_failure_set(walk->failure, BANGER_WORKER_FAILED,
                                  "cannot create directory \"%s\" of guest path \"%s\": too many "
                                  "beside it",
                                  name, walk->path);
    fs->umask = 022;
    error = ext2fs_mkdir(fs, current_directory(walk), 0, name);
    if (error == EXT2_ET_DIR_NO_SPACE) {
        error = ext2fs_expand_dir(fs, current_directory(walk));
        if (error == 0)
            error = ext2fs_mkdir(fs, current_directory(walk), 0, name);
    }
    if (error == 0)
        error = ext2fs_lookup(fs, current_directory(walk), name, (int)strlen(name), NULL, &ino);
    if (error != 0)
        return banger_failure_set_ext2(walk->failure, error,
                                       "cannot create directory \"%s\" of guest path \"%s\"", name,
                                       walk->path);
    return keep_uncounted(walk, &parent) && touch_directory(fs, ino, walk->failure) &&
           touch_directory(fs, current_directory(walk), walk->failure) &&
           enter_directory(walk, ino);
}

/* Takes the next component off the rest of the path; *@ret_is_last if nothing but "/" follows. */
static bool
next_component(Walk *walk, char *name, bool *ret_is_last)
{
    size_t length;

    walk->rest += strspn(walk->rest, "/");
    length = strcspn(walk->rest, "/");
    if (length > EXT2_NAME_LEN)
        return banger_failure_set(walk->failure, BANGER_WORKER_BAD_PARAMS,
                                  "guest path \"%.256s…\" has a component of more than %d bytes",
                                  walk->path, EXT2_NAME_LEN);
    memcpy(name, walk->rest, length);
    name[length] = '\0';
    walk->rest += length;
    *ret_is_last = walk->rest[strspn(walk->rest, "/")] == '\0';
    return true;
}

/* One component, found as @ino. Sets *@ret_done when it is the last. */
static bool
step_into(Walk *walk, const char *name, bool is_last, ext2_ino_t ino, BangerGuestEntry *entry,
          bool *ret_done)
{
    struct ext2_inode inode = {0};

    if (!banger_guest_inode_read(walk->fs, ino, &inode, sizeof inode, walk->path, walk->failure))
        return false;
    if (LINUX_S_ISLNK(inode.i_mode) && !(is_last && walk->way_of != BANGER_GUEST_WALK_READ))
        return follow_link(walk, ino, &inode, walk->rest);
    if (LINUX_S_ISDIR(inode.i_mode))
        return enter_directory(walk, ino);
    if (!is_last)
        return banger_failure_set(walk->failure, BANGER_WORKER_BAD_PARAMS,
                                  "guest path \"%s\" leads through \"%s\", which is no directory",
                                  walk->path, name);
    entry->parent = current_directory(walk);
    entry->ino = ino;
    memcpy(entry->name, name, strlen(name) + 1);
    *ret_done = true;
    return true;
}

static bool
step_into_nothing(Walk *walk, const char *name, bool is_last, BangerGuestEntry *entry,
                  bool *ret_done)
{
    if (is_last) {
        entry->parent = current_directory(walk);
        entry->ino = 0;
        memcpy(entry->name, name, strlen(name) + 1);
        *ret_done = true;
        return true;
    }
    if (walk->way_of != BANGER_GUEST_WALK_CREATE)
        return banger_failure_set(walk->failure, BANGER_WORKER_NOT_FOUND,
                                  "guest path \"%s\" does not exist: there is no \"%s\"",
                                  walk->path, name);
    return make_directory(walk, name);
}

static bool
take_step(Walk *walk, BangerGuestEntry *entry, bool *ret_done)
{
    char name[EXT2_NAME_LEN + 1] = "";
    ext2_ino_t ino = 0;
    errcode_t error;
    bool is_last = false;

    if (!next_component(walk, name, &is_last))
        return false;
    if (name[0] == '\0') { /* the path ends in a directory */
        *entry =
            (BangerGuestEntry){.parent = current_directory(walk), .ino = current_directory(walk)};
        *ret_done = true;
        return true;
    }
    if (strcmp(name, ".") == 0)
        return true;
    if (strcmp(name, "..") == 0) {
        walk->depth -= walk->depth > 0;
        return true;
    }
    error = ext2fs_lookup(walk->fs, current_directory(walk), name, (int)strlen(name), NULL, &ino);
    if (error == EXT2_ET_FILE_NOT_FOUND)
        return step_into_nothing(walk, name, is_last, entry, ret_done);
    if (error != 0)
        return banger_failure_set_ext2(
            walk->failure, error, "cannot look up \"%s\" of guest path \"%s\"", name, walk->path);
    return step_into(walk, name, is_last, ino, entry, ret_done);
}

bool
banger_guest_path_walk(ext2_filsys fs, const char *path, BangerGuestWalk way,
                       BangerGuestEntry *ret_entry, BangerWorkerFailure *failure)
{
    Walk *walk = calloc(1, sizeof *walk);
    BangerGuestEntry entry = {0};
    bool done = false;
    bool well = true;

    if (walk == NULL)
        return banger_failure_set(failure, BANGER_WORKER_FAILED, "out of memory");
    *walk = (Walk){.fs = fs, .path = path, .way_of = way, .failure = failure};
    walk->way[0] = EXT2_ROOT_INO;
    (void)snprintf(walk->pending, sizeof walk->pending, "%s", path);
    walk->rest = walk->pending;
    while (well && !done)
        well = take_step(walk, &entry, &done);
    free(walk);
    if (well)
        *ret_entry = entry;
    return well;
}
