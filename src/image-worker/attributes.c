/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/attributes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ATTRIBUTES_MAX 8192u /* a block of 64 KiB has fewer */
#define ACCESS_LIST "system.posix_acl_access"

static const char *const kept[] = {
    "security.selinux",
    "security.SMACK64",
    "user.",
    ACCESS_LIST,
};

/* The form in which system calls, and ext2fs_xattr_get(), have it (linux/posix_acl_xattr.h). */
typedef struct {
    __u16 tag;
    __u16 permissions;
    __u32 id;
} AccessEntry;

#define ACCESS_HEADER 4u /* bytes: the version */
#define TAG_OWNER 0x01
#define TAG_GROUP 0x04
#define TAG_MASK 0x10
#define TAG_OTHER 0x20

static bool
is_kept(const char *name)
{
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (strncmp(name, kept[i], strlen(kept[i])) == 0)
            return true;
    return false;
}

typedef struct {
    BangerAttributes *attributes;
    errcode_t error;
} Collection;

static int
collect_name(char *name, char *value, /* NOLINT(readability-non-const-parameter) */
             size_t length, void *data)
{
    Collection *collection = data;
    BangerAttributes *attributes = collection->attributes;
    BangerAttribute *list;

    (void)value;
    (void)length;
    if (!is_kept(name))
        return 0;
    list = realloc(attributes->list, (attributes->n + 1) * sizeof *list);
    if (list != NULL) {
        attributes->list = list;
        list[attributes->n] = (BangerAttribute){.name = strdup(name)};
    }
    if (list == NULL || list[attributes->n].name == NULL)
        collection->error = EXT2_ET_NO_MEMORY;
    else if (++attributes->n > ATTRIBUTES_MAX)
        collection->error = EXT2_ET_INODE_CORRUPTED;
    return collection->error != 0 ? XATTR_ABORT : 0;
}

/* What an entry with @tag says by @mode; -1: @mode does not speak of it. */
static int
permissions_of(unsigned int tag, unsigned int mode, bool has_mask)
{
    switch (tag) {
    case TAG_OWNER:
        return (int)(mode >> 6) & 7;
    case TAG_GROUP:
        return has_mask ? -1 : (int)(mode >> 3) & 7;
    case TAG_MASK:
        return (int)(mode >> 3) & 7;
    case TAG_OTHER:
        return (int)mode & 7;
    default:
        return -1;
    }
}

static void
set_mode(BangerAttribute *attribute, unsigned int mode)
{
    size_t n = attribute->length > ACCESS_HEADER
                   ? (attribute->length - ACCESS_HEADER) / sizeof(AccessEntry)
                   : 0;
    unsigned char *entries = (unsigned char *)attribute->value + ACCESS_HEADER;
    bool has_mask = false;
    AccessEntry entry;

    for (size_t i = 0; i < n; i++) {
        memcpy(&entry, entries + i * sizeof entry, sizeof entry);
        has_mask = has_mask || ext2fs_le16_to_cpu(entry.tag) == TAG_MASK;
    }
    for (size_t i = 0; i < n; i++) {
        int permissions;

        memcpy(&entry, entries + i * sizeof entry, sizeof entry);
        permissions = permissions_of(ext2fs_le16_to_cpu(entry.tag), mode, has_mask);
        if (permissions >= 0)
            entry.permissions = ext2fs_cpu_to_le16((__u16)permissions);
        memcpy(entries + i * sizeof entry, &entry, sizeof entry);
    }
}

static errcode_t
read_values(struct ext2_xattr_handle *handle, unsigned int mode, BangerAttributes *attributes)
{
    errcode_t error = 0;

    for (size_t i = 0; error == 0 && i < attributes->n; i++) {
        BangerAttribute *attribute = &attributes->list[i];

        error = ext2fs_xattr_get(handle, attribute->name, &attribute->value, &attribute->length);
        if (error == 0 && strcmp(attribute->name, ACCESS_LIST) == 0)
            set_mode(attribute, mode);
    }
    return error;
}

