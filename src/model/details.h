/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/methods.h"

/*
 * Called for one detail of a request. @text is the canonical spelling of what it is of; valid
 * during the call only.
 */
typedef void (*BangerDetailVisitor)(const BangerField *field, const char *text, void *user_data);

/*
 * Calls @visit for every argument of @request and every key of a dictionary, in the table's order:
 * polkit's details and the journal's fields come from this one walk.
 *
 *  - A scalar is its canonical spelling (banger_value_format()).
 *  - A structure is its members, joined by a blank, a path last. Its members follow as details too.
 *  - An array is its elements, joined by a line feed.
 *  - A dictionary within the argument is its keys and values, "KEY=VALUE", joined by a line feed
 *    (by a blank within an array); of an array in it the elements are joined by a comma.
 *  - A key that was not given is "".
 *  - A secret (BANGER_FIELD_SECRET) is "true" where one was given and "" where none was. Within
 *    another text it is left out, as bytes and descriptors are.
 */
void banger_request_for_each_detail(const BangerMethod *method, const BangerRequest *request,
                                    BangerDetailVisitor visit, void *user_data);

#define BANGER_KEY_SHARED "+" /* what the key of an object begins with that is not had alone */

/*
 * The keys of the objects that @request, validated, works on: two requests with the same key must
 * run one after the other, unless both only share it. A key is "kind:name", such as "link:tap-fc-1"
 * or "dm:fc-rootfs-1", after BANGER_KEY_SHARED where it is shared; the same object has the same key
 * whatever method and member it is named by. NULL-terminated, each object once; free with
 * g_strfreev().
 */
char **banger_request_keys(const BangerMethod *method, const BangerRequest *request);
