/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/there-and-back.h"

#include "json-bridge/json.h"
#include "json-bridge/parse.h"
#include "json-bridge/transcode.h"
#include "lib/harness.h"
#include "lib/loose-bus.h"

char *
there_and_back(sd_bus *bus, const BangerField *fields, const char *params, GError **error)
{
    g_autofree char *copy = g_strdup(params);
    g_autoptr(BangerJson) json = params != NULL ? banger_json_parse(copy) : NULL;
    sd_bus_message *message = loose_message_new(bus);
    GString *out = NULL;

    if (banger_transcode_params(fields, json, message, error)) {
        out = g_string_new(NULL);
        ck_assert_int_ge(sd_bus_message_seal(message, 1, 0), 0);
        ck_assert_msg(banger_transcode_reply(fields, message, out, error), "%s",
                      error != NULL && *error != NULL ? (*error)->message : "");
    }
    sd_bus_message_unref(message);
    return out != NULL ? g_string_free(out, FALSE) : NULL;
}
