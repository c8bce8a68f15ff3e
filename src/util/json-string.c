/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/json-string.h"

#include "util/text.h"

void
banger_json_append_string(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (const char *at = text; *at != '\0';) {
        gunichar character = g_utf8_get_char_validated(at, -1);
        const char *next = at + 1; /* where there is no character */

        if (character > G_MAXINT32)
            character = 0xfffd;
        else
            next = g_utf8_next_char(at);
        if (character == '"' || character == '\\')
            g_string_append_c(out, '\\');
        if (banger_text_is_printable(character))
            g_string_append_unichar(out, character);
        else
            g_string_append_printf(out, "\\u%04x", character);
        at = next;
    }
    g_string_append_c(out, '"');
}
