/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Checks that @text is base64 (RFC 4648, section 4: with padding, nothing after it; line ends are
 * skipped, as the older clients' decoder does), and how many bytes it stands for. GLib's decoder
 * checks nothing.
 */
bool banger_base64_check(const char *text, size_t length, size_t *ret_size);

/* Decodes what banger_base64_check() has passed to @out, which has room for the size it gave. */
void banger_base64_decode(const char *text, size_t length, guint8 *out);

/* Appends @size bytes of @data to @out as base64. */
void banger_base64_append(GString *out, const guint8 *data, size_t size);
