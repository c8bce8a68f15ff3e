/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/nft.h"

#include <fcntl.h>
#include <malloc.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"

#define CACHE_MAX ((guint64)1 << 20) /* of memory that a context may keep */

/*
 * Contexts are independent, but the initialization that each of them does is not. One stays for the
 * next commands: closing its socket would wait, see network/netlink.h. That socket is not closed on
 * exec; what the helper starts closes all it was not given (close_range(2)).
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

/*
 * The resident memory of this process that is no file's, in bytes; 0 if it cannot be known
 * (proc(5), statm). mallinfo(3) would look at every free piece of memory, and take longer than what
 * is measured.
 */
static guint64
anonymous_memory(void)
{
    static int fd = -1;
    char text[128] = "";
    char *at;
    guint64 resident, shared;

    if (fd < 0)
        fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || pread(fd, text, sizeof text - 1, 0) < 0 || (at = strchr(text, ' ')) == NULL)
        return 0;
    resident = g_ascii_strtoull(at, &at, 10);
    shared = g_ascii_strtoull(at, NULL, 10);
    return (resident - MIN(shared, resident)) * (guint64)sysconf(_SC_PAGESIZE);
}

static void
close_context(void)
{
    g_clear_pointer(&context, nft_ctx_free);
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
    close_context();
    return "out of memory";
}

bool
banger_nft_run(const char *commands, GError **error)
{
    g_autofree char *complaint = NULL;
    guint64 before;

    g_mutex_lock(&nft_lock);
    before = anonymous_memory();
    complaint = g_strdup(open_context());
    if (complaint == NULL && nft_run_cmd_from_buffer(context, commands) != 0) {
        complaint = first_complaint(nft_ctx_get_error_buffer(context));
        /* Whatever it has of the failed commands goes. */
        close_context();
    }
    /* It keeps what it saw of everybody's tables, and others may have very large sets. */
    if (anonymous_memory() > before + CACHE_MAX) {
        close_context();
        (void)malloc_trim(0);
    }
    g_mutex_unlock(&nft_lock);
    return complaint == NULL || banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                                 "cannot change the nftables rules: %s", complaint);
}
