/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Framing and envelopes. The first byte says how large the pieces are in which the rest arrives.
 * What must be true: the pieces make no difference, what is taken as a request can be read again,
 * and every answer is one JSON object.
 */
#include <string.h>

#include "json-bridge/envelope.h"
#include "json-bridge/frame.h"
#include "json-bridge/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Requires that @text is exactly one request. */
static void
check_readable(const char *text, size_t length)
{
    g_autoptr(BangerFrame) frame = banger_frame_new();
    g_autoptr(BangerJson) again = NULL;
    size_t used = 0;

    g_assert_true(banger_frame_feed(frame, text, length, &used, &again, NULL) ==
                  BANGER_FRAME_REQUEST);
    g_assert_true(used == length);
}

static void
answer(BangerDialect dialect, struct json_object *request)
{
    g_autoptr(BangerEnvelope) envelope = banger_envelope_open(dialect, request);
    g_autoptr(GString) out = g_string_new(NULL);

    g_assert_true((envelope->fault == NULL) <= (envelope->method != NULL));
    if (envelope->fault != NULL) {
        banger_envelope_append_error(envelope, envelope->fault, out);
    } else {
        banger_envelope_begin_result(envelope, out);
        g_string_append(out, "{}");
        banger_envelope_end_result(envelope, out);
    }
    check_readable(out->str, out->len);
}

static void
take_request(struct json_object *request, GString *log)
{
    size_t length;
    const char *text = json_object_to_json_string_length(request, JSON_C_TO_STRING_PLAIN, &length);

    g_string_append_len(log, text, (gssize)length);
    check_readable(text, length);
    if (json_object_is_type(request, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(request); i++)
            answer(BANGER_DIALECT_JSONRPC, json_object_array_get_idx(request, i));
        return;
    }
    answer(BANGER_DIALECT_LEGACY, request);
    answer(BANGER_DIALECT_JSONRPC, request);
}

/* Everything that comes of the bytes, as text. */
static GString *
run(const char *data, size_t size, size_t piece)
{
    g_autoptr(BangerFrame) frame = banger_frame_new();
    g_autoptr(GError) error = NULL;
    GString *log = g_string_new(NULL);

    for (size_t at = 0; at < size;) {
        g_autoptr(BangerJson) request = NULL;
        size_t used = 0;

        if (banger_frame_feed(frame, data + at, MIN(piece, size - at), &used, &request, &error) ==
            BANGER_FRAME_BAD) {
            g_string_append(log, error->message);
            break;
        }
        g_assert_true(used > 0 && used <= size - at);
        if (request != NULL)
            take_request(request, log);
        at += used;
    }
    g_string_append_printf(log, " %d %zu", banger_frame_looks_like_jsonrpc(frame),
                           error == NULL ? banger_frame_pending(frame) : 0);
    return log;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GString) in_pieces = NULL;
    g_autoptr(GString) at_once = NULL;

    if (size == 0)
        return 0;
    in_pieces = run((const char *)data + 1, size - 1, data[0] % 16u + 1);
    at_once = run((const char *)data + 1, size - 1, SIZE_MAX);
    g_assert_true(g_string_equal(in_pieces, at_once));
    return 0;
}
