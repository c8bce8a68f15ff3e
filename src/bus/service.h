/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "util/error.h"
#include "util/settings.h"

/*
 * org.banger.Helper1 on the system bus: the name, the object, its methods and properties, and every
 * call from its arrival to its answer and journal record.
 *
 * Used from the main thread alone, with an event loop that runs. Operations run on threads of their
 * own; nothing here blocks on them.
 */
typedef struct BangerService BangerService;

typedef struct {
    void (*idle)(void *user_data); /* the last call was answered, or the last subscription ended */
    void (*disconnected)(void *user_data); /* the bus went away: answers reach no caller */
    /*
     * So many messages come to be dropped that it costs less to take more of them together: @event
     * may be left alone for a moment.
     */
    void (*flooded)(void *user_data);
} BangerServiceEvents;

/*
 * Connects to the system bus, handles it by @event, and takes the name. @settings must outlive the
 * service. Errors: OperationFailed.
 */
BangerService *banger_service_new(sd_event *event, const BangerSettings *settings,
                                  const BangerServiceEvents *events, void *user_data,
                                  GError **error);

/* No call may be in flight. Sends what was answered, unless the bus does not take it for 2 s. */
void banger_service_free(BangerService *service);

/*
 * The service is to end soon: denies the calls that wait for a person, or come to it later, ends
 * the subscriptions, and cancels the jobs that can still be undone. The others go on.
 */
void banger_service_stop(BangerService *service);

/*
 * Gives up the name, and with it the flow of calls. @released is called once, later: every call
 * that was sent to the name before the bus took it away has arrived then, unless the bus does not
 * say within 4 s that it did.
 */
void banger_service_release_name(BangerService *service, void (*released)(void *user_data));

/* How many calls have arrived and were not answered yet, those that wait for polkit included. */
unsigned int banger_service_in_flight(const BangerService *service);

/* Whether nothing is in flight and no connection is subscribed. */
bool banger_service_is_idle(const BangerService *service);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerService, banger_service_free)
