/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <libintl.h>

/*
 * Messages for a person are marked by _(), or by N_() where they stand in a table. The English text
 * is the key; po/ has the others.
 */
#define _(text) gettext(text)
#define N_(text) text
