/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "auth/auth.h"
#include "bus/credentials.h"
#include "bus/limits.h"
#include "bus/order.h"
#include "bus/service.h"
#include "model/methods.h"

/* What the files of the service share: service.c owns it, vtable.c reads it, call.c works on it. */
struct BangerService {
    sd_bus *bus;
    const BangerSettings *settings;
    sd_bus_slot *object;
    sd_bus_slot *filter;
    sd_bus_vtable *vtable;
    GPtrArray *vtable_strings; /* signatures and names the vtable points to */
    BangerAuth *auth;
    BangerCredentials *credentials;
    BangerOrder *order;
    GThreadPool *workers;
    unsigned int in_flight; /* calls not answered yet */
    BangerLimits *limits;
    void (*idle)(gpointer user_data);
    gpointer idle_data;
};

/*
 * A call of @method that has just arrived: takes it from decoding to its reply. Whatever happens,
 * the caller is answered once and one journal record is written.
 */
void banger_call_begin(BangerService *service, const BangerMethod *method, sd_bus_message *message);

/* What a thread of the pool runs: @data is the call, @user_data the service. */
void banger_call_work(gpointer data, gpointer user_data);

/*
 * The vtable of the interface: a method a row of the table, and the properties. Its strings are
 * added to
 * @service->vtable_strings.
 */
sd_bus_vtable *banger_vtable_new(BangerService *service);

/*
 * The filter that takes calls whose signature is not their method's before sd-bus answers them:
 * with an error of its own, without an op_id and without a record in the journal. Returns 1 if
 * @message was one.
 */
int banger_vtable_filter_signature(sd_bus_message *message, void *user_data,
                                   sd_bus_error *ret_error);
