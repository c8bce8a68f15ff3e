/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* An IPv4 or IPv6 address in network byte order. */
typedef struct {
    int family;        /* AF_INET or AF_INET6; 0 (AF_UNSPEC): none was given */
    uint8_t bytes[16]; /* the first 4 for AF_INET */
} BangerAddress;

/* What a prefix length says of an address: family 0 in @network if it came without a network. */
typedef struct {
    unsigned int length; /* from 1 to 32 or 128; 0: none was given */
    BangerAddress network;
} BangerPrefix;

#define BANGER_SERVER_PORT 53

/* A DNS server. */
typedef struct {
    BangerAddress address; /* family 0: none was given */
    uint16_t port;         /* 0: the default, which is BANGER_SERVER_PORT */
} BangerServer;

/* How many bytes of @address->bytes count: 4 or 16. */
size_t banger_address_length(const BangerAddress *address);

/*
 * Parses @text (inet_pton(3): dotted quad or IPv6, no scope, no port) into @ret_address. The
 * unspecified and multicast addresses and 255.255.255.255 name no host and are BadParams too, and
 * so is an IPv4 address in the form of an IPv6 one ("::ffff:10.0.0.1", "::10.0.0.1"): it would be a
 * second spelling of the same host.
 */
bool banger_address_parse(const char *text, BangerAddress *ret_address, GError **error);

/* The canonical text of @address (inet_ntop(3)); "" if none was given. Free with g_free(). */
char *banger_address_format(const BangerAddress *address);

/* Whether the first @prefix bits of @a and @b agree. False for different families. */
bool banger_address_same_network(const BangerAddress *a, const BangerAddress *b,
                                 unsigned int prefix);

/* Whether @a and @b are the same address. */
bool banger_address_equal(const BangerAddress *a, const BangerAddress *b);

/* Whether @address is of the loopback network (127.0.0.0/8 or ::1). */
bool banger_address_is_loopback(const BangerAddress *address);

/* Whether @address is of fe80::/10, of which the kernel gives every IPv6 link one by itself. */
bool banger_address_is_link_local(const BangerAddress *address);

/*
 * Whether @address is the first or the last of its IPv4 network of @prefix bits, which name the
 * network and everyone in it. Networks of one or two addresses (31 and 32 bits, RFC 3021) and IPv6
 * have no such addresses.
 */
bool banger_address_is_network_or_broadcast(const BangerAddress *address, unsigned int prefix);

/*
 * Parses "ADDRESS", "IPv4:PORT" or "[IPv6]:PORT", the notation of resolvectl(1). Errors:
 * BadParams, for port 0 too.
 */
bool banger_server_parse(const char *text, BangerServer *ret_server, GError **error);

/*
 * The canonical text of @server: "IPv4:PORT" or "[IPv6]:PORT", with the default port too; "" if
 * none was given. Free with g_free().
 */
char *banger_server_format(const BangerServer *server);

/*
 * Parses @cidr, a prefix length ("24") or a network ("172.16.0.0/24"): its prefix must be from 1 to
 * 32 (IPv4) or 128 (IPv6, and a bare length). Errors: BadParams.
 */
bool banger_prefix_parse(const char *cidr, BangerPrefix *ret_prefix, GError **error);

/*
 * Whether @prefix goes with @address: it is not longer than the address, and the network, if it
 * came with one, is of the same family and contains the address. Errors: BadParams.
 */
bool banger_prefix_check(const BangerPrefix *prefix, const BangerAddress *address, GError **error);
