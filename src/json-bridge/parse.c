/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/parse.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "json-bridge/bridge-limits.h"

#define REPLACEMENT 0xfffdu /* U+FFFD */

/* The functions move *@at behind what they take. */
static struct json_object *take_value(char **at);

/* Out of memory ends a GLib program anywhere. */
static struct json_object *
require_memory(struct json_object *value)
{
    if (value == NULL)
        g_error("cannot make a JSON value: out of memory");
    return value;
}

static void
skip_space(char **at)
{
    *at += strspn(*at, " \t\r\n");
}

static unsigned int
hex_value(const char *digits)
{
    unsigned int value = 0;

    for (int i = 0; i < 4; i++)
        value = value * 16 + (unsigned int)g_ascii_xdigit_value(digits[i]);
    return value;
}

static bool
is_surrogate(unsigned int unit, unsigned int first)
{
    return unit >= first && unit < first + 0x400;
}

/* What is behind "\u": four digits, or the two halves of one character. */
static unsigned int
take_unit(char **at)
{
    unsigned int unit = hex_value(*at);
    unsigned int low;

    *at += 4;
    if (!is_surrogate(unit, 0xd800) && !is_surrogate(unit, 0xdc00))
        return unit;
    if (is_surrogate(unit, 0xdc00) || (*at)[0] != '\\' || (*at)[1] != 'u')
        return REPLACEMENT;
    low = hex_value(*at + 2);
    if (!is_surrogate(low, 0xdc00))
        return REPLACEMENT;
    *at += 6;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

/* What is behind a backslash; writes to @to, and returns how many bytes: fewer than it takes. */
static size_t
take_escape(char **at, char *to)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    char c = *(*at)++;
    const char *letter;

    if (c == 'u')
        return (size_t)g_unichar_to_utf8(take_unit(at), to);
    letter = strchr(letters, c);
    if (letter != NULL)
        c = meanings[letter - letters];
    *to = c;
    return 1;
}

/* A string, which is made in its own place, with a NUL behind it. */
static char *
take_string(char **at, size_t *ret_length)
{
    char *start = *at + 1;
    char *from = start;
    char *to = start;

    for (;;) {
        size_t n = strcspn(from, "\"\\");

        memmove(to, from, n);
        from += n;
        to += n;
        if (*from++ == '"')
            break;
        to += take_escape(&from, to);
    }
    *to = '\0';
    *ret_length = (size_t)(to - start);
    *at = from;
    return start;
}

static struct json_object *
take_number(char **at)
{
    char text[BANGER_REQUEST_NUMBER_MAX + 1];
    size_t n = strspn(*at, "+-.0123456789Ee");
    uint64_t value;

    g_assert(n < sizeof text);
    memcpy(text, *at, n);
    text[n] = '\0';
    *at += n;
    if (strpbrk(text, ".Ee") != NULL)
        return require_memory(json_object_new_double_s(g_ascii_strtod(text, NULL), text));
    if (text[0] == '-')
        return require_memory(json_object_new_int64(g_ascii_strtoll(text, NULL, 10)));
    value = g_ascii_strtoull(text, NULL, 10);
    return require_memory(value <= INT64_MAX ? json_object_new_int64((int64_t)value)
                                             : json_object_new_uint64(value));
}

static struct json_object *
take_array(char **at)
{
    struct json_object *array = require_memory(json_object_new_array());

    ++*at;
    skip_space(at);
    while (**at != ']') {
        if (json_object_array_add(array, take_value(at)) < 0)
            g_error("cannot make a JSON array: out of memory");
        skip_space(at);
        if (**at == ',')
            ++*at;
    }
    ++*at;
    return array;
}

static struct json_object *
take_object(char **at)
{
    struct json_object *object = require_memory(json_object_new_object());

    ++*at;
    skip_space(at);
    while (**at != '}') {
        size_t length;
        const char *name;

        skip_space(at);
        name = take_string(at, &length);
        skip_space(at);
        ++*at; /* the colon */
        if (json_object_object_add_ex(object, name, take_value(at), JSON_C_OBJECT_ADD_KEY_IS_NEW) <
            0)
            g_error("cannot make a JSON object: out of memory");
        skip_space(at);
        if (**at == ',')
            ++*at;
    }
    ++*at;
    return object;
}

/* The depth of the recursion is that of the text, which the scanner bounds. */
static struct json_object *
take_value(char **at)
{
    size_t length;
    const char *text;
    bool is_true;

    skip_space(at);
    switch (**at) {
    case '{':
        return take_object(at);
    case '[':
        return take_array(at);
    case '"':
        text = take_string(at, &length);
        return require_memory(json_object_new_string_len(text, (int)length));
    case 't':
    case 'f':
        is_true = **at == 't';
        *at += is_true ? strlen("true") : strlen("false");
        return require_memory(json_object_new_boolean(is_true));
    case 'n':
        *at += strlen("null");
        return NULL;
    default:
        return take_number(at);
    }
}

struct json_object *
banger_json_parse(char *text)
{
    return take_value(&text);
}
