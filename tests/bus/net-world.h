/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

/*
 * A world around the host of the rig, for real packets. All in network namespaces of the rig's own:
 *
 *     guest  eth0 172.16.0.2, fd00:16::2  ==(frames through the TAP)==  br-fc on the host
 *     host   uplink 192.0.2.1, 2001:db8::1  <--veth-->  eth0 192.0.2.2, 2001:db8::2  world
 *
 * The world has no route to the guests: it can only answer what was masqueraded.
 */

#define WORLD_ADDRESS "192.0.2.2"
#define WORLD_ADDRESS6 "2001:db8::2"
#define WORLD_HOST "192.0.2.1"
#define WORLD_HOST6 "2001:db8::1"
#define WORLD_GUEST "172.16.0.2"
#define WORLD_GUEST6 "fd00:16::2"
#define WORLD_PORT 7777

/* Makes the world and its server, which answers each datagram with the sender's address as it sees
 * it. */
void world_make(void);

/*
 * Makes the namespace @name with a program that does what a VMM does: it attaches to the host's TAP
 * @tap and carries the frames to and from the guest's own eth0, which has @address (with prefix)
 * and the default route @gateway. Ends with the test.
 */
void world_make_guest(const char *name, const char *tap, const char *address, const char *gateway);

/* A server like the world's in the namespace @name, NULL: the host's. */
void world_serve(const char *name);

/*
 * Sends a datagram from the namespace @name (NULL: the host's) to @address and waits for the
 * answer, which says which sender the server saw. Returns "" if none came within a second. Each
 * call is a flow of its own. The text is there until the next call.
 */
const char *world_ask(const char *name, const char *address);

/*
 * Opens a socket in the namespace @name for one flow to @address, a descriptor; world_ask_again()
 * asks on it, as world_ask() does.
 */
int world_open_flow(const char *name, const char *address);
const char *world_ask_again(int flow);

/* Require an answer, however long a loaded machine takes, and that it is @expected. For "no answer"
 * use the two above, when one that must come has come that way before. */
void world_assert_answer(const char *name, const char *address, const char *expected);
void world_assert_flow(int flow, const char *expected);

/* EnsureNAT, which must succeed. */
void world_nat(sd_bus *bus, const char *guest, const char *tap, bool enable);

/* The whole of it: the world, br-fc with the TAP tap-fc-1, the guest behind it, and a server on the
 * host, which the guest reaches: what fails afterwards fails for no want of a wire. */
void world_make_with_guest(sd_bus *bus);

/* What Docker does with @iptables, "iptables" or "ip6tables": FORWARD drops by policy and has a
 * chain DOCKER-USER with rules of an administrator's. */
void world_docker_chains(const char *iptables);

/* All nftables rules but banger's, handles included; there until aid_forget(). */
const char *world_foreign_rules(void);

/* Fails unless there is nothing of banger's, as nft(8) sees it and as iptables(8) does. */
void world_assert_no_rules(void);

/* Ends all programs of the world. */
void world_end(void);
