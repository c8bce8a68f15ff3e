/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "auth/auth.h"
#include "bus/credentials.h"
#include "bus/front.h"
#include "bus/jobs.h"
#include "bus/limits.h"
#include "bus/order.h"
#include "bus/service.h"
#include "model/methods.h"
#include "util/main-queue.h"
#include "util/user-queue.h"
#include "vmm/machine-list.h"

/* What the files of the service share: service.c owns it, vtable.c reads it, call.c works on it. */
struct BangerService {
    sd_event *event;
    const BangerSettings *settings;
    BangerServiceEvents events;
    void *user_data;
    BangerFront *front;    /* has the name; NULL until it was had */
    BangerFront *starting; /* is to take it over; else NULL */
    GQueue formers;        /* of BangerFront: had it */
    sd_bus *credentials_bus;
    sd_bus_vtable *vtable;
    GPtrArray *vtable_strings; /* signatures and names the vtable points to */
    BangerAuth *auth;
    BangerCredentials *credentials;
    BangerJobs *jobs;
    BangerOrder *order;
    BangerMainQueue *main_queue; /* of what threads are done with */
    BangerUserQueue *ready;      /* of the calls whose operation waits for a thread */
    GThreadPool *workers;
    unsigned int n_working; /* operations that the pool has */
    BangerLimits *limits;
    bool leaving;               /* the name is given up, or is to be */
    bool replaced_to_release;   /* by another connection than had it */
    unsigned int release_timer; /* while it is to be */
    void (*released)(void *user_data);
};

/* What a front reports to the service. */
void banger_service_check_idle(BangerService *service);
void banger_service_disconnected(BangerService *service);
/* The bus takes nothing from the front that has the name: starts another one. */
void banger_service_replace_front(BangerService *service);
/* The one that was started has the name. */
void banger_service_take_over(BangerService *service);
/* A front that does not have the name has nothing left to do. */
void banger_service_drop_front(BangerService *service, BangerFront *front);

/*
 * The filter that every call passes first, its body unread (sd_bus_add_filter(3)). @user_data is
 * the front.
 */
int banger_intake_filter(sd_bus_message *message, void *user_data, sd_bus_error *ret_error);

/* What @drain of a front runs: takes more messages than one, after one was dropped. */
int banger_intake_drain(sd_event_source *source, void *user_data);

/*
 * A call of @method from @peer (NULL: the bus does not know who that is), which came by @front:
 * takes it from decoding to its reply. A call that is authorized is answered once and has one
 * journal record, whatever happens; one that is not is so within the budgets of its user
 * (bus/limits.h). @arrived_at_usec: monotonic. With @machine it is the method of that machine's
 * object which does what @method does (bus/message.h).
 */
void banger_call_begin(BangerFront *front, const BangerMethod *method, sd_bus_message *message,
                       const BangerPeer *peer, const BangerMachineInfo *machine,
                       int64_t arrived_at_usec);

/* What a thread of the pool runs: @data is the call, @user_data the service. */
void banger_call_work(gpointer data, void *user_data);

/*
 * The vtable of the interface, for a front: a method a row of the table, for the introspection (the
 * intake takes their calls), and the properties. Its strings are added to
 * @service->vtable_strings.
 */
sd_bus_vtable *banger_vtable_new(BangerService *service);
