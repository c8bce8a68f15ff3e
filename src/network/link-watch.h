/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

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

struct nlmsghdr;

/* Whether a message about a link is one that matters. */
typedef bool BangerLinkMatter(struct nlmsghdr *header, const void *user_data);

/*
 * Reads all that has come on the socket @fd. Whether a message matters, or one may have: the kernel
 * had more to say than the socket has room for.
 */
bool banger_link_watch_hear(int fd, BangerLinkMatter *matters, const void *user_data);

void banger_link_watch_free(BangerLinkWatch *watch);