errcode_t
banger_attributes_read(ext2_filsys fs, ext2_ino_t ino, unsigned int mode,
                       BangerAttributes *ret_attributes)
{
    BangerAttributes attributes = {0};
    Collection collection = {&attributes, 0};
    struct ext2_xattr_handle *handle;
    errcode_t error = ext2fs_xattrs_open(fs, ino, &handle);

    if (error != 0)
        return error;
    error = ext2fs_xattrs_read(handle);
    if (error == 0)
        error = ext2fs_xattrs_iterate(handle, collect_name, &collection);
    if (error == 0)
        error = collection.error;
    if (error == 0)
        error = read_values(handle, mode, &attributes);
    (void)ext2fs_xattrs_close(&handle);
    if (error == 0)
        *ret_attributes = attributes;
    else
        banger_attributes_free(&attributes);
    return error;
}

/*
 * The kernel counts what a value in an inode of its own takes as blocks of the file; libext2fs does
 * not.
 */
static errcode_t
count_value(ext2_filsys fs, ext2_ino_t ino, size_t length)
{
    const size_t cluster = (size_t)fs->blocksize << fs->cluster_ratio_bits;
    struct ext2_inode inode = {0};
    errcode_t error = ext2fs_read_inode(fs, ino, &inode);

    if (error == 0)
        error = ext2fs_iblk_add_blocks(fs, &inode, (length + cluster - 1) / cluster);
    return error != 0 ? error : ext2fs_write_inode(fs, ino, &inode);
}

/* Sets one attribute, by a handle of its own: a handle does not see what others do to the inode. */
static errcode_t
write_one(ext2_filsys fs, ext2_ino_t ino, const BangerAttribute *attribute)
{
    const __u32 n_free = fs->super->s_free_inodes_count;
    struct ext2_xattr_handle *handle;
    errcode_t error = ext2fs_xattrs_open(fs, ino, &handle);

    if (error != 0)
        return error;
    error = ext2fs_xattrs_read(handle);
    if (error == 0)
        error = ext2fs_xattr_set(handle, attribute->name, attribute->value, attribute->length);
    (void)ext2fs_xattrs_close(&handle);
    if (error == 0 && fs->super->s_free_inodes_count != n_free)
        error = count_value(fs, ino, attribute->length);
    return error;
}

errcode_t
banger_attributes_write(ext2_filsys fs, ext2_ino_t ino, const BangerAttributes *attributes)
{
    errcode_t error = 0;

    for (size_t i = 0; error == 0 && i < attributes->n; i++)
        error = write_one(fs, ino, &attributes->list[i]);
    return error;
}

static int
first_attribute(char *name, char *value, /* NOLINT(readability-non-const-parameter) */
                size_t value_length, void *ret_name)
{
    (void)value;
    (void)value_length;
    *(char **)ret_name = strdup(name);
    return XATTR_ABORT;
}

errcode_t
banger_attributes_remove(ext2_filsys fs, ext2_ino_t ino)
{
    struct ext2_xattr_handle *handle;
    errcode_t error = ext2fs_xattrs_open(fs, ino, &handle);
    unsigned int n = 0;
    char *name;

    if (error != 0)
        return error;
    error = ext2fs_xattrs_read(handle);
    while (error == 0) {
        /* Removing what is not found succeeds: a damaged inode must not keep us here. */
        if (++n > ATTRIBUTES_MAX) {
            error = EXT2_ET_INODE_CORRUPTED;
            break;
        }
        name = NULL;
        error = ext2fs_xattrs_iterate(handle, first_attribute, &name);
        if (error != 0 || name == NULL)
            break;
        error = ext2fs_xattr_remove(handle, name);
        free(name);
    }
    (void)ext2fs_xattrs_close(&handle);
    return error;
}

void
banger_attributes_free(BangerAttributes *attributes)
{
    for (size_t i = 0; i < attributes->n; i++) {
        free(attributes->list[i].name);
        if (attributes->list[i].value != NULL)
            (void)ext2fs_free_mem(&attributes->list[i].value);
    }
    free(attributes->list);
    *attributes = (BangerAttributes){0};
}
