/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * A TEST DOUBLE of firecracker: it answers the API as firecracker's public specification (v1.7 and
 * later) defines it, and is strict about it; it really opens the files, the TAP and the sockets it
 * is told of, as the user it runs as; and it runs no guest. It does not need /dev/kvm.
 *
 * What it shall do wrong stands in the file <api-sock>.fake, one order a line:
 *
 *     refuse STEP TEXT   answer STEP with status 400 and TEXT as fault_message
 *     hang STEP          never go on
 *     exit STEP STATUS   exit
 *     crash STEP         die of SIGSEGV
 *     close STEP         close the connection without an answer
 *     garbage STEP       answer something that is not HTTP
 *     flood STEP         answer with a body that never ends
 *     forge STEP         answer 400 with a fault_message of 40 KiB of odd bytes without an end
 *     say STEP TEXT      write TEXT to standard error and go on
 *     open STEP PATH     open PATH, and go on with it open
 *     replace STEP PATH TARGET   make PATH a symbolic link to TARGET, and go on
 *     fork STEP          leave a child behind that sleeps, and go on
 *     record PATH        append each request to PATH: method, path, body, separated by blanks
 *
 * STEP is "start" (at once), "bind" (before the API socket is bound), or the path of a request,
 * such as /drives/rootfs.
 */

typedef struct {
    const char *api_sock;
    const char *id;
    bool started;
    bool has_kernel;
    bool has_root;
} FakeState;

/* Reads the orders for @api_sock, if there are any. */
void fake_orders_load(const char *api_sock);

/* What is to be done with a request, by the orders for it. */
typedef enum {
    FAKE_GO_ON,
    FAKE_REFUSE,
    FAKE_CLOSE,
    FAKE_GARBAGE,
    FAKE_FLOOD,
    FAKE_FORGE,
} FakeOrder;

/* Does what the orders say about @step. *@ret_text, for FAKE_REFUSE, is the fault. */
FakeOrder fake_orders_follow(const char *step, const char **ret_text);

/* Notes a request where the orders say so. */
void fake_orders_record(const char *method, const char *path, const char *body);

/*
 * Does the request. Returns the HTTP status; *@ret_body is the answer's body, or NULL. Free it with
 * g_free().
 */
int fake_api_handle(FakeState *state, const char *method, const char *path, const char *body,
                    char **ret_body);

/* The body of a refusal. */
char *fake_api_fault(const char *format, ...) G_GNUC_PRINTF(1, 2);
