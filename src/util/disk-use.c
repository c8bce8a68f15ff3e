/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/disk-use.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "util/error.h"

#define KEYS_WAIT_USEC (10 * G_USEC_PER_SEC)
#define PASSING_WAIT_USEC (G_USEC_PER_SEC / 2)
#define DETACHING_WAIT_USEC (3 * G_USEC_PER_SEC)
#define LOOK_USEC 5000

typedef struct {
    dev_t device;
    ino_t inode; /* 0: a block device */
} Key;

typedef struct {
    Key key;
    bool exclusive;
} Entry;

struct BangerDiskClaim {
    GArray *entries; /* of Entry */
};

static BangerDiskFinder *const *finders;

static GMutex lock;
static GCond changed;
static GHashTable *claimed; /* under the lock: Key to how many share it, or EXCLUSIVE */
#define EXCLUSIVE (-1)

void
banger_disk_set_finders(BangerDiskFinder *const *new_finders)
{
    finders = new_finders;
}

static unsigned int
hash_key(gconstpointer data)
{
    const Key *key = data;
    gint64 device = (gint64)key->device, inode = (gint64)key->inode;

    return g_int64_hash(&device) * 31 + g_int64_hash(&inode);
}

static gboolean
equal_keys(gconstpointer a, gconstpointer b)
{
    const Key *left = a, *right = b;

    return left->device == right->device && left->inode == right->inode;
}

static Entry
make_entry(const BangerDisk *disk)
{
    Entry entry = {.key = {disk->st.st_dev, disk->st.st_ino},
                   .exclusive = disk->mode != BANGER_DISK_READ};

    if (S_ISBLK(disk->st.st_mode))
        entry.key = (Key){disk->st.st_rdev, 0};
    return entry;
}

/* Under the lock. */
static int
count_of(const Key *key)
{
    return claimed != NULL ? GPOINTER_TO_INT(g_hash_table_lookup(claimed, key)) : 0;
}

/* Which of @entries cannot be had now; -1: all can. Under the lock. */
static int
find_taken(const GArray *entries)
{
    for (unsigned int i = 0; i < entries->len; i++) {
        const Entry *entry = &g_array_index(entries, Entry, i);
        int count = count_of(&entry->key);

        if (count == EXCLUSIVE || (entry->exclusive && count != 0))
            return (int)i;
    }
    return -1;
}

/* Under the lock. */
static void
set_count(const Key *key, int count)
{
    Key *copy;

    if (claimed == NULL)
        claimed = g_hash_table_new_full(hash_key, equal_keys, g_free, NULL);
    if (count == 0) {
        g_hash_table_remove(claimed, key);
        return;
    }
    copy = g_new(Key, 1);
    *copy = *key;
    g_hash_table_replace(claimed, copy, GINT_TO_POINTER(count));
}

static bool
take_keys(const GArray *entries, const BangerDisk *disks, GError **error)
{
    gint64 deadline_usec = g_get_monotonic_time() + KEYS_WAIT_USEC;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    int taken;

    while ((taken = find_taken(entries)) >= 0)
        if (!g_cond_wait_until(&changed, &lock, deadline_usec))
            return banger_set_error(error, BANGER_ERROR_BUSY, "%s is in use by another call",
                                    disks[taken].path);
    for (unsigned int i = 0; i < entries->len; i++) {
        const Entry *entry = &g_array_index(entries, Entry, i);

        set_count(&entry->key, entry->exclusive ? EXCLUSIVE : count_of(&entry->key) + 1);
    }
    return true;
}

void
banger_disk_claim_free(BangerDiskClaim *claim)
{
    g_mutex_lock(&lock);
    for (unsigned int i = 0; i < claim->entries->len; i++) {
        const Entry *entry = &g_array_index(claim->entries, Entry, i);

        set_count(&entry->key, entry->exclusive ? 0 : count_of(&entry->key) - 1);
    }
    g_cond_broadcast(&changed);
    g_mutex_unlock(&lock);
    g_array_unref(claim->entries);
    g_free(claim);
}

typedef enum {
    LEASE_NONE, /* there are no leases here */
    LEASE_GRANTED,
    LEASE_REFUSED, /* other processes have the file open in a way that rules it out */
} Lease;

static Lease
ask_for_lease(int fd, int kind)
{
    /*
     * Whoever opens the file while the lease lasts is notified by this signal: by default SIGIO,
     * which would end the process; SIGURG is ignored.
     */
    if (fcntl(fd, F_SETSIG, SIGURG) < 0)
        return LEASE_NONE;
    if (fcntl(fd, F_SETLEASE, kind) == 0) {
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
        return LEASE_GRANTED;
    }
    return errno == EAGAIN ? LEASE_REFUSED : LEASE_NONE;
}

