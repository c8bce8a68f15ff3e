/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

/*
 * A TEST DOUBLE of firecracker: it answers the API as firecracker's public specification (v1.7 and
 * later) defines it, and is strict about it; it really opens the files, the TAP and the sockets it
 * is asked for, as the user it runs as; and it runs no guest. It does not need /dev/kvm.
 *
 * What it shall do wrong stands in the file <api-sock>.fake, one order a line; or, for a VMM in a
 * jail, which does not see that file, in lines "ID ORDER" at the end of the program itself, after a
 * line "BANGER-ORDERS":
 *
 *     refuse STEP TEXT   answer STEP with status 400 and TEXT as fault_message
 *     hang STEP          never go on
 *     exit STEP STATUS   exit
 *     crash STEP         die of SIGSEGV
 *     close STEP         close the connection without an answer
 *     fade STEP STATUS   close the connection without an answer, and exit half a second later
 *     garbage STEP       answer something that is not HTTP
 *     flood STEP         answer with a body that never ends
 *     forge STEP         answer 400 with a fault_message of 40 KiB of odd bytes without an end
 *     say STEP TEXT      write TEXT to standard error and go on
 *     open STEP PATH     open PATH, and go on with it open
 *     replace STEP PATH TARGET   make PATH a symbolic link to TARGET, and go on
 *     fork STEP          leave a child behind that sleeps, and go on
 *     escape STEP ID PID try, after STEP was answered, what a guest would that has taken this VMM
 *                        over; the victim is the VM ID, whose VMM is PID. The log says what came of
 *                        it (escape.c)
 *     print STEP N TEXT  write N lines of TEXT to standard output, the guest's console, and go on
 *     ignore STEP KEYS   do nothing about SendCtrlAltDel; with TERM in place of KEYS: about SIGTERM
 *     leave STEP         end at SendCtrlAltDel without an answer
 *     lacks STEP MEMBER  be a version that does not know MEMBER of the body
 *     spoil STEP KIND    when a snapshot is made, do not write the memory (none), keep it open for
 *                        writing (keep) or mapped (map), make the state a symbolic link (link) or a
 *                        file with two names (twice), the memory a FIFO (fifo), or all of it
 *                        everybody's (open)
 *     record PATH        append each request to PATH: method, path, body, separated by blanks
 *
 * STEP is "start" (at once), "bind" (before the API socket is bound), or the path of a request,
 * such as /drives/rootfs.
 */

typedef struct {
    const char *api_sock;
    const char *id;
    bool started;
    bool paused;
    json_object *made; /* what a snapshot has to make again: a list of {path, body}; or NULL */
    bool has_kernel;
    bool has_root;
    int log_fd;       /* of the log file, or -1 */
    bool logs_bodies; /* as the real one does from level Info on */
    char *kernel;     /* its path */
} FakeState;

/* Reads the orders for @api_sock, or for @id, if there are any. */
void fake_orders_load(const char *api_sock, const char *id);

/* What is to be done with a request, by the orders for it. */
typedef enum {
    FAKE_GO_ON,
    FAKE_REFUSE,
    FAKE_CLOSE,
    FAKE_GARBAGE,
    FAKE_FLOOD,
    FAKE_FORGE,
    FAKE_ESCAPE,
    FAKE_IGNORE,
    FAKE_LACK,
    FAKE_LEAVE,
} FakeOrder;

extern const char *fake_spoil; /* the KIND, or NULL */

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

/* Tries to reach what is not this VM's, for the order FAKE_ESCAPE with the text @text. */
void fake_escape(const FakeState *state, const char *text);

/* Does what a PUT of @object to @path does. The fault, or NULL. Free it with g_free(). */
char *fake_api_put(FakeState *state, const char *path, json_object *object);

/* Remembers that @object was put to @path, for a snapshot. */
void fake_snapshot_note(FakeState *state, const char *path, json_object *object);

/* PUT /snapshot/create and /snapshot/load. The fault, or NULL. Free it with g_free(). */
char *fake_snapshot_create(const FakeState *state, json_object *object);
char *fake_snapshot_load(FakeState *state, json_object *object);
