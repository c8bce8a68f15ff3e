/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/number.h"

#include <glib.h>
#include <stdlib.h>

bool
banger_number_parse(const char *text, unsigned int min, unsigned int max, unsigned int *ret_number)
{
    unsigned long number;
    char *end;

    if (!g_ascii_isdigit(text[0]) || (text[0] == '0' && text[1] != '\0'))
        return false;
    number = strtoul(text, &end, 10); /* ULONG_MAX if it is too large for that */
    if (*end != '\0' || number < min || number > max)
        return false;
    *ret_number = (unsigned int)number;
    return true;
}
