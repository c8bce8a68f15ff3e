/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bridge/base64.h"

/* The value of a digit, or -1. */
static int
digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool
banger_base64_check(const char *text, size_t length, size_t *ret_size)
{
    size_t n_digits = 0, n_padding = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\r' || text[i] == '\n')
            continue;
        if (text[i] == '=')
            n_padding++;
        else if (n_padding > 0 || digit(text[i]) < 0)
            return false;
        else
            n_digits++;
    }
    if (n_padding > 2 || (n_digits + n_padding) % 4 != 0)
        return false;
    *ret_size = (n_digits + n_padding) / 4 * 3 - n_padding;
    return true;
}

void
banger_base64_decode(const char *text, size_t length, guint8 *out)
{
    guint32 bits = 0;
    int n_bits = 0;

    for (size_t i = 0; i < length; i++) {
        int value = digit(text[i]);

        if (value < 0)
            continue;
        bits = bits << 6 | (guint32)value;
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
    /* Four characters for each three bytes begun, and what g_base64_encode_step() may hold back. */
    size_t room = (size / 3 + 1) * 4 + 4;
    size_t used = out->len;
    int state = 0, save = 0;
    size_t written;

    g_string_set_size(out, used + room);
    written = g_base64_encode_step(data, size, FALSE, out->str + used, &state, &save);
    written += g_base64_encode_close(FALSE, out->str + used + written, &state, &save);
    g_string_set_size(out, used + written);
}
