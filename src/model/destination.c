/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/destination.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/number.h"

bool
banger_subnet_parse(const char *text, BangerSubnet *ret_subnet, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    BangerSubnet subnet = {0};
    BangerSubnet masked;
    unsigned int prefix;

    if (parts[0] != NULL && inet_pton(AF_INET, parts[0], subnet.address.bytes) == 1)
        subnet.address.family = AF_INET;
    else if (parts[0] != NULL && inet_pton(AF_INET6, parts[0], subnet.address.bytes) == 1)
        subnet.address.family = AF_INET6;
    else
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" is not an address or a network", text);
    prefix = (unsigned int)banger_address_length(&subnet.address) * 8;
    if (parts[1] != NULL && !banger_number_parse(parts[1], 0, prefix, &prefix))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" has no prefix length from 0 to %u", text, prefix);
    subnet.prefix = (uint8_t)prefix;
    masked = subnet;
    for (unsigned int bit = prefix; bit < banger_address_length(&subnet.address) * 8; bit++)
        masked.address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    if (!banger_address_equal(&masked.address, &subnet.address))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" has bits set after its prefix", text);
    *ret_subnet = subnet;
    return true;
}

char *
banger_subnet_format(const BangerSubnet *subnet)
{
    g_autofree char *address = banger_address_format(&subnet->address);

    return g_strdup_printf("%s/%u", address, subnet->prefix);
}

bool
banger_subnet_contains(const BangerSubnet *outer, const BangerSubnet *inner)
{
    return outer->prefix <= inner->prefix &&
           banger_address_same_network(&outer->address, &inner->address, outer->prefix);
}

bool
banger_subnet_overlaps(const BangerSubnet *a, const BangerSubnet *b)
{
    return banger_address_same_network(&a->address, &b->address, MIN(a->prefix, b->prefix));
}

/* Takes "/tcp" or "/udp" off the end of @text. */
static const char *
take_protocol(char *text)
{
    static const char *const protocols[] = {"tcp", "udp"};

    for (size_t i = 0; i < G_N_ELEMENTS(protocols); i++) {
        g_autofree char *suffix = g_strconcat("/", protocols[i], NULL);

        if (g_str_has_suffix(text, suffix)) {
            text[strlen(text) - strlen(suffix)] = '\0';
            return protocols[i];
        }
    }
    return NULL;
}

/* Takes ":PORT" off the end of @text, and the brackets off what is left; false if it is no port. */
static bool
take_port(char *text, unsigned int *ret_port)
{
    char *colon = strrchr(text, ':');

    *ret_port = 0;
    if (text[0] == '[') {
        char *bracket = strchr(text, ']');

        if (bracket == NULL || (bracket[1] != '\0' && bracket + 1 != colon))
            return false;
        if (bracket[1] == ':' && !banger_number_parse(colon + 1, 1, UINT16_MAX, ret_port))
            return false;
        *bracket = '\0';
        memmove(text, text + 1, strlen(text));
        return true;
    }
    /* More than one: an IPv6 address without a port. */
    if (colon == NULL || strchr(text, ':') != colon)
        return true;
    *colon = '\0';
    return banger_number_parse(colon + 1, 1, UINT16_MAX, ret_port);
}

bool
banger_destination_parse(const char *text, BangerDestination *ret_destination, GError **error)
{
    g_autofree char *rest = g_strdup(text);
    BangerDestination destination = {.protocol = take_protocol(rest)};

    if (!take_port(rest, &destination.port))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "\"%s\" has no port from 1 to 65535", text);
    if (!banger_subnet_parse(rest, &destination.subnet, error))
        return false;
    *ret_destination = destination;
    return true;
}

static char *
format_destination(const BangerDestination *destination)
{
    g_autofree char *network = banger_subnet_format(&destination->subnet);
    GString *text = g_string_new(network);

    if (destination->port != 0) {
        if (destination->subnet.address.family == AF_INET6) {
            g_string_prepend_c(text, '[');
            g_string_append_c(text, ']');
        }
        g_string_append_printf(text, ":%u", destination->port);
    }
    if (destination->protocol != NULL)
        g_string_append_printf(text, "/%s", destination->protocol);
    return g_string_free(text, FALSE);
}

bool
banger_destination_normalize(const char *text, char **ret_text, GError **error)
{
    BangerDestination destination = {0};

    if (g_str_equal(text, BANGER_DESTINATION_NONE) || g_str_equal(text, BANGER_DESTINATION_ALL)) {
        *ret_text = g_strdup(text);
        return true;
    }
    if (!banger_destination_parse(text, &destination, error))
        return false;
    *ret_text = format_destination(&destination);
    return true;
}
