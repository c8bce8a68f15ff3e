/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "ops/operations.h"

/* The methods about processes, programs and sockets of virtual machines (semantics: The VMM). */

BangerOperation banger_resolve_firecracker_binary;
BangerOperation banger_ensure_socket_access;
BangerOperation banger_find_firecracker_pid;
BangerOperation banger_kill_process;
BangerOperation banger_signal_process;
BangerOperation banger_process_running;
