/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

/*
 * The peers of the host of the rig, for real packets. All in network namespaces of the rig's own:
 *
 *     guest  eth0 172.16.0.2, fd00:16::2  ==(frames through the TAP)==  br-fc on the host
 *     host   uplink 192.0.2.1, 2001:db8::1  <--veth-->  eth0 192.0.2.2, 2001:db8::2  outside
 *
 * It has no route to the guests: it can only answer what was masqueraded.
 */

#define PEERS_ADDRESS "192.0.2.2"
#define PEERS_ADDRESS6 "2001:db8::2"
#define PEERS_HOST "192.0.2.1"
#define PEERS_HOST6 "2001:db8::1"
#define PEERS_GUEST "172.16.0.2"
#define PEERS_GUEST6 "fd00:16::2"
#define PEERS_OTHER "172.16.0.3"
#define PEERS_OTHER6 "fd00:16::3"
#define PEERS_FAR "172.17.0.2"
#define PEERS_FAR6 "fd00:17::2"
#define PEERS_PORT 7777

/*
 * Makes the host outside, and its server, which answers each datagram with the sender's address as
 * it sees it.
 */
void peers_make(void);

/*
 * Makes the namespace @name with a program that does what a VMM does: it attaches to the host's TAP
 * @tap and carries the frames to and from the guest's own eth0, which has @address (with prefix)
 * and the default route @gateway. Ends with the test.
 */
void peers_make_guest(const char *name, const char *tap, const char *address, const char *gateway);

/* A server like that one in the namespace @name, NULL: the host's. */
void peers_serve(const char *name);

/*
 * Sends a datagram from the namespace @name (NULL: the host's) to @address and waits for the
 * answer, which says which sender the server saw. Returns "" if none came within a second. Each
 * call is a flow of its own. The text is there until the next call. "ADDRESS#PORT" is another port
 * than PEERS_PORT, here and below.
 */
const char *peers_ask(const char *name, const char *address);

/*
 * Opens a socket in the namespace @name for one flow to @address, a descriptor; peers_ask_again()
 * asks on it, as peers_ask() does.
 */
int peers_open_flow(const char *name, const char *address);
const char *peers_ask_again(int flow);

/*
 * Require an answer, however long a loaded machine takes, and that it is @expected (NULL: any). For
 * "no answer" use the two above, when one that must come has come that way before.
 */
void peers_assert_answer(const char *name, const char *address, const char *expected);
void peers_assert_flow(int flow, const char *expected);

/*
 * Require that no answer comes: as peers_ask(), for as many flows at once as were expected to be
 * silent since the last time. What else is asked in between is asked in the same state.
 */
void peers_expect_silence(const char *name, const char *address);
void peers_await_silence(void);

/* peers_assert_answer() if an answer is @wanted, else peers_expect_silence(). */
void peers_expect(const char *name, const char *address, const char *expected, bool wanted);

/*
 * Traffic that goes on meanwhile: a program in the namespace @name that sends a byte to @address
 * again and again, each when the one before has come back, by one TCP connection and as datagrams
 * of one flow. A datagram is never sent twice: one that is lost ends the program. peers_make()
 * has the other end. peers_assert_traffic() requires that more bytes come back now, both ways.
 */
void peers_start_traffic(const char *name, const char *address);
void peers_assert_traffic(void);

/* EnsureNAT, which must succeed. */
void peers_nat(sd_bus *bus, const char *guest, const char *tap, bool enable);

/*
 * All of it: the host outside, br-fc with the TAP tap-fc-1, the guest behind it, and a server on
 * the host, which the guest reaches: what fails afterwards does not fail for lack of a wire.
 */
void peers_make_with_guest(sd_bus *bus);

/*
 * As peers_make_with_guest(), and "other" on br-fc with tap-fc-2, "far" on br-two with tap-fc-3;
 * each has a server, and all may leave, in both families.
 */
void peers_make_three_guests(sd_bus *bus);

/*
 * What Docker does with @iptables, "iptables" or "ip6tables": FORWARD drops by policy and has a
 * chain DOCKER-USER with rules of an administrator's.
 */
void peers_docker_chains(const char *iptables);

/* All nftables rules but the helper's, handles included; there until network_forget(). */
const char *peers_foreign_rules(void);

/* Fails unless there is nothing of the helper's, as nft(8) sees it and as iptables(8) does. */
void peers_assert_no_rules(void);

/* Ends all programs of the peers. */
void peers_end(void);
