/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/limits.h"

/* Bounds on what a peer of the JSON socket can make the bridge hold, and for how long. */

#define BANGER_REQUEST_MAX (32u << 20)   /* bytes of one request */
#define BANGER_REQUEST_DEPTH_MAX 64u     /* objects and arrays inside each other */
#define BANGER_REQUEST_VALUES_MAX 16384u /* values of one request: each costs up to 1 KiB */
#define BANGER_REQUEST_NUMBER_MAX 128u   /* bytes of one number */
#define BANGER_RPC_ID_MAX 1024u          /* bytes of the id of a JSON-RPC request */

#define BANGER_CONNECTIONS_MAX 64u          /* of authorised peers */
#define BANGER_CALLS_PER_CONNECTION_MAX 32u /* in flight */
#define BANGER_CALL_TIMEOUT_SEC (15u * 60u) /* longer than any operation of the helper */

/* What the bus takes: its daemon drops a connection that sends a message over 32 MiB. */
#define BANGER_BUS_ARGUMENTS_MAX (BANGER_MESSAGE_MAX - (1u << 20))

/* Calls whose message has more bytes go over the bus by a connection of their own (bridge/bus.h).
 */
#define BANGER_SMALL_REQUEST_MAX (64u << 10)

/*
 * Memory for requests being received, messages in flight and answers being sent. An answer that the
 * peer does not read keeps further requests of that connection unread. The first MiB of a
 * connection is always there; what is larger comes out of one budget, so that large requests
 * compete with each other alone.
 */
#define BANGER_UNSENT_MAX (256u << 10) /* bytes; with more, no request is started */
#define BANGER_HELD_FREE (1u << 20)    /* bytes a connection always gets, each way */
#define BANGER_HELD_ALWAYS (8u << 10)  /* bytes; see bridge/hold.h */
#define BANGER_HELD_PER_CONNECTION_MAX (96u << 20)
#define BANGER_HELD_MAX (512u << 20)

/* From a request's first byte to its last; and without the peer taking a byte of its answers. */
#define BANGER_PEER_TIMEOUT_SEC 30u
#define BANGER_LINGER_SEC 2u /* for the peer to take the last error */
