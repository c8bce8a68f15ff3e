/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The MESSAGE_ID of each kind of record (systemd.journal-fields(7)); what they mean to a reader of
 * `journalctl -x` is in systemd/banger-helper.catalog, and the two go together.
 */

/* A call of the helper that succeeded. */
#define BANGER_MESSAGE_ID_COMPLETED "76b2e89a0c8e4feaa8a691cea8a22c59"

/* A call of the helper that was refused or failed. */
#define BANGER_MESSAGE_ID_FAILED "34907bc01c2d4e57a7642bf99db68e78"

/* A request that the JSON bridge answered. */
#define BANGER_MESSAGE_ID_BRIDGE "87daa54bbffe425d9a2b268c9857439e"
