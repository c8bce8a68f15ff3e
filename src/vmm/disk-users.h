/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "util/disk-use.h"

/*
 * The finder of util/disk-use.h for VMMs: processes that banger_process_check_ours() accepts, the
 * files that they have open, and, where all users count, those that they have mapped (the memory of
 * a VM that was loaded from a snapshot).
 */
BangerDiskFinder banger_disk_find_machine;
