/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Part of programs on the bus in a build with --enable-sanitizers only. AddressSanitizer's
 * realloc(3) makes a new block and copies even if the size is the same, and sd-bus asks for the
 * size of the whole message before each read(2): 16 MiB are copied a hundred times. Whoever asks
 * for the size that a block has gets that block, as from the C library.
 */
#include <malloc.h>
#include <stdlib.h>

void *__interceptor_realloc(void *block, size_t size);

void *
realloc(void *block, size_t size)
{
    if (block != NULL && size != 0 && malloc_usable_size(block) == size)
        return block;
    return __interceptor_realloc(block, size);
}
