/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Bounds on everything a caller controls. Contracts that a caller can run into are in the XML too.
 */

#define BANGER_GUEST_FILE_MAX (16u << 20) /* bytes of one file read from or written to an image */
#define BANGER_GUEST_FILES_MAX 256u       /* files of one WriteExt4Files */
#define BANGER_MESSAGE_MAX (32u << 20)    /* bytes of all arguments of one call */
/* Bytes of the arguments of the calls in flight: of one user's, and of all but root's and the
 * owner's. A call with less than BANGER_BYTES_FREE is not counted. */
#define BANGER_BYTES_PER_UID_MAX (64u << 20)
#define BANGER_BYTES_IN_FLIGHT_MAX (256u << 20)
#define BANGER_BYTES_FREE (64u << 10)
#define BANGER_DRIVES_MAX 24u                /* drives of one machine */
#define BANGER_VCPUS_MAX 32u                 /* firecracker's own limit */
#define BANGER_MEMORY_MIB_MAX (1024u * 1024) /* 1 TiB */
#define BANGER_TEXT_MAX 4096u                /* bytes of a string without a limit of its kind */

#define BANGER_OPERATIONS_PER_UID_MAX 64u /* in flight, those that wait for polkit included */
#define BANGER_OPERATIONS_MAX 256u /* waiting for polkit, and running; also the worker threads */
