/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/bounds.h"

/* Bounds on what a peer of the JSON socket can make the bridge keep in memory, and for how long. */

#define BANGER_REQUEST_MAX (32u << 20)   /* bytes of one request */
#define BANGER_REQUEST_DEPTH_MAX 64u     /* objects and arrays inside each other */
#define BANGER_REQUEST_VALUES_MAX 16384u /* values of one request: each costs up to 1 KiB */
#define BANGER_REQUEST_NUMBER_MAX 128u   /* bytes of one number */
#define BANGER_RPC_ID_MAX 1024u          /* bytes of the id of a JSON-RPC request */

#define BANGER_CONNECTIONS_MAX 64u          /* of authorized peers */
#define BANGER_CALLS_PER_CONNECTION_MAX 32u /* in flight */
/*
 * In flight, of all connections: a quarter of what the helper lets one user have stays free for
 * what that user asks the helper directly. The bus lets one connection wait for 128 replies.
 */
#define BANGER_CALLS_MAX (BANGER_OPERATIONS_PER_UID_MAX / 4 * 3)
#define BANGER_CALL_BYTES_MAX (BANGER_BYTES_PER_UID_MAX / 4 * 3) /* of large messages in flight */
#define BANGER_CALLS_FRESH_MAX 3u /* of those, begun less than BANGER_CALL_FRESH_MS ago */
#define BANGER_CALL_FRESH_MS 100u
#define BANGER_LARGE_REPLIES_MAX 8u /* calls in flight whose reply may be large */
/*
 * Longer than any operation of the helper: a repair may wait for its place, look and mend for ten
 * minutes each.
 */
#define BANGER_CALL_TIMEOUT_SEC (60u * 60u)

/* What the bus takes: its daemon drops a connection that sends a message over 32 MiB. */
#define BANGER_BUS_ARGUMENTS_MAX (BANGER_MESSAGE_MAX - (1u << 20))

/*
 * Calls whose message has more bytes go over the bus by a connection of their own
 * (json-bridge/bus.h).
 */
#define BANGER_SMALL_REQUEST_MAX (64u << 10)

/*
 * Memory. A request that is being received takes up to twice its size until it is begun: many small
 * ones at a time, and few large ones. An answer that the peer does not read keeps further requests
 * of that connection unread. The first MiB of a connection's answers is always there; what is
 * larger comes out of one budget.
 */
#define BANGER_LARGE_REQUEST_MIN (512u << 10) /* bytes, from which on a request is large */
#define BANGER_LARGE_REQUESTS_MAX 6u          /* being received */
#define BANGER_UNSENT_MAX (256u << 10)        /* bytes; with more, no request is started */
#define BANGER_HELD_FREE (1u << 20)           /* bytes a connection always gets, each way */
#define BANGER_HELD_ALWAYS (8u << 10)         /* bytes; see json-bridge/hold.h */
#define BANGER_HELD_PER_CONNECTION_MAX (96u << 20)
#define BANGER_HELD_MAX (512u << 20)

/* From a request's first byte to its last; and without the peer taking a byte of its answers. */
#define BANGER_PEER_TIMEOUT_SEC 30u
#define BANGER_LINGER_SEC 2u /* for the peer to take the last error */
