/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * The system call filters of the two cages, built and loaded with libseccomp. All return 0, or a
 * negative errno value. no_new_privs must be set.
 *
 * The library's kills the process at anything but reading and writing open descriptors, memory and
 * the end. e2fsck's refuses everything not on its list with EPERM, since the C library asks for
 * this and that while it starts; there too are no sockets, no new processes, no mounts, no
 * namespaces, no tracing, no keys, and the one program that can be run is the one open at
 * BANGER_SANDBOX_FD_PROGRAM.
 */
int banger_system_calls_library(void);
int banger_system_calls_e2fsck(void);

/*
 * One more filter on top of the library's, for when the image, of @size bytes, is there and nothing
 * of it was looked at: no more messages are received and no more filters loaded, and space is
 * allocated in steps of BANGER_SANDBOX_RESERVE_MAX at most that begin within the image.
 * RLIMIT_FSIZE does not say anything about what is allocated behind the end of a file.
 *
 * Without @writes nothing is flushed to the disk either, which is refused and not fatal: libext2fs
 * does so with each image that it opens, to forget errors of earlier writes, and a reader would
 * wait for whatever others have written.
 */
int banger_system_calls_bound(uint64_t size, bool writes);
