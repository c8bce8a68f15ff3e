/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

/* The longest op_id, in bytes, without the terminating NUL. */
#define BANGER_OP_ID_MAX 64

/* Whether @op_id matches [A-Za-z0-9][A-Za-z0-9._:-]{0,63}. An empty one does not: it is minted. */
bool banger_op_id_is_valid(const char *op_id);

/* A new op_id: "op-" and twelve hexadecimal digits of the kernel's randomness (getrandom(2)). */
char *banger_op_id_mint(void);
