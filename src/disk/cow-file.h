/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/settings.h"

/* The file that a snapshot's changes go to. */

/*
 * Makes the COW file @path of @size bytes, sparse, the owner's and 0600, if it is not there or
 * empty; *@ret_made says whether it was made. Errors: those of banger_path_create_file(),
 * OperationFailed.
 */
bool banger_cow_file_ensure(const BangerSettings *settings, const char *path, uint64_t size,
                            bool *ret_made, GError **error);

/*
 * Removes the COW file @path; one that is not there is a success. Errors: Busy while it is in use
 * (util/disk-use.h), those of banger_path_open_file().
 */
bool banger_cow_file_remove(const BangerSettings *settings, const char *path, GError **error);
