/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Command lines as /proc/PID/cmdline shows them: @length bytes, each argument ended by a NUL. Pure.
 * The last byte of a non-empty @text must be a NUL.
 */

/* Whether an argument (the program's name aside) is @value or is --@option=@value. */
bool banger_command_line_names(const char *text, size_t length, const char *option,
                               const char *value);

/* Whether --@option @value or --@option=@value is among the arguments, whatever else is. */
bool banger_command_line_has(const char *text, size_t length, const char *option,
                             const char *value);

/*
 * The value of --@option, as "--option VALUE" or "--option=VALUE", in a command line that consists
 * of nothing but the program's name and options ("--name", "--name VALUE", "--name=VALUE"), such as
 * firecracker's. NULL if there is no such option, or if anything else is in it: an interpreter with
 * a script ("python3 script.py --api-sock …") is no firecracker. Points into @text.
 */
const char *banger_command_line_option(const char *text, size_t length, const char *option);
