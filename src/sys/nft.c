/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/nft.h"

#include <nftables/libnftables.h>
#include <string.h>

#include "util/error.h"

/* Contexts are independent, the initialisation that each of them does is not. */
static GMutex nft_lock;

/* The first line of libnftables' complaint, without the place in the command it points at. */
static char *
first_complaint(const char *text)
{
    const char *words = strstr(text, "Error: ");

    words = words != NULL ? words + strlen("Error: ") : text;
    return g_strndup(words, strcspn(words, "\n"));
}

bool
banger_nft_run(const char *commands, GError **error)
{
    g_autofree char *complaint = NULL;
    struct nft_ctx *context;
    bool done = false;

    g_mutex_lock(&nft_lock);
    context = nft_ctx_new(NFT_CTX_DEFAULT);
    if (context == NULL)
        complaint = g_strdup("cannot start libnftables");
    else if (nft_ctx_buffer_output(context) != 0 || nft_ctx_buffer_error(context) != 0)
        complaint = g_strdup("out of memory");
    else if (nft_run_cmd_from_buffer(context, commands) != 0)
        complaint = first_complaint(nft_ctx_get_error_buffer(context));
    else
        done = true;
    if (context != NULL)
        nft_ctx_free(context);
    g_mutex_unlock(&nft_lock);
    return done || banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                    "cannot change the nftables rules: %s", complaint);
}
