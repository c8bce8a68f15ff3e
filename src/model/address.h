/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* An IPv4 or IPv6 address in network byte order. */
typedef struct {
    int family;        /* AF_INET or AF_INET6 */
    uint8_t bytes[16]; /* the first 4 for AF_INET */
} BangerAddress;

/* A DNS server: port 0 is the default port. */
typedef struct {
    BangerAddress address;
    uint16_t port;
} BangerServer;

/* How many bytes of @address->bytes count: 4 or 16. */
size_t banger_address_length(const BangerAddress *address);

/*
 * Parses @text (inet_pton(3): dotted quad or IPv6, no scope, no port) into @ret_address. The
 * unspecified and multicast addresses and 255.255.255.255 name no host and are BadParams too.
 */
bool banger_address_parse(const char *text, BangerAddress *ret_address, GError **error);

/* The canonical text of @address (inet_ntop(3)). Free with g_free(). */
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

/* Parses "ADDRESS", "IPv4:PORT" or "[IPv6]:PORT", the notation of resolvectl(1). Port 0 is
 * BadParams. */
bool banger_server_parse(const char *text, BangerServer *ret_server, GError **error);

/*
 * Parses @cidr, a prefix length ("24") or a network ("172.16.0.0/24"), as it goes with @address:
 * the prefix must be from 1 to 32 (IPv4) or 128 (IPv6), and a network must be of the same family
 * and contain
 * @address. Errors: BadParams.
 */
bool banger_prefix_parse(const char *cidr, const BangerAddress *address, unsigned int *ret_prefix,
                         GError **error);

/* Whether @cidr has the form of a prefix length or of a network, whatever the address it goes with.
 */
bool banger_prefix_is_valid(const char *cidr);
