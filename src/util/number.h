/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

/*
 * Reads all of @text as a decimal number from @min to @max, without sign, space or superfluous
 * zeros. False, and *@ret_number untouched, if it is none. (g_ascii_string_to_unsigned() fails
 * where two threads use it for the first time at once: it takes the errno that waiting for the
 * other one left for its own.)
 */
bool banger_number_parse(const char *text, unsigned int min, unsigned int max,
                         unsigned int *ret_number);
