/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bangerctl/client.h"

/* An argument of a method, as the running helper's introspection has it. */
typedef struct {
    char *name;
    char *type; /* its signature, one complete type */
} MethodArgument;

/* The arguments of a method, arrays of MethodArgument. */
typedef struct {
    GArray *in, *out;
} MethodArguments;

/*
 * Asks the helper for the arguments of its method @member. CLIENT_NOT_FOUND, with a message, if it
 * has no such method.
 */
ClientStatus introspection_find(sd_bus *bus, const char *member, MethodArguments *ret_arguments);

void introspection_clear(MethodArguments *arguments);
