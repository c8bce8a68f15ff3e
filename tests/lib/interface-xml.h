/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * A D-Bus interface as lines of text, sorted, so that the contract, the XML, the method table and
 * what the running helper says of itself can be compared, and a difference read:
 *
 *     method EnsureNAT (guest_ip s, tap s, enable b, op_id s) -> ()
 *     property Version s read const
 *     property State s read emits
 */

/* The contract of the interface @name (docs/dbus-api.md): the one place that repeats it. */
char *interface_contract(const char *name);

/*
 * Of the XML text @xml (D-Bus specification, "Introspection Data Format"), the interface @name.
 * Fails the test if the text is no XML.
 */
char *interface_of_xml(const char *xml, const char *name);

/* Of the method table, with @others, lines of the above form, added. */
char *interface_of_table(const char *const *others);
