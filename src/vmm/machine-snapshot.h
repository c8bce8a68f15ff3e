/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"

BangerOperation banger_op_snapshot_machine;
