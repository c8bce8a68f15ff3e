/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "bus/network/network-peers.h"

/* What the parts of network-peers.h share. */

/*
 * Forks a program of the peers, which ends with the test; in the child 0 is returned. It writes a
 * byte to @ready[1] when it is ready, for which peers_await_program() waits.
 */
pid_t peers_start_program(int ready[2]);
void peers_await_program(int ready[2]);

/* Enters the network namespace @name; NULL: the host's. False if that fails. */
bool peers_enter(const char *name);

/* The programs of network-traffic.c have ended. */
void peers_forget_traffic(void);
