/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Splits a connection's bytes into requests. Requests need nothing between them: each ends with its
 * own bracket. Pure: no I/O.
 */
typedef struct BangerFrame BangerFrame;

BangerFrame *banger_frame_new(void);
void banger_frame_free(BangerFrame *frame);

typedef enum {
    BANGER_FRAME_MORE,    /* all bytes are used, and no request is complete */
    BANGER_FRAME_REQUEST, /* one is complete; what follows @ret_used is the next one's */
    BANGER_FRAME_BAD,     /* the stream cannot be read any further */
} BangerFrameResult;

/*
 * Feeds @length bytes. @ret_request is an object or an array; the caller owns the reference.
 * Errors: BadParams, with a message for the peer; nothing may be fed afterwards.
 */
BangerFrameResult banger_frame_feed(BangerFrame *frame, const char *data, size_t length,
                                    size_t *ret_used, struct json_object **ret_request,
                                    GError **error);

/* How many bytes of a request that is not complete were fed; 0 between requests. */
size_t banger_frame_pending(const BangerFrame *frame);

/*
 * Whether what was fed of the request, complete or not, looks like JSON-RPC: an array, or an object
 * with a member "jsonrpc". It decides in which form a request that cannot be read is refused.
 */
bool banger_frame_looks_like_jsonrpc(const BangerFrame *frame);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerFrame, banger_frame_free)
