/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * Appends @text to @out as a JSON string with its quotes (RFC 8259, section 7): the quote, the
 * backslash and what is not printable (util/text.h) are escaped, everything else stands for itself.
 * A byte that is no UTF-8 becomes U+FFFD.
 */
void banger_json_append_string(GString *out, const char *text);
