/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/methods.h"

/*
 * Called for one scalar member of a request. @text is its value: the string, the decimal number,
 * "true" or "false"; valid during the call only.
 */
typedef void (*BangerScalarVisitor)(const BangerField *field, const char *text, void *user_data);

/*
 * Calls @visit for every scalar argument of @request, those inside a dictionary or structure
 * included, elements of arrays and bytes left out, in the table's order. Polkit's details, the
 * journal's fields and the keys of banger_request_keys() come from this one walk.
 */
void banger_request_for_each_scalar(const BangerMethod *method, const BangerRequest *request,
                                    BangerScalarVisitor visit, void *user_data);

/*
 * The keys of the objects that @request, validated, works on alone: two requests that share a key
 * must run one after the other. A key is "kind:name", such as "link:tap-fc-1" or "dm:fc-rootfs-1";
 * the same object has the same key whatever method and member it is named by. NULL-terminated,
 * without duplicates; free with g_strfreev().
 */
char **banger_request_keys(const BangerMethod *method, const BangerRequest *request);
