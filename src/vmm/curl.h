/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include <curl/curl.h>

/*
 * libcurl, loaded when the first VM is launched. Linked to the helper it would bring the 30
 * libraries it depends on (two TLS stacks, Kerberos, LDAP) into a process that mostly does without:
 * 5 MiB of idle memory, and half of the time an activation takes.
 */
typedef struct {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *curl, CURLoption option, ...);
    CURLcode (*easy_perform)(CURL *curl);
    CURLcode (*easy_getinfo)(CURL *curl, CURLINFO info, ...);
    void (*easy_cleanup)(CURL *curl);
    const char *(*easy_strerror)(CURLcode code);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
} BangerCurl;

/*
 * The functions of libcurl.so.4, initialized; it stays loaded. From any thread. NULL with
 * NotSupported if it cannot be loaded.
 */
const BangerCurl *banger_curl_get(GError **error);
