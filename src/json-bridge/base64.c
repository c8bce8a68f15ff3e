/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/base64.h"

#include <string.h>

/* The value of each digit by its character, -1 for all others. */
static void
fill_values(gint8 values[256])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    memset(values, -1, 256);
    for (gint8 i = 0; i < 64; i++)
        values[(guchar)digits[i]] = i;
}

bool
banger_base64_check(const char *text, size_t length, size_t *ret_size)
{
    gint8 values[256];
    size_t n_digits = 0, n_padding = 0;

    fill_values(values);
    for (size_t i = 0; i < length; i++) {
        if (values[(guchar)text[i]] >= 0 && n_padding == 0)
            n_digits++;
        else if (text[i] == '=')
            n_padding++;
        else if (text[i] != '\r' && text[i] != '\n')
            return false;
    }
    if (n_padding > 2 || (n_digits + n_padding) % 4 != 0)
        return false;
    *ret_size = (n_digits + n_padding) / 4 * 3 - n_padding;
    return true;
}

void
banger_base64_decode(const char *text, size_t length, guint8 *out)
{
    gint8 values[256];
    guint32 bits = 0;
    int n_bits = 0;

    fill_values(values);
    for (size_t i = 0; i < length; i++) {
        gint8 value = values[(guchar)text[i]];

        if (value < 0)
            continue;
        bits = bits << 6 | (guint8)value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            *out++ = (guint8)(bits >> n_bits);
        }
    }
}

void
banger_base64_append(GString *out, const guint8 *data, size_t size)
{
    /*
     * Four characters for each three bytes begun, and what g_base64_encode_step() may keep for
     * later.
     */
    size_t room = (size / 3 + 1) * 4 + 4;
    size_t used = out->len;
    int state = 0, save = 0;
    size_t written;

    g_string_set_size(out, used + room);
    written = g_base64_encode_step(data, size, FALSE, out->str + used, &state, &save);
    written += g_base64_encode_close(FALSE, out->str + used + written, &state, &save);
    g_string_set_size(out, used + written);
}
