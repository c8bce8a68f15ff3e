/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/curl.h"

#include "util/error.h"
#include "util/library.h"

#define LIBRARY "libcurl.so.4" /* what <curl/curl.h> of 7.80 and later describes */

BANGER_LIBRARY_NOTE("launch", "Launching machines", LIBRARY);

static GMutex lock;
static BangerCurl functions; /* complete once easy_init is set, under the lock */

static const BangerLibraryFunction wanted[] = {
    {"curl_global_init", G_STRUCT_OFFSET(BangerCurl, global_init)},
    {"curl_easy_init", G_STRUCT_OFFSET(BangerCurl, easy_init)},
    {"curl_easy_setopt", G_STRUCT_OFFSET(BangerCurl, easy_setopt)},
    {"curl_easy_perform", G_STRUCT_OFFSET(BangerCurl, easy_perform)},
    {"curl_easy_getinfo", G_STRUCT_OFFSET(BangerCurl, easy_getinfo)},
    {"curl_easy_cleanup", G_STRUCT_OFFSET(BangerCurl, easy_cleanup)},
    {"curl_easy_strerror", G_STRUCT_OFFSET(BangerCurl, easy_strerror)},
    {"curl_slist_append", G_STRUCT_OFFSET(BangerCurl, slist_append)},
    {"curl_slist_free_all", G_STRUCT_OFFSET(BangerCurl, slist_free_all)},
};

static bool
load_library(BangerCurl *ret_functions, GError **error)
{
    BangerCurl found = {0};

    /* HTTP over a local socket: nothing of TLS is set up. */
    if (!banger_library_load(LIBRARY, wanted, G_N_ELEMENTS(wanted), &found, error))
        return false;
    if (found.global_init == NULL || found.global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "cannot set up libcurl");
    *ret_functions = found;
    return true;
}

const BangerCurl *
banger_curl_get(GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);

    if (functions.easy_init == NULL && !load_library(&functions, error))
        return NULL;
    return &functions;
}
