/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "json-bridge/fault.h"
#include "model/methods.h"

/*
 * The two forms of a request on the JSON socket, distinguished by the request itself: an object
 * with a member "jsonrpc" (which has to be "2.0"), and everything in an array, is JSON-RPC 2.0
 * (jsonrpc.org/specification); all else is the older protocol. Pure: takes a request apart and
 * writes its answer.
 */
typedef enum {
    BANGER_DIALECT_LEGACY,
    BANGER_DIALECT_JSONRPC,
} BangerDialect;

typedef struct {
    BangerDialect dialect;
    bool is_notification;  /* JSON-RPC: nothing is answered */
    char *id;              /* JSON-RPC: the id as JSON text, "null" if there is none */
    char *op_id;           /* valid: the caller's, or minted */
    bool op_id_is_callers; /* else the older form's answer leaves it out */
    char *method_name;     /* as the caller has it; NULL if it has none */
    const BangerMethod *method;
    struct json_object *params; /* an object, an array or NULL; a reference of its own */
    BangerFault *fault;         /* why this is no call that can be made; else NULL */
} BangerEnvelope;

/* Whether the object @request is one of JSON-RPC: it has a member "jsonrpc". */
bool banger_envelope_is_jsonrpc(struct json_object *request);

/* Takes @request apart: any JSON value (in a batch). What is wrong with it is in the fault. */
BangerEnvelope *banger_envelope_open(BangerDialect dialect, struct json_object *request);

/* The envelope of something that cannot be taken apart: refused for @fault, which it takes. */
BangerEnvelope *banger_envelope_refused(BangerDialect dialect, BangerFault *fault);

void banger_envelope_free(BangerEnvelope *envelope);

/* Begins and ends the answer to a call that succeeded; its result, one JSON value, goes between. */
void banger_envelope_begin_result(const BangerEnvelope *envelope, GString *out);
void banger_envelope_end_result(const BangerEnvelope *envelope, GString *out);

/* Appends the answer to a call that did not. The fault need not be the envelope's own. */
void banger_envelope_append_error(const BangerEnvelope *envelope, const BangerFault *fault,
                                  GString *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerEnvelope, banger_envelope_free)
