/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>

typedef struct {
    bool json;      /* one JSON object or array, instead of text for a person */
    bool no_legend; /* no headings, no count */
    bool no_pager;  /* never a pager */
} OutputOptions;

/*
 * Prints @objects, an array, with a column for each of @columns, names of members; NULL ends them.
 * On a terminal the widest columns are shortened until a line fits.
 */
void output_table(const OutputOptions *options, struct json_object *objects,
                  const char *const *columns);

/*
 * Prints the members of @object, a line each; with @name that one's value alone. Returns false if
 * it has no such member.
 */
bool output_properties(const OutputOptions *options, struct json_object *object, const char *name);

/* Prints @value as JSON on a line. */
void output_json(struct json_object *value);

/*
 * @value as a person reads it: printable characters only, an array's elements with blanks between.
 * Free with g_free().
 */
char *output_format(struct json_object *value);
