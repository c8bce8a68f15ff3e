/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/field.h"
#include "util/settings.h"

/*
 * Between the text of an argument and the value that a request has of it. A text is parsed once,
 * when the message is decoded; what goes to polkit and into the journal is the canonical spelling
 * that is made from the value. All pure.
 */

/*
 * Parses @text as the kind of @field (BANGER_TYPE_STRING) has it, white space around it left out,
 * and puts the value into the struct at @base, whose member must be clear. Errors: BadParams, for a
 * text with a character that is not printable (util/text.h) too; without the member's name.
 */
bool banger_value_parse(const BangerField *field, const char *text, const BangerSettings *settings,
                        void *base, GError **error);

/*
 * The canonical spelling of the member @field (a string, boolean or whole number) of the struct at
 * @base: one for each value,
 * and one that banger_value_parse() takes; a number in decimal, "true" or "false" for a boolean, ""
 * for a value that was not given. Free with g_free().
 */
char *banger_value_format(const BangerField *field, const void *base);

/* Frees what the member @field (BANGER_TYPE_STRING) of the struct at @base owns, and clears it. */
void banger_value_clear(const BangerField *field, void *base);

/* Makes the member @field (BANGER_TYPE_STRING), if it is clear, what stands for no value. */
void banger_value_fill_absent(const BangerField *field, void *base);
