/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "model/settings.h"
#include "util/error.h"

/*
 * org.banger.Helper1 on a bus: the object, its methods and properties, and every call from its
 * arrival to its answer and journal record.
 *
 * Used from the main thread alone, with the bus attached to an event loop that runs. Operations run
 * on threads of their own; nothing here blocks on them.
 */
typedef struct BangerService BangerService;

/*
 * Puts the object on @bus. @idle(@user_data) is called each time the last call in flight was
 * answered.
 * @settings must outlive the service. Errors: OperationFailed.
 */
BangerService *banger_service_new(sd_bus *bus, const BangerSettings *settings,
                                  void (*idle)(gpointer user_data), gpointer user_data,
                                  GError **error);

/* No call may be in flight. */
void banger_service_free(BangerService *service);

/* The service is to end soon: denies the calls that wait for a person, or come to it later. The
 * others go on. */
void banger_service_stop(BangerService *service);

/* How many calls have arrived and were not answered yet, those that wait for polkit included. */
unsigned int banger_service_in_flight(const BangerService *service);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerService, banger_service_free)
