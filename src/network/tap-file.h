/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "network/filter-element.h"

/*
 * What is registered for the guests of a TAP and does not fit in its label:
 * /run/banger-helper/net/TAP, root's and 0600, a line each:
 *
 *     egress 172.16.0.2 10.0.0.0/8 192.0.2.1:443/tcp
 *     forward tcp 8080 172.16.0.2 80
 */

#define BANGER_TAP_FILES "/run/banger-helper/net"
#define BANGER_TAP_DRAFT "." /* before the TAP's name: of one that is being written */

typedef struct {
    BangerAddress guest;
    GStrv networks; /* canonical, sorted */
} BangerEgress;

typedef struct {
    GPtrArray *egress; /* of BangerEgress */
    GArray *forwards;  /* of BangerForward */
} BangerTapFile;

BangerTapFile *banger_tap_file_new(void);

void banger_tap_file_free(BangerTapFile *file);

/*
 * Reads that of @tap; *@ret_file is NULL if there is none. A line that is not understood is
 * OperationFailed: what it restricted must not be open.
 */
bool banger_tap_file_read(const char *tap, BangerTapFile **ret_file, GError **error);

/* Writes it, whole or not at all; removes it if @file is empty. Errors: OperationFailed. */
bool banger_tap_file_write(const char *tap, const BangerTapFile *file, GError **error);

/* Removes that of @tap, if there is one, and what a killed write left of one. */
void banger_tap_file_remove(const char *tap);

bool banger_tap_file_is_empty(const BangerTapFile *file);

/* The restriction of @guest, or NULL. */
const BangerEgress *banger_tap_file_find_egress(const BangerTapFile *file,
                                                const BangerAddress *guest);

/* Replaces the restriction of @guest; NULL: takes it away. @networks are copied. */
void banger_tap_file_set_egress(BangerTapFile *file, const BangerAddress *guest,
                                char *const *networks);

/* Takes all of @guest away. */
void banger_tap_file_forget(BangerTapFile *file, const BangerAddress *guest);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerTapFile, banger_tap_file_free)
