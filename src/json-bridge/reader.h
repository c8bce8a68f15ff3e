/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "json-bridge/context.h"

/*
 * The receiving side of a connection: takes requests from its socket one by one, and keeps the time
 * limit of one that is not complete. Few large requests are received at the same time; others wait,
 * and their time does not run.
 */
typedef struct BangerReader BangerReader;

typedef struct {
    void (*expired)(void *user_data); /* a request was not complete in time */
    void (*resumed)(void *user_data); /* a large request that waited can be received now */
} BangerReaderEvents;

/* Reads from the non-blocking socket @fd, which stays the caller's. @events are static. */
BangerReader *banger_reader_new(BangerContext *context, int fd, const BangerReaderEvents *events,
                                void *user_data);
void banger_reader_free(BangerReader *reader);

typedef enum {
    BANGER_READ_REQUEST, /* one is complete */
    BANGER_READ_MORE,    /* some bytes were used; there may be more */
    BANGER_READ_NOTHING, /* no bytes are there, or the request has to wait */
    BANGER_READ_END,     /* the peer has sent its last byte, between requests */
    BANGER_READ_BAD,     /* what comes is no request, and nothing more can be read */
} BangerReadResult;

/*
 * Goes on with the bytes that were read, or reads once from the socket if @may_receive says so and
 * sets it to false. @may_be_large: what came before is answered, so a large request would not keep
 * its room for long. @ret_request is an object or an array; the caller owns the reference. It keeps
 * the room of a large one until banger_reader_release().
 * Errors: BadParams, with a message for the peer.
 */
BangerReadResult banger_reader_next(BangerReader *reader, bool *may_receive, bool may_be_large,
                                    struct json_object **ret_request, GError **error);

/* The last request needs the memory it was received in no more. */
void banger_reader_release(BangerReader *reader);

/* Forgets what was read of a request and is refused, and ends its time limit. */
void banger_reader_drop(BangerReader *reader);

/* Whether a request waits for others, of whichever connection, and nothing is to be read. */
bool banger_reader_is_waiting(const BangerReader *reader);

/* Whether a part of a request was read. */
bool banger_reader_is_inside(const BangerReader *reader);

/* Whether nothing was read that is not taken yet, and nothing waits at the socket. */
bool banger_reader_is_empty(const BangerReader *reader);

/* As banger_frame_looks_like_jsonrpc(), of what was read last. */
bool banger_reader_looks_like_jsonrpc(const BangerReader *reader);

/* Reads without looking at it, to find the end; true when it is there. */
bool banger_reader_discard(BangerReader *reader);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerReader, banger_reader_free)
