/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What the root process reads of programs it cannot trust: a VMM's answer to a refused request, and
 * the command line of any process. The first byte says which. What must be true: nothing is read
 * past the end, what is shown is short, valid UTF-8 and without control characters, and a socket
 * that is found lies within the command line.
 */
#include <string.h>

#include "vmm/command-line.h"
#include "vmm/firecracker-config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_fault(const char *body, size_t length)
{
    g_autofree char *fault = banger_firecracker_fault_message(body, length);

    if (fault == NULL)
        return;
    g_assert_true(g_utf8_validate(fault, -1, NULL));
    g_assert_true(strlen(fault) <= 3 * 1024); /* a byte that is not UTF-8 becomes three */
    for (const char *c = fault; *c != '\0'; c++)
        g_assert_true((guchar)*c >= 0x20 && *c != 0x7f);
}

static void
check_command_line(const char *text, size_t length)
{
    g_autofree char *ended = g_malloc(length + 1);
    const char *api_sock;

    memcpy(ended, text, length);
    ended[length] = '\0';
    api_sock = banger_command_line_value(ended, length, "api-sock");
    if (api_sock == NULL)
        return;
    g_assert_true(api_sock > ended && api_sock + strlen(api_sock) <= ended + length);
    g_assert_true(banger_command_line_has(ended, length, "api-sock", api_sock));
    g_assert_true(banger_command_line_names(ended, length, "api-sock", api_sock));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        check_fault((const char *)data + 1, size - 1);
    else
        check_command_line((const char *)data + 1, size - 1);
    return 0;
}
