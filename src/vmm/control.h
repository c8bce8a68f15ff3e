/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"

/* The methods about processes, programs and sockets of virtual machines (docs/machines.md). */

BangerOperation banger_op_resolve_firecracker_binary;
BangerOperation banger_op_ensure_socket_access;
BangerOperation banger_op_find_firecracker_pid;
BangerOperation banger_op_kill_process;
BangerOperation banger_op_signal_process;
BangerOperation banger_op_process_running;
