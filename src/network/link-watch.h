/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * Watches bridges and TAPs, whoever makes, changes or deletes them (RTNLGRP_LINK of rtnetlink(7)),
 * in the main context of the thread that it was made on. What changed is not said: whoever wants
 * to know looks.
 */
typedef struct BangerLinkWatch BangerLinkWatch;

/* Calls @changed(@user_data) after each change. Errors: OperationFailed. */
BangerLinkWatch *banger_link_watch_new(void (*changed)(void *user_data), void *user_data,
                                       GError **error);

/*
 * A socket that hears of the links (RTNLGRP_LINK), not blocking, for who waits for one of them. -1
 * on failure. Errors: OperationFailed.
 */
int banger_link_watch_open(GError **error);

void banger_link_watch_free(BangerLinkWatch *watch);
