/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The one rule of what is printable, for whatever comes from a caller, a guest or another program
 * and ends in a log, a terminal or a rule of polkit's: valid UTF-8 without C0 and C1 controls and
 * DEL, without the bidirectional controls (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to
 * U+2069), which show a text in another order than it has, and without the line and paragraph
 * separators (U+2028, U+2029).
 */

/* Whether @character is printable. */
bool banger_text_is_printable(gunichar character);

/*
 * The first character of @text, which is valid UTF-8, that is not printable; NULL if all are.
 */
const char *banger_text_find_unprintable(const char *text);

/*
 * The @length bytes at @text (-1: up to the NUL) without the characters that are not printable: a
 * blank is in the place of C0 controls, DEL and separators, nothing in that of the others, and
 * U+FFFD in that of what is no UTF-8. Free with g_free().
 */
char *banger_text_make_printable(const char *text, gssize length);
