/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

/* Longer than the longest operation takes: a file may be streamed for an hour. */
#define CLIENT_CALL_TIMEOUT_USEC (UINT64_C(2) * 3600 * G_USEC_PER_SEC)

/*
 * The helper as seen by a client of the bus. What fails says so on standard error, with the reason
 * that the helper sent and what to do about it, and returns one of these.
 */
typedef enum {
    CLIENT_OK = 0,
    CLIENT_FAILED = 1,
    CLIENT_USAGE = 2,
    CLIENT_REFUSED = 3, /* polkit said no */
    CLIENT_NOT_FOUND = 4,
} ClientStatus;

/* Connects to the system bus of this machine, of @host ([USER@]HOST, by ssh), or of @container. */
ClientStatus client_open(const char *host, const char *container, sd_bus **ret_bus);

/* Reports that @what failed with @error, or, if that is not set, with the negative errno @r. */
ClientStatus client_fail(const char *what, const sd_bus_error *error, int r);

/* A call of the helper's method @member that may ask for a password, without arguments yet. */
sd_bus_message *client_message(sd_bus *bus, const char *member);

/*
 * Sends @message, which it takes over, and waits for as long as the longest operation takes; an
 * agent that asks for a password in the terminal stands ready. *@ret_reply may be NULL.
 */
ClientStatus client_call(sd_bus *bus, sd_bus_message *message, sd_bus_message **ret_reply);

/*
 * All objects with the interface org.banger.Helper1.@kind ("Machine", …), by GetManagedObjects: an
 * array of objects whose members are the properties, sorted by the first of "Id" and "Name" that
 * they have. Free with json_object_put().
 */
ClientStatus client_list(sd_bus *bus, const char *kind, struct json_object **ret_objects);

/*
 * The job with the operation id @op_id: its path, or NULL if there is none (or none is known), with
 * its properties in *@ret_job, to be freed with json_object_put(). Free with g_free().
 */
char *client_find_job(sd_bus *bus, const char *op_id, struct json_object **ret_job);

/*
 * Reads the path of an object, *@ret_path, and its interfaces, which are next in @message (as in
 * GetManagedObjects and InterfacesAdded): the properties of org.banger.Helper1.@kind, to be freed
 * with json_object_put(); NULL if it has none.
 */
struct json_object *client_read_object(sd_bus_message *message, const char *kind,
                                       const char **ret_path);

/* The one of @objects whose "Id" or "Name" is @name, or NULL. Part of @objects. */
struct json_object *client_find(struct json_object *objects, const char *name);

/* The machine @id and *@ret_objects, which it is part of and which is to be freed. */
ClientStatus client_find_machine(sd_bus *bus, const char *id, struct json_object **ret_objects,
                                 struct json_object **ret_machine);

/* The text of the member @name of @object, "" if it has none. Part of @object. */
const char *client_member_text(struct json_object *object, const char *name);

/* The number of the member @name of @object, 0 if it has none. */
uint64_t client_member_number(struct json_object *object, const char *name);

/* The property @name of the helper, an array of text. */
ClientStatus client_get_texts(sd_bus *bus, const char *name, char ***ret_texts);

/* The property @name of the helper, a text. */
ClientStatus client_get_text(sd_bus *bus, const char *name, char **ret_text);
