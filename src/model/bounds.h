/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "util/worker-protocol.h"

/*
 * Bounds on everything a caller controls. Contracts that a caller can run into are in the XML too.
 */

/*
 * Of one file read from or written to an image, in bytes; and of the files of one WriteExt4Files.
 */
#define BANGER_GUEST_FILE_MAX BANGER_WORKER_FILE_MAX
#define BANGER_GUEST_FILES_MAX BANGER_WORKER_FILES_MAX
/* Files of one WriteExt4FilesFrom: dbus-daemon passes no more descriptors. */
#define BANGER_DESCRIPTORS_MAX BANGER_WORKER_DESCRIPTORS_MAX
#define BANGER_MESSAGE_MAX (32u << 20) /* bytes of all arguments of one call */
/*
 * Bytes of the arguments of the calls in flight: of one user's, and of all but root's and the
 * owner's. A call with less than BANGER_BYTES_FREE is not counted.
 */
#define BANGER_BYTES_PER_UID_MAX (64u << 20)
#define BANGER_BYTES_IN_FLIGHT_MAX (256u << 20)
#define BANGER_BYTES_FREE (64u << 10)
#define BANGER_EGRESS_MAX 256u               /* networks that one guest may reach */
#define BANGER_PORT_FORWARDS_MAX 64u         /* of one machine */
#define BANGER_COW_MIN (64u << 10)           /* bytes of a COW file */
#define BANGER_PATTERNS_MAX 4096u            /* of one Reconcile */
#define BANGER_DRIVES_MAX 24u                /* drives of one machine */
#define BANGER_VCPUS_MAX 32u                 /* firecracker's own limit */
#define BANGER_MEMORY_MIB_MAX (1024u * 1024) /* 1 TiB */
#define BANGER_DETAIL_MAX (64u << 10)        /* bytes of one detail for polkit */
#define BANGER_TEXT_MAX 4096u                /* bytes of a string without a limit of its kind */

#define BANGER_OPERATIONS_PER_UID_MAX 64u /* in flight, those that wait for polkit included */

#define BANGER_QUERIES_PER_SENDER_MAX 32u /* messages of one connection that wait for objects */
#define BANGER_QUERIES_MAX 256u           /* and of all */
/* Authorized ones of all users; root and the owner have their own share besides. */
#define BANGER_OPERATIONS_MAX 256u
#define BANGER_WORKERS_MAX (BANGER_OPERATIONS_MAX + 2 * BANGER_OPERATIONS_PER_UID_MAX)
#define BANGER_CALLS_WAITING_MAX 4096u /* to be authorized, of all users */
#define BANGER_CALLS_UNKNOWN_MAX 1024u /* whose caller's user is being asked for */

#define BANGER_SUBSCRIPTIONS_PER_UID_MAX 8u
#define BANGER_SUBSCRIPTIONS_MAX 64u

#define BANGER_INTERFACES_MAX 8u /* network interfaces of one machine */
#define BANGER_MTU_MIN 68u       /* firecracker's own limits */
#define BANGER_MTU_MAX 65535u
#define BANGER_JSON_TEXT_MAX 49152u /* bytes of JSON that is passed on; firecracker takes 51200 */
#define BANGER_STOP_TIMEOUT_MAX_S 600u /* that a guest may take to stop */
