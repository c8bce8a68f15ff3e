/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/object-path.h"

#include <glib.h>

char *
banger_encode_object_path(const char *folder, const char *name)
{
    GString *path = g_string_new(folder);

    g_string_append_c(path, '/');
    if (name[0] == '\0')
        g_string_append_c(path, '_');
    for (const char *at = name; *at != '\0'; at++) {
        if (g_ascii_isalpha(*at) || (at != name && g_ascii_isdigit(*at)))
            g_string_append_c(path, *at);
        else
            g_string_append_printf(path, "_%02x", (unsigned char)*at);
    }
    return g_string_free(path, FALSE);
}
