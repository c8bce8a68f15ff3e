/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Command lines as /proc/PID/cmdline shows them: @length bytes, each argument ended by a NUL. A NUL
 * follows the last byte, whatever that is: a process may write anything there. Pure.
 */

/* Whether an argument (the program's name aside) is @value or is --@option=@value. */
bool banger_command_line_names(const char *text, size_t length, const char *option,
                               const char *value);

/* Whether --@option @value or --@option=@value is among the arguments, whatever else is. */
bool banger_command_line_has(const char *text, size_t length, const char *option,
                             const char *value);

/*
 * The value of --@option, such as "api-sock", in a command line that firecracker would take: after
 * the program's name nothing but options of firecracker's, "--flag", "--option VALUE" or
 * "--option=VALUE", this one among them. NULL for any other: an interpreter with a script ("bash
 * --norc script --api-sock …") is no firecracker. Points into @text.
 */
const char *banger_command_line_value(const char *text, size_t length, const char *option);
