/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * Appends @text, which must be valid UTF-8, to @out as a JSON string with its quotes (RFC 8259,
 * section 7): the quote, the backslash and control characters are escaped, everything else stands
 * for itself.
 */
void banger_json_append_string(GString *out, const char *text);