/* The most lasting use that a finder sees. */
static BangerDiskUse
ask_finders(const BangerSettings *settings, const BangerDisk *disk, char **ret_who)
{
    BangerDiskUse use = BANGER_DISK_UNUSED;

    for (size_t i = 0; finders != NULL && finders[i] != NULL && use != BANGER_DISK_IN_USE; i++) {
        g_autofree char *who = NULL;
        BangerDiskUse found = finders[i](settings, &disk->st, disk->mode, &who);

        if (found == BANGER_DISK_FREE)
            return BANGER_DISK_UNUSED;
        if (found <= use)
            continue;
        use = found;
        g_free(*ret_who);
        *ret_who = g_steal_pointer(&who);
    }
    return use;
}

static BangerDiskUse
look_at(const BangerSettings *settings, const BangerDisk *disk, char **ret_who)
{
    Lease lease = LEASE_NONE;
    BangerDiskUse use;

    /* A write lease is granted if no other process has the file open at all: most often so. */
    if (disk->mode != BANGER_DISK_READ && disk->fd >= 0 &&
        ask_for_lease(disk->fd, F_WRLCK) == LEASE_GRANTED)
        return BANGER_DISK_UNUSED;
    if (disk->mode != BANGER_DISK_LOG && disk->fd >= 0)
        lease = ask_for_lease(disk->fd, F_RDLCK);
    if (disk->mode == BANGER_DISK_READ && lease == LEASE_GRANTED)
        return BANGER_DISK_UNUSED;
    use = ask_finders(settings, disk, ret_who);
    if (use != BANGER_DISK_UNUSED || lease != LEASE_REFUSED)
        return use;
    /*
     * Perhaps a process that is just being started: it has its parent's descriptors until it
     * executes its program.
     */
    *ret_who = g_strdup("a process that has it open for writing");
    return BANGER_DISK_PASSING;
}

static bool
check_disk(const BangerSettings *settings, const BangerDisk *disk, GError **error)
{
    const gint64 start_usec = g_get_monotonic_time();

    for (;;) {
        g_autofree char *who = NULL;
        BangerDiskUse use = look_at(settings, disk, &who);
        gint64 wait_usec = use == BANGER_DISK_PASSING || use == BANGER_DISK_UNKNOWN
                               ? PASSING_WAIT_USEC
                           : use == BANGER_DISK_DETACHING ? DETACHING_WAIT_USEC
                                                          : 0;

        if (use == BANGER_DISK_UNUSED)
            return true;
        if (g_get_monotonic_time() - start_usec < wait_usec) {
            g_usleep(LOOK_USEC);
            continue;
        }
        if (use == BANGER_DISK_UNKNOWN)
            return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                    "cannot see whether %s is in use: %s", disk->path, who);
        return banger_set_error(error, BANGER_ERROR_BUSY, "%s is in use by %s", disk->path, who);
    }
}

/* Two disks of one request that are one file: harmless only where nothing writes. */
static bool
check_twice(const GArray *entries, const BangerDisk *disks, GError **error)
{
    for (unsigned int i = 0; i < entries->len; i++) {
        const Entry *one = &g_array_index(entries, Entry, i);

        for (unsigned int j = 0; j < i; j++) {
            const Entry *other = &g_array_index(entries, Entry, j);

            if (equal_keys(&one->key, &other->key) && (one->exclusive || other->exclusive))
                return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                        "%s is named twice, and it is written to: the other time "
                                        "as %s",
                                        disks[i].path, disks[j].path);
        }
    }
    return true;
}

BangerDiskClaim *
banger_disk_claim(const BangerSettings *settings, const BangerDisk *disks, size_t n, GError **error)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));
    g_autoptr(BangerDiskClaim) claim = NULL;

    for (size_t i = 0; i < n; i++) {
        Entry entry = make_entry(&disks[i]);

        g_array_append_val(entries, entry);
    }
    if (!check_twice(entries, disks, error) || !take_keys(entries, disks, error))
        return NULL;
    claim = g_new0(BangerDiskClaim, 1);
    claim->entries = g_steal_pointer(&entries);
    for (size_t i = 0; i < n; i++)
        if (!check_disk(settings, &disks[i], error))
            return NULL;
    return g_steal_pointer(&claim);
}
