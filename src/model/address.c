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
parse(const char *text, BangerAddress *ret_address)
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

bool
banger_address_parse(const char *text, BangerAddress *ret_address, GError **error)
{
    BangerAddress address;

    if (!parse(text, &address))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is not an IPv4 or IPv6 address", text);
    if (!names_a_host(&address))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is not the address of a host", text);
    *ret_address = address;
    return true;
}

char *
banger_address_format(const BangerAddress *address)
{
    char text[INET6_ADDRSTRLEN];

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

static bool
split_network(const char *cidr, BangerAddress *ret_network, unsigned int *ret_prefix)
{
    const char *slash = strchr(cidr, '/');
    g_autofree char *network_text = NULL;
    BangerAddress network;

    if (slash == NULL)
        return false;
    network_text = g_strndup(cidr, (gsize)(slash - cidr));
    if (!parse(network_text, &network) ||
        !banger_number_parse(slash + 1, 1, (unsigned int)banger_address_length(&network) * 8,
                             ret_prefix))
        return false;
    *ret_network = network;
    return true;
}

bool
banger_prefix_is_valid(const char *cidr)
{
    BangerAddress network;
    unsigned int prefix;

    return banger_number_parse(cidr, 1, 128, &prefix) || split_network(cidr, &network, &prefix);
}

bool
banger_prefix_parse(const char *cidr, const BangerAddress *address, unsigned int *ret_prefix,
                    GError **error)
{
    unsigned int max = (unsigned int)banger_address_length(address) * 8;
    g_autofree char *address_text = banger_address_format(address);
    BangerAddress network;
    unsigned int prefix;

    if (strchr(cidr, '/') == NULL) {
        if (!banger_number_parse(cidr, 1, max, &prefix))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "cidr \"%s\" is not a prefix length from 1 to %u for %s", cidr,
                                    max, address_text);
    } else if (!split_network(cidr, &network, &prefix)) {
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "cidr \"%s\" is not a network such as 172.16.0.0/24", cidr);
    } else if (!banger_address_same_network(&network, address, prefix)) {
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "network \"%s\" does not contain the address %s", cidr,
                                address_text);
    }
    *ret_prefix = prefix;
    return true;
}
