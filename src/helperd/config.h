/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "util/settings.h"

/*
 * Reads helper.conf(5) at @path, a GKeyFile whose keys all have a default, and after it the files
 * @path.d/<name>.conf in the order of their names: of a key that several have, the last one's value
 * counts. A missing file is an empty one. The names of users are looked up (getpwnam_r(3)).
 *
 * Errors, OperationFailed, with the file, group and key in the message: a file that cannot be read
 * or parsed, a group or key that does not exist, a value that cannot be right, a user that does not
 * exist. Nothing is guessed: a setting that was mistyped must not silently become the default.
 */
BangerSettings *banger_config_load(const char *path, GError **error);

void banger_settings_free(BangerSettings *settings);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerSettings, banger_settings_free)
