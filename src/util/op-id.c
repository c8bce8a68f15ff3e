/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/op-id.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/random.h>

bool
banger_op_id_is_valid(const char *op_id)
{
    static const char punctuation[] = "._:-";
    size_t length = strlen(op_id);

    if (length == 0 || length > BANGER_OP_ID_MAX || !g_ascii_isalnum(op_id[0]))
        return false;
    for (size_t i = 1; i < length; i++)
        if (!g_ascii_isalnum(op_id[i]) && strchr(punctuation, op_id[i]) == NULL)
            return false;
    return true;
}

char *
banger_op_id_mint(void)
{
    guint8 bytes[6];

    /*
     * At most 256 bytes are never interrupted and never short once the pool is initialized
     * (getrandom(2)), and that is long before any service starts.
     */
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        g_error("getrandom: %s", g_strerror(errno));
    return g_strdup_printf("op-%02x%02x%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2], bytes[3],
                           bytes[4], bytes[5]);
}
