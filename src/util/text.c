/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/text.h"

#include <string.h>

bool
banger_text_is_printable(gunichar character)
{
    if (character < 0x20 || (character >= 0x7f && character < 0xa0))
        return false;
    if (character == 0x061c || character == 0x200e || character == 0x200f)
        return false;
    if (character >= 0x2028 && character <= 0x202e)
        return false;
    return character < 0x2066 || character > 0x2069;
}

const char *
banger_text_find_unprintable(const char *text)
{
    for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at))
        if (!banger_text_is_printable(g_utf8_get_char(at)))
            return at;
    return NULL;
}

char *
banger_text_make_printable(const char *text, gssize length)
{
    g_autofree char *valid = g_utf8_make_valid(text, length);
    GString *result = g_string_sized_new(strlen(valid));

    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar character = g_utf8_get_char(at);

        if (banger_text_is_printable(character))
            g_string_append_unichar(result, character);
        else if (character < 0x80 || character == 0x2028 || character == 0x2029)
            g_string_append_c(result, ' ');
    }
    return g_string_free(result, FALSE);
}
