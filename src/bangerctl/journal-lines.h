/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "bangerctl/client.h"

/*
 * This host's journal, read through libsystemd. What guests and callers wrote is printed with
 * printable characters only: no line of theirs can move the cursor or change the terminal.
 */

/*
 * The last @n lines of the machine @id, console included. Nothing is printed if the journal cannot
 * be read.
 */
void journal_print_last(const char *id, unsigned int n);

/*
 * The console of the machine @id, as the guest wrote it but for what is not printable; with @follow
 * it goes on.
 */
ClientStatus journal_print_console(const char *id, bool follow);

/*
 * The records of the operation @op_id, and in between the lines that the VMM of its machine wrote
 * while it ran; with @json an object a line.
 */
ClientStatus journal_print_operation(const char *op_id, bool json);

/*
 * How many operations failed in the last hour, by the name of the error: an object of numbers, to
 * be freed with json_object_put(). NULL if the journal cannot be read.
 */
struct json_object *journal_count_failures(void);
