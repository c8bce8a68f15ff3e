/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * JSON params to a D-Bus message and back. The first byte picks the method, the rest is the params.
 * What must be true: the message has the types of the method table, reads back as JSON, and that
 * JSON makes the same message again.
 */
#include <string.h>

#include "json-bridge/frame.h"
#include "json-bridge/json.h"
#include "json-bridge/transcode.h"
#include "lib/loose-bus.h"
#include "model/methods.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct json_object *
read_json(const char *data, size_t size)
{
    g_autoptr(BangerFrame) frame = banger_frame_new();
    struct json_object *request = NULL;
    size_t used;

    if (size > 0)
        (void)banger_frame_feed(frame, data, size, &used, &request, NULL);
    return request;
}

/* What the helper would see of @params, as JSON; NULL if they are refused. */
static GString *
carry(sd_bus *bus, const BangerField *fields, struct json_object *params)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *signature = banger_fields_signature(fields);
    sd_bus_message *message = loose_message_new(bus);
    GString *out = NULL;

    if (banger_transcode_params(fields, params, message, &error)) {
        g_assert_true(sd_bus_message_seal(message, 1, 0) >= 0);
        g_assert_cmpstr(sd_bus_message_get_signature(message, 1), ==, signature);
        out = g_string_new(NULL);
        g_assert_true(banger_transcode_reply(fields, message, out, NULL));
    } else {
        g_assert_nonnull(error);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
    sd_bus_message_unref(message);
    return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sd_bus *bus;
    const BangerMethod *method;
    const BangerField *fields;
    g_autoptr(BangerJson) params = NULL;
    g_autoptr(BangerJson) seen = NULL;
    g_autoptr(GString) once = NULL;
    g_autoptr(GString) twice = NULL;
    struct json_object *again;

    if (size == 0)
        return 0;
    if (bus == NULL)
        bus = loose_bus_new();
    method = banger_method((BangerMethodId)(data[0] % BANGER_N_METHODS));
    if (method->json_name == NULL)
        return 0;
    fields = method->in;
    params = read_json((const char *)data + 1, size - 1);
    once = carry(bus, fields, params);
    if (once == NULL)
        return 0;
    seen = read_json(once->str, once->len);
    g_assert_nonnull(seen);
    /* The members of a dictionary are those of the params themselves. */
    again =
        fields[0].type == BANGER_TYPE_DICT ? banger_json_member(seen, fields[0].name, false) : seen;
    twice = carry(bus, fields, again);
    g_assert_nonnull(twice);
    g_assert_cmpstr(once->str, ==, twice->str);
    return 0;
}
