/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/nft.h"

#include <nftables/libnftables.h>
#include <string.h>

#include "util/error.h"

/*
 * Contexts are independent, but the initialisation that each of them does is not. One stays for the
 * next commands: closing its socket would wait, see sys/netlink.h.
 */
static GMutex nft_lock;
static struct nft_ctx *context;

/* The first line of libnftables' complaint, without the place in the command it points at. */
static char *
first_complaint(const char *text)
{
    const char *words = strstr(text, "Error: ");

    words = words != NULL ? words + strlen("Error: ") : text;
    return g_strndup(words, strcspn(words, "\n"));
}

/* NULL, or why there is no context. */
static const char *
open_context(void)
{
    if (context != NULL)
        return NULL;
    context = nft_ctx_new(NFT_CTX_DEFAULT);
    if (context == NULL)
        return "cannot start libnftables";
    if (nft_ctx_buffer_output(context) == 0 && nft_ctx_buffer_error(context) == 0)
        return NULL;
    g_clear_pointer(&context, nft_ctx_free);
    return "out of memory";
}

bool
banger_nft_run(const char *commands, GError **error)
{
    g_autofree char *complaint = NULL;

    g_mutex_lock(&nft_lock);
    complaint = g_strdup(open_context());
    if (complaint == NULL && nft_run_cmd_from_buffer(context, commands) != 0) {
        complaint = first_complaint(nft_ctx_get_error_buffer(context));
        /* Whatever it has of the failed commands goes. */
        g_clear_pointer(&context, nft_ctx_free);
    }
    g_mutex_unlock(&nft_lock);
    return complaint == NULL || banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                                 "cannot change the nftables rules: %s", complaint);
}
