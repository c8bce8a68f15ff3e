/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/limits.h"

#include "model/limits.h"
#include "util/error.h"

struct BangerLimits {
    const BangerSettings *settings;
    GHashTable *shares; /* uid -> Share; a user without calls in flight has none */
    unsigned int waiting;
    unsigned int running;
    size_t bytes; /* of the calls of those whom the bound on all of them is for */
};

typedef struct {
    unsigned int calls;
    size_t bytes;
} Share;

BangerLimits *
banger_limits_new(const BangerSettings *settings)
{
    BangerLimits *limits = g_new0(BangerLimits, 1);

    limits->settings = settings;
    limits->shares = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return limits;
}

void
banger_limits_free(BangerLimits *limits)
{
    g_assert(g_hash_table_size(limits->shares) == 0);
    g_hash_table_unref(limits->shares);
    g_free(limits);
}

/* root and the owner are bounded by their own share, and not by what everybody else does. */
static bool
is_trusted(const BangerLimits *limits, uid_t uid)
{
    return uid == 0 || uid == limits->settings->owner_uid;
}

static bool
check_all(const BangerLimits *limits, size_t bytes, GError **error)
{
    if (limits->waiting >= BANGER_OPERATIONS_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "%u calls wait to be authorised, which is the limit",
                                limits->waiting);
    if (bytes > 0 && limits->bytes + bytes > BANGER_BYTES_IN_FLIGHT_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "the arguments of the calls in flight are over the limit of %u "
                                "bytes",
                                BANGER_BYTES_IN_FLIGHT_MAX);
    return true;
}

bool
banger_limits_admit(BangerLimits *limits, uid_t uid, size_t bytes, BangerAdmission *ret_admission,
                    GError **error)
{
    Share *share = g_hash_table_lookup(limits->shares, GUINT_TO_POINTER(uid));
    size_t charged = bytes >= BANGER_BYTES_FREE ? bytes : 0;

    if (share != NULL && share->calls >= BANGER_OPERATIONS_PER_UID_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "uid %u has %u operations in flight, which is the limit", uid,
                                share->calls);
    if (share != NULL && charged > 0 && share->bytes + charged > BANGER_BYTES_PER_UID_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "the arguments of the operations that uid %u has in flight are "
                                "over the limit of %u bytes",
                                uid, BANGER_BYTES_PER_UID_MAX);
    if (!is_trusted(limits, uid)) {
        if (!check_all(limits, charged, error))
            return false;
        limits->bytes += charged;
    }
    if (share == NULL) {
        share = g_new0(Share, 1);
        g_hash_table_insert(limits->shares, GUINT_TO_POINTER(uid), share);
    }
    share->calls++;
    share->bytes += charged;
    limits->waiting++;
    *ret_admission = (BangerAdmission){BANGER_ADMISSION_WAITING, uid, charged};
    return true;
}

bool
banger_limits_start(BangerLimits *limits, BangerAdmission *admission, GError **error)
{
    g_assert(admission->state == BANGER_ADMISSION_WAITING);
    if (limits->running >= BANGER_OPERATIONS_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "%u operations are in flight, which is the limit", limits->running);
    limits->waiting--;
    limits->running++;
    admission->state = BANGER_ADMISSION_RUNNING;
    return true;
}

void
banger_limits_release(BangerLimits *limits, BangerAdmission *admission)
{
    Share *share = g_hash_table_lookup(limits->shares, GUINT_TO_POINTER(admission->uid));

    if (admission->state == BANGER_ADMISSION_NONE)
        return;
    if (admission->state == BANGER_ADMISSION_WAITING)
        limits->waiting--;
    else
        limits->running--;
    if (!is_trusted(limits, admission->uid))
        limits->bytes -= admission->bytes;
    share->bytes -= admission->bytes;
    share->calls--;
    if (share->calls == 0)
        g_hash_table_remove(limits->shares, GUINT_TO_POINTER(admission->uid));
    *admission = (BangerAdmission){0};
}
