/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/scan.h"

#include <string.h>

#include "json-bridge/bridge-limits.h"
#include "util/error.h"

enum {
    STATE_START, /* before the request; only white space so far */
    STATE_VALUE,
    STATE_VALUE_OR_END, /* after '[' */
    STATE_NAME,
    STATE_NAME_OR_END, /* after '{' */
    STATE_COLON,
    STATE_COMMA_OR_END,
    STATE_STRING,
    STATE_ESCAPE,
    STATE_HEX,
    STATE_LITERAL,
    STATE_MINUS,
    STATE_ZERO,
    STATE_DIGITS,
    STATE_POINT,
    STATE_FRACTION,
    STATE_EXPONENT,
    STATE_EXPONENT_SIGN,
    STATE_EXPONENT_DIGITS,
    STATE_END,
};

void
banger_scan_reset(BangerScan *scan)
{
    memset(scan, 0, sizeof *scan);
}

bool
banger_scan_is_inside(const BangerScan *scan)
{
    return scan->state != STATE_START && scan->state != STATE_END;
}

static bool
is_space(guchar c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
refuse_json(GError **error, const char *what)
{
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "the request is not JSON: %s", what);
}

static bool
refuse_byte(guchar c, const char *where, GError **error)
{
    if (c > 0x20 && c < 0x7f)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "the request is not JSON: unexpected '%c' %s", c, where);
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "the request is not JSON: unexpected byte 0x%02x %s", (unsigned int)c,
                            where);
}

static bool
open_container(BangerScan *scan, bool is_object, GError **error)
{
    if (scan->depth == BANGER_REQUEST_DEPTH_MAX)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "the request is nested more than %u levels deep",
                                BANGER_REQUEST_DEPTH_MAX);
    if (is_object)
        scan->objects |= G_GUINT64_CONSTANT(1) << scan->depth;
    else
        scan->objects &= ~(G_GUINT64_CONSTANT(1) << scan->depth);
    scan->depth++;
    scan->state = is_object ? STATE_NAME_OR_END : STATE_VALUE_OR_END;
    return true;
}

static bool
in_object(const BangerScan *scan)
{
    return (scan->objects >> (scan->depth - 1) & 1) != 0;
}

static void
end_value(BangerScan *scan)
{
    scan->state = scan->depth == 0 ? STATE_END : STATE_COMMA_OR_END;
}

static void
close_container(BangerScan *scan)
{
    scan->depth--;
    end_value(scan);
}

static void
begin_string(BangerScan *scan, int after_string)
{
    scan->state = STATE_STRING;
    scan->after_string = after_string;
    scan->name_size = 0;
}

static bool
begin_literal(BangerScan *scan, guchar c, GError **error)
{
    switch (c) {
    case 't':
        scan->literal = "rue";
        break;
    case 'f':
        scan->literal = "alse";
        break;
    case 'n':
        scan->literal = "ull";
        break;
    default:
        return refuse_byte(c, "where a value begins", error);
    }
    scan->state = STATE_LITERAL;
    return true;
}

static bool
begin_value(BangerScan *scan, guchar c, GError **error)
{
    if (++scan->n_values > BANGER_REQUEST_VALUES_MAX)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "the request has more than %u values", BANGER_REQUEST_VALUES_MAX);
    if (c == '{' || c == '[')
        return open_container(scan, c == '{', error);
    if (c == '"') {
        begin_string(scan, STATE_COMMA_OR_END);
        return true;
    }
    if (c == '-' || g_ascii_isdigit(c)) {
        scan->state = c == '-' ? STATE_MINUS : c == '0' ? STATE_ZERO : STATE_DIGITS;
        scan->number_size = 1;
        return true;
    }
    return begin_literal(scan, c, error);
}

/* A byte between the values. */
static bool
step_structure(BangerScan *scan, guchar c, GError **error)
{
    if (is_space(c))
        return true;
    switch (scan->state) {
    case STATE_VALUE_OR_END:
        if (c == ']') {
            close_container(scan);
            return true;
        }
        return begin_value(scan, c, error);
    case STATE_VALUE:
        return begin_value(scan, c, error);
    case STATE_NAME_OR_END:
        if (c == '}') {
            close_container(scan);
            return true;
        }
        G_GNUC_FALLTHROUGH;
    case STATE_NAME:
        if (c != '"')
            return refuse_byte(c, "where a member's name begins", error);
        begin_string(scan, STATE_COLON);
        return true;
    case STATE_COLON:
        if (c != ':')
            return refuse_byte(c, "after a member's name", error);
        scan->state = STATE_VALUE;
        return true;
    default:
        if (c == ',')
            scan->state = in_object(scan) ? STATE_NAME : STATE_VALUE;
        else if (c == (in_object(scan) ? '}' : ']'))
            close_container(scan);
        else
            return refuse_byte(c, "after a value", error);
        return true;
    }
}

static void
end_string(BangerScan *scan)
{
    static const char jsonrpc[] = {'j', 's', 'o', 'n', 'r', 'p', 'c'};

    if (scan->after_string == STATE_COLON && scan->depth == 1 &&
        scan->name_size == sizeof jsonrpc && memcmp(scan->name, jsonrpc, sizeof jsonrpc) == 0)
        scan->names_jsonrpc = true;
    scan->state = scan->after_string;
}

