/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "auth/polkit.h"

#include <stdint.h>

#include "util/sd-auto.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

#define ALLOW_USER_INTERACTION 1u /* of CheckAuthorizationFlags */

static int
append_question(sd_bus_message *message, const BangerPolkitQuestion *question)
{
    uint32_t flags = question->cancellation_id[0] != '\0' ? ALLOW_USER_INTERACTION : 0;
    int r = sd_bus_message_append(message, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                                  question->sender, question->action);

    if (r >= 0)
        r = sd_bus_message_open_container(message, 'a', "{ss}");
    for (char **detail = question->details; r >= 0 && *detail != NULL; detail += 2)
        r = sd_bus_message_append(message, "{ss}", detail[0], detail[1]);
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    if (r >= 0)
        r = sd_bus_message_append(message, "us", flags, question->cancellation_id);
    return r;
}

int
banger_polkit_ask(sd_bus *bus, const BangerPolkitQuestion *question, sd_bus_slot **ret_slot,
                  sd_bus_message_handler_t callback, void *user_data)
{
    g_autoptr(sd_bus_message) message = NULL;
    int r = sd_bus_message_new_method_call(bus, &message, POLKIT, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CheckAuthorization");

    if (r >= 0)
        r = append_question(message, question);
    if (r >= 0)
        r = sd_bus_call_async(bus, ret_slot, message, callback, user_data, UINT64_MAX);
    return r < 0 ? r : 0;
}

bool
banger_polkit_read(sd_bus_message *reply, BangerPolkitAnswer *ret_answer, const char **ret_failure)
{
    int authorized, challenge;

    if (sd_bus_message_is_method_error(reply, NULL)) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        *ret_failure = error->message != NULL ? error->message : error->name;
        return false;
    }
    if (sd_bus_message_has_signature(reply, "(bba{ss})") <= 0 ||
        sd_bus_message_enter_container(reply, 'r', "bba{ss}") <= 0 ||
        sd_bus_message_read(reply, "bb", &authorized, &challenge) <= 0) {
        *ret_failure = "polkit's answer cannot be read";
        return false;
    }
    if (authorized)
        *ret_answer = BANGER_POLKIT_YES;
    else
        *ret_answer = challenge ? BANGER_POLKIT_CHALLENGE : BANGER_POLKIT_NO;
    return true;
}

void
banger_polkit_cancel(sd_bus *bus, const char *cancellation_id)
{
    g_autoptr(sd_bus_message) message = NULL;
    int r = sd_bus_message_new_method_call(bus, &message, POLKIT, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CancelCheckAuthorization");

    if (r >= 0)
        r = sd_bus_message_append_basic(message, 's', cancellation_id);
    /* There is nobody to cancel for in a polkit that would have to be started. */
    if (r >= 0)
        r = sd_bus_message_set_auto_start(message, false);
    if (r >= 0)
        r = sd_bus_message_set_expect_reply(message, false);
    if (r >= 0)
        (void)sd_bus_send(bus, message, NULL);
}
