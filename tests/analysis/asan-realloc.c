/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Part of programs on the bus in a build with --enable-sanitizers only. AddressSanitizer's
 * realloc(3) makes a new block and copies even if the size is the same, and sd-bus asks for the
 * size of the whole message before each read(2): 16 MiB are copied a hundred times. Whoever asks
 * for the size that a large block has gets that block, as from the C library; of smaller ones,
 * which all objects of ours are, a stale pointer is found as ever.
 */
#include <malloc.h>
#include <stdlib.h>

#define LARGE ((size_t)1024 * 1024)

void *__interceptor_realloc(void *block, size_t size);

void *
realloc(void *block, size_t size)
{
    if (block != NULL && size >= LARGE && malloc_usable_size(block) == size)
        return block;
    return __interceptor_realloc(block, size);
}
