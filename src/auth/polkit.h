/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

/*
 * Questions to polkit, as messages of the interface org.freedesktop.PolicyKit1.Authority (its
 * reference manual, "D-Bus API"). They go over the helper's own connection: libpolkit-gobject-1
 * would bring another one, and a thread for it, and two changes of thread for every answer.
 */
typedef struct {
    const char *sender; /* the subject: a connection, by its unique name */
    const char *action;
    char **details;              /* names and values in turn, NULL-terminated */
    const char *cancellation_id; /* "": polkit answers by its rules alone; otherwise it may ask a
                                    person, and banger_polkit_cancel() ends that */
} BangerPolkitQuestion;

typedef enum {
    BANGER_POLKIT_NO,
    BANGER_POLKIT_YES,
    BANGER_POLKIT_CHALLENGE, /* a person has to be asked first */
} BangerPolkitAnswer;

/*
 * Asks polkit, which the bus starts if need be. @callback gets the reply, an error or the message
 * that says that the connection is gone; there is no time limit. *@ret_slot owns the question.
 * Returns 0 or a negative errno.
 */
int banger_polkit_ask(sd_bus *bus, const BangerPolkitQuestion *question, sd_bus_slot **ret_slot,
                      sd_bus_message_handler_t callback, void *user_data);

/*
 * Reads what @callback got. Returns false if that is no answer, and why in @ret_failure, which is
 * valid as long as @reply.
 */
bool banger_polkit_read(sd_bus_message *reply, BangerPolkitAnswer *ret_answer,
                        const char **ret_failure);

/* Tells polkit that nobody waits any more. The question is answered nevertheless, but not by a yes.
 */
void banger_polkit_cancel(sd_bus *bus, const char *cancellation_id);
