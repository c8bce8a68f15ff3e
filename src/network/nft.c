/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/nft.h"

#include <fcntl.h>
#include <malloc.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/library.h"

#define LIBRARY "libnftables.so.1"
#define CACHE_MAX ((guint64)1 << 20) /* of memory that a context may keep */

BANGER_LIBRARY_NOTE("network", "Making and repairing the tables of bridges", LIBRARY);

/*
 * Loaded when the first commands are run: single elements are added and removed without it
 * (network/nft-batch.h), and it brings libnftnl, libmnl, libxtables, jansson and GMP.
 */
typedef struct {
    struct nft_ctx *(*ctx_new)(uint32_t flags);
    void (*ctx_free)(struct nft_ctx *ctx);
    int (*ctx_buffer_output)(struct nft_ctx *ctx);
    int (*ctx_buffer_error)(struct nft_ctx *ctx);
    const char *(*ctx_get_error_buffer)(struct nft_ctx *ctx);
    int (*run_cmd_from_buffer)(struct nft_ctx *ctx, const char *text);
} Functions;

static const BangerLibraryFunction wanted[] = {
    {"nft_ctx_new", G_STRUCT_OFFSET(Functions, ctx_new)},
    {"nft_ctx_free", G_STRUCT_OFFSET(Functions, ctx_free)},
    {"nft_ctx_buffer_output", G_STRUCT_OFFSET(Functions, ctx_buffer_output)},
    {"nft_ctx_buffer_error", G_STRUCT_OFFSET(Functions, ctx_buffer_error)},
    {"nft_ctx_get_error_buffer", G_STRUCT_OFFSET(Functions, ctx_get_error_buffer)},
    {"nft_run_cmd_from_buffer", G_STRUCT_OFFSET(Functions, run_cmd_from_buffer)},
};

/*
 * Contexts are independent, but the initialization that each of them does is not. One stays for the
 * next commands: closing its socket would wait, see network/netlink.h. That socket is not closed on
 * exec; what the helper starts closes all it was not given (close_range(2)).
 */
static GMutex nft_lock;
static Functions lib; /* complete once ctx_new is set, under the lock */
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
    if (context != NULL)
        lib.ctx_free(g_steal_pointer(&context));
}

static bool
open_context(GError **error)
{
    if (context != NULL)
        return true;
    if (lib.ctx_new == NULL &&
        !banger_library_load(LIBRARY, wanted, G_N_ELEMENTS(wanted), &lib, error))
        return false;
    context = lib.ctx_new(NFT_CTX_DEFAULT);
    if (context == NULL)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "cannot start libnftables");
    if (lib.ctx_buffer_output(context) == 0 && lib.ctx_buffer_error(context) == 0)
        return true;
    close_context();
    return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "libnftables: out of memory");
}

/* The caller has the lock. */
static bool
run_commands(const char *commands, GError **error)
{
    g_autofree char *complaint = NULL;

    if (!open_context(error))
        return false;
    if (lib.run_cmd_from_buffer(context, commands) == 0)
        return true;
    complaint = first_complaint(lib.ctx_get_error_buffer(context));
    /* Whatever it has of the failed commands goes. */
    close_context();
    return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "%s", complaint);
}

bool
banger_nft_run(const char *commands, GError **error)
{
    guint64 before;
    bool ok;

    g_mutex_lock(&nft_lock);
    before = anonymous_memory();
    ok = run_commands(commands, error);
    if (!ok)
        g_prefix_error(error, "cannot change the nftables rules: ");
    /* It keeps what it saw of everybody's tables, and others may have very large sets. */
    if (anonymous_memory() > before + CACHE_MAX) {
        close_context();
        (void)malloc_trim(0);
    }
    g_mutex_unlock(&nft_lock);
    return ok;
}
