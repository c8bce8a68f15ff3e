/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "ops/operations.h"

/*
 * LaunchFirecracker. Where a VMM may reach is decided by what it runs as: as the owner (the
 * default) it opens nothing that the owner could not open anyway, apart from the root drive's dm
 * device, which is named by a directory that only root writes. So the paths it is given, which it
 * opens by itself and by name, need no more protection than the owner's other files; yet before the
 * guest starts the files it has open are compared with those that were checked, and any other one
 * ends the launch. Under User=root the same comparison is what stands between a path exchanged at
 * the right moment and a guest with a disk that is not the owner's. It comes after firecracker has
 * opened its log: what a root VMM can be led to by then is to append its first lines of log to
 * another file. That is a reason for the default.
 *
 * `network` of the request is not used: the TAP is there, with its bridge, before a launch.
 */
BangerOperation banger_launch_firecracker;