/* The first byte of a character of more than one (RFC 3629, section 4). */
static bool
begin_utf8(BangerScan *scan, guchar c, GError **error)
{
    if (c < 0xc2 || c > 0xf4)
        return refuse_json(error, "a string is not valid UTF-8");
    scan->utf8_left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    scan->utf8_low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    scan->utf8_high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return true;
}

static bool
step_string(BangerScan *scan, guchar c, GError **error)
{
    if (scan->utf8_left > 0) {
        if (c < scan->utf8_low || c > scan->utf8_high)
            return refuse_json(error, "a string is not valid UTF-8");
        scan->utf8_left--;
        scan->utf8_low = 0x80;
        scan->utf8_high = 0xbf;
        return true;
    }
    if (c == '"') {
        end_string(scan);
        return true;
    }
    if (c < 0x20)
        return refuse_json(error, "a string contains a control character");
    if (scan->name_size < sizeof scan->name)
        scan->name[scan->name_size++] = (char)c;
    if (c == '\\')
        scan->state = STATE_ESCAPE;
    else if (c >= 0x80)
        return begin_utf8(scan, c, error);
    return true;
}

static bool
step_escape(BangerScan *scan, guchar c, GError **error)
{
    if (c == 'u') {
        scan->state = STATE_HEX;
        scan->hex_left = 4;
        scan->hex = 0;
        return true;
    }
    if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL)
        return refuse_byte(c, "after a backslash", error);
    scan->state = STATE_STRING;
    return true;
}

static bool
step_hex(BangerScan *scan, guchar c, GError **error)
{
    if (!g_ascii_isxdigit(c))
        return refuse_byte(c, "in a \\u escape", error);
    scan->hex = scan->hex * 16 + (unsigned int)g_ascii_xdigit_value((char)c);
    if (--scan->hex_left > 0)
        return true;
    scan->state = STATE_STRING;
    /* json-c would end the name there, and so take it for another. */
    if (scan->hex == 0 && scan->after_string == STATE_COLON)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "the name of a member of the request contains a NUL");
    return true;
}

static bool
step_literal(BangerScan *scan, guchar c, GError **error)
{
    if (c != (guchar)scan->literal[0])
        return refuse_byte(c, "in a literal", error);
    if (*++scan->literal == '\0')
        end_value(scan);
    return true;
}

/* The state of a number after its next byte, or -1 if @c is none of it. */
static int
number_state_after(int state, guchar c)
{
    bool is_digit = g_ascii_isdigit(c);
    bool is_exponent = c == 'e' || c == 'E';

    switch (state) {
    case STATE_MINUS:
        return c == '0' ? STATE_ZERO : is_digit ? STATE_DIGITS : -1;
    case STATE_DIGITS:
        if (is_digit)
            return STATE_DIGITS;
        G_GNUC_FALLTHROUGH;
    case STATE_ZERO:
        return c == '.' ? STATE_POINT : is_exponent ? STATE_EXPONENT : -1;
    case STATE_POINT:
        return is_digit ? STATE_FRACTION : -1;
    case STATE_FRACTION:
        return is_digit ? STATE_FRACTION : is_exponent ? STATE_EXPONENT : -1;
    case STATE_EXPONENT:
        if (c == '+' || c == '-')
            return STATE_EXPONENT_SIGN;
        G_GNUC_FALLTHROUGH;
    default:
        return is_digit ? STATE_EXPONENT_DIGITS : -1;
    }
}

static bool
step_number(BangerScan *scan, guchar c, GError **error)
{
    int next = number_state_after(scan->state, c);

    if (next < 0) {
        if (scan->state != STATE_ZERO && scan->state != STATE_DIGITS &&
            scan->state != STATE_FRACTION && scan->state != STATE_EXPONENT_DIGITS)
            return refuse_byte(c, "in a number", error);
        end_value(scan);
        return step_structure(scan, c, error);
    }
    if (++scan->number_size > BANGER_REQUEST_NUMBER_MAX)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "a number of the request has more than %u digits",
                                BANGER_REQUEST_NUMBER_MAX);
    scan->state = next;
    return true;
}

static bool
take_byte(BangerScan *scan, guchar c, GError **error)
{
    switch (scan->state) {
    case STATE_START:
        if (c != '{' && c != '[')
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "the request is not a JSON object");
        scan->is_array = c == '[';
        return open_container(scan, c == '{', error);
    case STATE_STRING:
        return step_string(scan, c, error);
    case STATE_ESCAPE:
        return step_escape(scan, c, error);
    case STATE_HEX:
        return step_hex(scan, c, error);
    case STATE_LITERAL:
        return step_literal(scan, c, error);
    default:
        return scan->state >= STATE_MINUS ? step_number(scan, c, error)
                                          : step_structure(scan, c, error);
    }
}

BangerScanResult
banger_scan_feed(BangerScan *scan, const char *data, size_t length, size_t *ret_start,
                 size_t *ret_end, GError **error)
{
    size_t at = 0;
    size_t start;

    while (scan->state == STATE_START && at < length && is_space((guchar)data[at]))
        at++;
    for (start = at; at < length && scan->state != STATE_END; at++) {
        if (++scan->size > BANGER_REQUEST_MAX) {
            (void)banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                   "the request is larger than %u bytes", BANGER_REQUEST_MAX);
            return BANGER_SCAN_BAD;
        }
        if (!take_byte(scan, (guchar)data[at], error))
            return BANGER_SCAN_BAD;
    }
    *ret_start = start;
    *ret_end = at;
    return scan->state == STATE_END ? BANGER_SCAN_END : BANGER_SCAN_MORE;
}
