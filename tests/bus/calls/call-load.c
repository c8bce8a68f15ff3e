/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/calls/call-load.h"

#include <string.h>

#include "util/settings.h"

static int
count_answer(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    CallAnswers *answers = user_data;
    const sd_bus_error *error = sd_bus_message_get_error(message);
    const char *text = NULL;
    uint64_t cookie;

    (void)ret_error;
    if (sd_bus_message_get_reply_cookie(message, &cookie) < 0 ||
        g_strcmp0(sd_bus_message_get_sender(message), "org.freedesktop.DBus") == 0)
        return 0; /* of those that the bus answers itself nothing is said here */
    answers->n_replies++;
    if (error != NULL && strcmp(error->name, "org.freedesktop.DBus.Error.LimitsExceeded") == 0 &&
        strstr(error->message, "dropped"))
        answers->n_refusals++;
    if (sd_bus_message_read_basic(message, 's', &text) > 0)
        answers->n_bytes += strlen(text);
    return 1;
}

void
load_count_answers(sd_bus *bus, CallAnswers *answers)
{
    ck_assert_int_ge(sd_bus_add_filter(bus, NULL, count_answer, answers), 0);
}

void
load_handle_answers(sd_bus *bus)
{
    /* The bus's own reply comes after what it had for this connection before. */
    ck_assert_int_ge(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "GetId", NULL, NULL, ""),
                     0);
    rig_bus_handle(bus);
}

void
load_send(sd_bus *bus, sd_bus_message *message)
{
    uint64_t cookie; /* asked for, so that a reply is wanted */

    ck_assert_int_ge(sd_bus_send(bus, message, &cookie), 0);
    sd_bus_message_unref(message);
}

sd_bus_message *
load_built_in_call(sd_bus *bus, const char *interface, const char *member)
{
    sd_bus_message *message = NULL;

    ck_assert_int_ge(sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME,
                                                    BANGER_OBJECT_PATH, interface, member),
                     0);
    return message;
}

bool
load_is_answering(sd_bus *bus)
{
    sd_bus_message *message = load_built_in_call(bus, "org.freedesktop.DBus.Peer", "Ping");
    int r = sd_bus_call(bus, message, G_USEC_PER_SEC, NULL, NULL);

    sd_bus_message_unref(message);
    return r >= 0;
}

void
load_check_served(void)
{
    static const uid_t uids[] = {0, RIG_UID_OWNER};

    for (size_t i = 0; i < G_N_ELEMENTS(uids); i++) {
        sd_bus *bus = rig_bus_open(uids[i]);

        for (int n = 0; n < 20; n++)
            rig_call_ok(bus, "ClearResolverRouting", "ss", "", "");
        sd_bus_flush_close_unref(bus);
    }
}
