/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "util/error.h"
#include "util/number.h"

size_t
banger_address_length(const BangerAddress *address)
{
    return address->family == AF_INET ? 4 : 16;
}

/* Any address, also one that names no host. */
static bool
parse_any(const char *text, BangerAddress *ret_address)
{
    BangerAddress address = {0};

    if (inet_pton(AF_INET, text, address.bytes) == 1)
        address.family = AF_INET;
    else if (inet_pton(AF_INET6, text, address.bytes) == 1)
        address.family = AF_INET6;
    else
        return false;
    *ret_address = address;
    return true;
}

static bool
names_a_host(const BangerAddress *address)
{
    static const uint8_t zero[16];
    static const uint8_t broadcast[4] = {255, 255, 255, 255};
    size_t length = banger_address_length(address);

    if (memcmp(address->bytes, zero, length) == 0)
        return false;
    if (address->family == AF_INET)
        return (address->bytes[0] & 0xf0) != 0xe0 && memcmp(address->bytes, broadcast, 4) != 0;
    return address->bytes[0] != 0xff;
}

/* ::ffff:0:0/96 (RFC 4291, IPv4-mapped) and ::/96 (IPv4-compatible), but not ::1. */
static bool
is_disguised_ipv4(const BangerAddress *address)
{
    static const uint8_t zero[12];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (address->family != AF_INET6 || banger_address_is_loopback(address))
        return false;
    return memcmp(address->bytes, zero, sizeof zero) == 0 ||
           memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

bool
banger_address_parse(const char *text, BangerAddress *ret_address, GError **error)
{
    BangerAddress address;

    if (!parse_any(text, &address))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is not an IPv4 or IPv6 address", text);
    if (!names_a_host(&address))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is not the address of a host", text);
    if (is_disguised_ipv4(&address))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is an IPv4 address in the form of an IPv6 one: write it as "
                                "IPv4",
                                text);
    *ret_address = address;
    return true;
}

char *
banger_address_format(const BangerAddress *address)
{
    char text[INET6_ADDRSTRLEN];

    if (address->family == AF_UNSPEC)
        return g_strdup("");
    return g_strdup(inet_ntop(address->family, address->bytes, text, sizeof text));
}

bool
banger_address_same_network(const BangerAddress *a, const BangerAddress *b, unsigned int prefix)
{
    unsigned int whole = prefix / 8;
    unsigned int rest = prefix % 8;

    if (a->family != b->family || prefix > banger_address_length(a) * 8)
        return false;
    if (memcmp(a->bytes, b->bytes, whole) != 0)
        return false;
    return rest == 0 || (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0;
}

bool
banger_address_equal(const BangerAddress *a, const BangerAddress *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, banger_address_length(a)) == 0;
}

bool
banger_address_is_loopback(const BangerAddress *address)
{
    static const uint8_t loopback6[16] = {[15] = 1};

    if (address->family == AF_INET)
        return address->bytes[0] == 127;
    return memcmp(address->bytes, loopback6, sizeof loopback6) == 0;
}

bool
banger_address_is_link_local(const BangerAddress *address)
{
    return address->family == AF_INET6 && address->bytes[0] == 0xfe &&
           (address->bytes[1] & 0xc0) == 0x80;
}

bool
banger_address_is_network_or_broadcast(const BangerAddress *address, unsigned int prefix)
{
    uint32_t host_mask;
    uint32_t host;

    if (address->family != AF_INET || prefix > 30)
        return false;
    host_mask = UINT32_MAX >> prefix;
    memcpy(&host, address->bytes, sizeof host);
    host = ntohl(host) & host_mask;
    return host == 0 || host == host_mask;
}

bool
banger_server_parse(const char *text, BangerServer *ret_server, GError **error)
{
    g_autofree char *host = NULL;
    const char *colon = strrchr(text, ':');
    BangerServer server = {0};
    bool bracketed = colon != NULL && text[0] == '[' && colon - text >= 3 && colon[-1] == ']';
    unsigned int port = 0;

    /* A colon before a port follows either "]" or an IPv4 address, which has no other. */
    if (colon == NULL || (colon != strchr(text, ':') && !bracketed))
        host = g_strdup(text);
    else {
        if (!banger_number_parse(colon + 1, 1, 65535, &port))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "\"%s\" does not end in a port from 1 to 65535", text);
        if (bracketed)
            host = g_strndup(text + 1, (gsize)(colon - text) - 2);
        else
            host = g_strndup(text, (gsize)(colon - text));
    }
    if (!banger_address_parse(host, &server.address, error))
        return false;
    server.port = (uint16_t)port;
    *ret_server = server;
    return true;
}

char *
banger_server_format(const BangerServer *server)
{
    g_autofree char *address = banger_address_format(&server->address);

    if (server->address.family == AF_UNSPEC)
        return g_strdup("");
    return g_strdup_printf(server->address.family == AF_INET ? "%s:%u" : "[%s]:%u", address,
                           server->port != 0 ? server->port : BANGER_SERVER_PORT);
}

static bool
split_network(const char *cidr, BangerAddress *ret_network, unsigned int *ret_prefix)
{
    const char *slash = strchr(cidr, '/');
    g_autofree char *network_text = NULL;
    BangerAddress network;

    if (slash == NULL)
        return false;
    network_text = g_strndup(cidr, (gsize)(slash - cidr));
    if (!parse_any(network_text, &network) ||
        !banger_number_parse(slash + 1, 1, (unsigned int)banger_address_length(&network) * 8,
                             ret_prefix))
        return false;
    *ret_network = network;
    return true;
}

bool
banger_prefix_parse(const char *cidr, BangerPrefix *ret_prefix, GError **error)
{
    BangerPrefix prefix = {0};

    if (!banger_number_parse(cidr, 1, 128, &prefix.length) &&
        !split_network(cidr, &prefix.network, &prefix.length))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is neither a prefix length (\"24\") nor a network "
                                "(\"172.16.0.0/24\")",
                                cidr);
    *ret_prefix = prefix;
    return true;
}

bool
banger_prefix_check(const BangerPrefix *prefix, const BangerAddress *address, GError **error)
{
    unsigned int max = (unsigned int)banger_address_length(address) * 8;
    g_autofree char *address_text = banger_address_format(address);
    g_autofree char *network_text = NULL;

    if (prefix->network.family != 0 &&
        !banger_address_same_network(&prefix->network, address, prefix->length)) {
        network_text = banger_address_format(&prefix->network);
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "the network %s/%u does not contain the address %s", network_text,
                                prefix->length, address_text);
    }
    if (prefix->length < 1 || prefix->length > max)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%u is not a prefix length from 1 to %u for %s", prefix->length,
                                max, address_text);
    return true;
}
