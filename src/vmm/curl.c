/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/curl.h"

#include <dlfcn.h>
#include <stdint.h>

#include "util/error.h"

#define LIBRARY "libcurl.so.4" /* what <curl/curl.h> of 7.80 and later describes */

/*
 * States for those who make packages what is loaded without being linked
 * (systemd.io/ELF_DLOPEN_METADATA): a note of the vendor "FDO" with a JSON text.
 */
#define NOTE_TYPE_DLOPEN 0x407c0c0au
#define NOTE_TEXT                                                                                  \
    "[{\"feature\":\"launch\",\"description\":\"Launching machines\",\"priority\":\"required\","   \
    "\"soname\":[\"" LIBRARY "\"]}]"

static const struct {
    uint32_t name_size;
    uint32_t text_size;
    uint32_t type;
    char name[4];
    char text[sizeof NOTE_TEXT];
} dlopen_note __attribute__((used, aligned(4), section(".note.dlopen"))) = {
    .name_size = 4,
    .text_size = sizeof NOTE_TEXT,
    .type = NOTE_TYPE_DLOPEN,
    .name = "FDO",
    .text = NOTE_TEXT,
};

static GMutex lock;
static BangerCurl functions; /* complete once easy_init is set, under the lock */

static const struct {
    const char *name;
    size_t offset;
} symbols[] = {
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
look_up(void *library, BangerCurl *ret_functions, GError **error)
{
    BangerCurl found = {0};

    for (size_t i = 0; i < G_N_ELEMENTS(symbols); i++) {
        void *symbol = dlsym(library, symbols[i].name);

        if (symbol == NULL)
            return banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED, LIBRARY " has no %s",
                                    symbols[i].name);
        G_STRUCT_MEMBER(void *, &found, symbols[i].offset) = symbol;
    }
    *ret_functions = found;
    return true;
}

static bool
load_library(BangerCurl *ret_functions, GError **error)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    BangerCurl found = {0};

    if (library == NULL)
        return banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED, "cannot load libcurl: %s",
                                dlerror()); /* NOLINT(concurrency-mt-unsafe): under the lock */
    /* HTTP over a local socket: nothing of TLS is set up. */
    if (!look_up(library, &found, error))
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
