/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <json-c/json.h>

/*
 * The value of @text, one object or array that banger_scan_feed() has accepted, with a NUL behind
 * it; @text is overwritten. The caller owns the reference.
 *
 * json-c's own parser keeps of members of one name only the last, and so loses their order. Here an
 * object has all of them, in the order of the text (see banger_json_member()). A surrogate without
 * its other half becomes U+FFFD. A number that is written without fraction and exponent is an
 * integer, the nearest one if it fits neither int64 nor uint64; any other is a double that keeps
 * its text.
 */
struct json_object *banger_json_parse(char *text);
