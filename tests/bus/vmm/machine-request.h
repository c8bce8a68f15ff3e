/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "rig/rig-client.h"

/*
 * Requests for LaunchFirecracker, and for what else takes its dictionary, that can be spoiled one
 * member at a time.
 */

#define MACHINE_BINARY "/usr/local/bin/firecracker"
#define MACHINE_STATE BANGER_STATE_DIRECTORY "/"
#define MACHINE_RUN BANGER_RUNTIME_DIRECTORY "/"

typedef struct {
    char *id;
    char *path;
    int read_only;
    int is_root;
} MachineDrive;

typedef struct {
    const char *key;
    char type; /* of the variant: s, u, b; d for the drives; 0: left out */
    char *text;
    uint32_t number;
} MachineMember;

#define MACHINE_N_MEMBERS 16

typedef struct {
    MachineMember members[MACHINE_N_MEMBERS];
    GArray *drives;                       /* of MachineDrive */
    int (*more)(sd_bus_message *message); /* appends further keys, or NULL */
} Machine;

/*
 * A request for the machine @name: sockets @name.sock and @name.vsock, log @name.log, metrics
 * @name.metrics, the TAP tap-fc-@name, one drive "rootfs". Free with machine_free().
 */
Machine *machine_new(const char *name);
void machine_free(Machine *machine);

void machine_set(Machine *machine, const char *key, const char *text);
void machine_set_number(Machine *machine, const char *key, uint32_t number);
void machine_set_type(Machine *machine, const char *key, char type);
void machine_remove(Machine *machine, const char *key);
void machine_add_drive(Machine *machine, const char *id, const char *path, bool read_only,
                       bool is_root);

/* The message that launches @machine, or has another @method that takes its dictionary do so. */
sd_bus_message *machine_call_message(sd_bus *bus, const char *method, const Machine *machine,
                                     const char *op_id);
sd_bus_message *machine_message(sd_bus *bus, const Machine *machine, const char *op_id);
