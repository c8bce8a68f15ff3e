/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether what others change of nftables is in our tables: the kernel reports each change, and
 * which generation it made (NFNLGRP_NFTABLES), to a socket that is opened by the first call and
 * stays open. Nothing of it is read until it is asked for. So a host whose containers come and go
 * does not make each of our calls list our rules, which is most of what a look takes.
 *
 * What is not known counts as a change of ours: where the socket was not open yet or cannot be
 * opened, where it had no room for all reports (ENOBUFS), and where a generation is missing or was
 * asked for before. One caller at a time.
 */

/* Opens the socket. What is looked at afterwards can be known to be as it was. */
void banger_filter_watch_open(void);

/*
 * Whether it is known of each generation after @from, up to @to, that it changed nothing in a table
 * of our name, of whatever family. What is asked for is forgotten: to be asked again it has to be
 * looked at.
 */
bool banger_filter_watch_spares(uint32_t from, uint32_t to);
