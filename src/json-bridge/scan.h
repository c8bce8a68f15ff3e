/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * A recognizer of JSON texts (RFC 8259) in a stream of bytes, fed piece by piece. It stands in
 * front of banger_json_parse(), which builds the values and checks nothing; and of json-c, which
 * keeps them and ends a member's name at a \u0000. What passes here is one complete object or
 * array within BANGER_REQUEST_…_MAX: an array of a million empty objects would cost a gigabyte.
 */
typedef struct {
    int state;
    int after_string;   /* the state that follows the string being read */
    guint64 objects;    /* bit n: level n is an object, else an array */
    unsigned int depth; /* open objects and arrays */
    size_t size;        /* bytes since the request's first */
    unsigned int n_values;
    unsigned int number_size;
    const char *literal;    /* what is still missing of "true", "false" or "null" */
    unsigned int hex_left;  /* digits still missing of a \uXXXX … */
    unsigned int hex;       /* … and its value so far */
    unsigned int utf8_left; /* continuation bytes still missing … */
    guchar utf8_low;        /* … and the range of the next one */
    guchar utf8_high;
    char name[8]; /* the start of the member name being read */
    size_t name_size;
    bool is_array;      /* the outermost value */
    bool names_jsonrpc; /* the outermost object has a member "jsonrpc" */
} BangerScan;

typedef enum {
    BANGER_SCAN_MORE, /* all bytes are part of a request that is not complete, or white space */
    BANGER_SCAN_END,  /* the request ends with the last byte used */
    BANGER_SCAN_BAD,  /* not JSON, or over a limit: the stream cannot be read any further */
} BangerScanResult;

/* Makes @scan ready for the next request. */
void banger_scan_reset(BangerScan *scan);

/* Whether a request has begun and is not complete. */
bool banger_scan_is_inside(const BangerScan *scan);

/*
 * Reads on in @data. @ret_start is where the request's bytes begin in this piece (white space
 * before a request is skipped), @ret_end where they end. On BANGER_SCAN_BAD @error says why, with
 * the code BadParams.
 */
BangerScanResult banger_scan_feed(BangerScan *scan, const char *data, size_t length,
                                  size_t *ret_start, size_t *ret_end, GError **error);
