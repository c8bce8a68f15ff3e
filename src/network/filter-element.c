/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/filter-element.h"

#include <arpa/inet.h>
#include <netinet/ether.h>
#include <netinet/in.h>
#include <string.h>

#define PART_ALIGN 4

GArray *
banger_elements_new(void)
{
    return g_array_new(FALSE, TRUE, sizeof(BangerFilterElement));
}

static void
init_element(BangerFilterElement *element, BangerSetId set)
{
    *element = (BangerFilterElement){
        .set = set,
        .element = {.family = banger_sets[set].family,
                    .table = BANGER_FILTER_TABLE,
                    .set = banger_sets[set].name},
    };
}

static void
put_bytes(uint8_t *to, size_t *length, const void *part, size_t size)
{
    g_assert(*length + size <= BANGER_NFT_KEY_MAX);
    memcpy(to + *length, part, size);
    *length += (size + PART_ALIGN - 1) / PART_ALIGN * PART_ALIGN;
}

static void
put_name(BangerFilterElement *element, const char *name)
{
    char padded[IFNAMSIZ] = "";

    (void)g_strlcpy(padded, name, sizeof padded);
    put_bytes(element->element.key, &element->element.key_length, padded, sizeof padded);
}

static void
put_address(BangerFilterElement *element, const BangerAddress *address)
{
    put_bytes(element->element.key, &element->element.key_length, address->bytes,
              banger_address_length(address));
}

void
banger_elements_add_name(GArray *elements, BangerSetId set, const char *name)
{
    BangerFilterElement element;

    init_element(&element, set);
    put_name(&element, name);
    g_array_append_val(elements, element);
}

void
banger_elements_add_address(GArray *elements, BangerSetId set, const BangerAddress *address)
{
    BangerFilterElement element;

    init_element(&element, set);
    put_address(&element, address);
    g_array_append_val(elements, element);
}

void
banger_elements_add_index(GArray *elements, BangerSetId set, int index)
{
    BangerFilterElement element;
    const uint32_t value = (uint32_t)index;

    init_element(&element, set);
    put_bytes(element.element.key, &element.element.key_length, &value, sizeof value);
    g_array_append_val(elements, element);
}

void
banger_element_init_known(BangerFilterElement *element, const BangerAddress *address)
{
    init_element(element, address->family == AF_INET ? BANGER_SET_KNOWN4 : BANGER_SET_KNOWN6);
    put_address(element, address);
}

void
banger_element_init_egress(BangerFilterElement *element, const BangerAddress *address,
                           const char *interface)
{
    init_element(element, address->family == AF_INET ? BANGER_MAP_EGRESS4 : BANGER_MAP_EGRESS6);
    put_address(element, address);
    put_name(element, interface);
}

/* The address as one that a TAP may use only if it is its own. */
static void
add_known(GArray *elements, const BangerAddress *address, const char *comment)
{
    BangerFilterElement element;

    banger_element_init_known(&element, address);
    (void)g_strlcpy(element.element.comment, comment, sizeof element.element.comment);
    g_array_append_val(elements, element);
    if (address->family == AF_INET6)
        banger_elements_add_address(elements, BANGER_SET_KNOWN_TARGET6, address);
}

/* The address that the kernel makes for the bridge from its MAC (RFC 4291, appendix A). */
static void
derive_link_local(const BangerLink *bridge, BangerAddress *ret_address)
{
    const uint8_t *mac = bridge->mac;

    *ret_address = (BangerAddress){
        .family = AF_INET6,
        .bytes = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 0x02, mac[1], mac[2], 0xff, 0xfe, mac[3],
                  mac[4], mac[5]},
    };
}

void
banger_elements_add_bridge_address(GArray *elements, const char *bridge,
                                   const BangerAddress *address)
{
    g_autofree char *comment = g_strdup_printf("bridge %s", bridge);

    add_known(elements, address, comment);
}

void
banger_elements_add_bridge(GArray *elements, const BangerLink *bridge, const GArray *addresses)
{
    BangerFilterElement pair;
    BangerAddress link_local;

    banger_elements_add_name(elements, BANGER_SET_BRIDGES, bridge->name);
    init_element(&pair, BANGER_SET_PAIRS);
    put_name(&pair, bridge->name);
    put_name(&pair, bridge->name);
    g_array_append_val(elements, pair);
    derive_link_local(bridge, &link_local);
    banger_elements_add_bridge_address(elements, bridge->name, &link_local);
    for (unsigned int i = 0; i < addresses->len; i++) {
        const BangerLinkAddress *address = &g_array_index(addresses, BangerLinkAddress, i);

        if (address->index == bridge->index &&
            !banger_address_equal(&address->address, &link_local))
            banger_elements_add_bridge_address(elements, bridge->name, &address->address);
    }
}

void
banger_elements_add_tap(GArray *elements, const char *tap, bool open)
{
    banger_elements_add_name(elements, open ? BANGER_SET_OPEN : BANGER_SET_TAPS, tap);
}

void
banger_elements_add_mac(GArray *elements, const char *tap, const char *mac)
{
    BangerFilterElement element;
    struct ether_addr address;

    g_return_if_fail(ether_aton_r(mac, &address) != NULL);
    banger_elements_add_name(elements, BANGER_SET_HAS_MAC, tap);
    init_element(&element, BANGER_SET_MACS);
    put_name(&element, tap);
    put_bytes(element.element.key, &element.element.key_length, &address, sizeof address);
    g_array_append_val(elements, element);
}

/* An element of a set of TAP and address. */
static void
add_source(GArray *elements, BangerSetId set, const char *tap, const BangerAddress *address)
{
    BangerFilterElement element;

    init_element(&element, set);
    put_name(&element, tap);
    put_address(&element, address);
    g_array_append_val(elements, element);
}

void
banger_elements_add_guest_nat(GArray *elements, const char *interface, const BangerAddress *guest)
{
    BangerFilterElement element;

    init_element(&element, guest->family == AF_INET ? BANGER_SET_GUESTS4 : BANGER_SET_GUESTS6);
    put_address(&element, guest);
    put_name(&element, interface);
    g_array_append_val(elements, element);
}

void
banger_elements_add_guest(GArray *elements, const char *tap, const char *interface,
                          const BangerLabelGuest *guest)
{
    const BangerAddress *address = &guest->address;
    bool is_v4 = address->family == AF_INET;
    g_autofree char *comment = g_strdup_printf("%s %s", tap, interface);

    add_known(elements, address, comment);
    banger_elements_add_name(elements, is_v4 ? BANGER_SET_HAS4 : BANGER_SET_HAS6, tap);
    add_source(elements, is_v4 ? BANGER_SET_SOURCE4 : BANGER_SET_SOURCE6, tap, address);
    if (!is_v4)
        add_source(elements, BANGER_SET_TARGET6, tap, address);
    if (guest->nat)
        banger_elements_add_guest_nat(elements, interface, address);
}

void
banger_elements_add_forward(GArray *elements, const BangerForward *forward)
{
    const uint16_t host_port = htons(forward->host_port);
    const uint16_t guest_port = htons(forward->guest_port);
    BangerFilterElement element;
    BangerNftElement *nft = &element.element;

    init_element(&element,
                 forward->guest.family == AF_INET ? BANGER_MAP_FORWARDS4 : BANGER_MAP_FORWARDS6);
    put_bytes(nft->key, &nft->key_length, &forward->protocol, sizeof forward->protocol);
    put_bytes(nft->key, &nft->key_length, &host_port, sizeof host_port);
    put_bytes(nft->data, &nft->data_length, forward->guest.bytes,
              banger_address_length(&forward->guest));
    put_bytes(nft->data, &nft->data_length, &guest_port, sizeof guest_port);
    g_array_append_val(elements, element);
}

/* Appends a part of the kind @part that no packet has. */
static void
put_anchor_part(char part, uint8_t *to, size_t *length)
{
    static const char no_name[IFNAMSIZ] = "/"; /* dev_valid_name() in the kernel */
    static const uint8_t nothing[ETH_ALEN];
    const struct in_addr loopback4 = {.s_addr = htonl(INADDR_LOOPBACK)};

    switch (part) {
    case BANGER_PART_NAME:
        put_bytes(to, length, no_name, sizeof no_name);
        break;
    case BANGER_PART_IPV4:
        put_bytes(to, length, &loopback4, sizeof loopback4);
        break;
    case BANGER_PART_IPV6:
    case BANGER_PART_TARGET:
        put_bytes(to, length, &in6addr_loopback, sizeof in6addr_loopback);
        break;
    case BANGER_PART_MAC:
        put_bytes(to, length, nothing, sizeof nothing);
        break;
    default:
        put_bytes(to, length, nothing, PART_ALIGN);
    }
}

void
banger_elements_add_anchors(GArray *elements)
{
    for (BangerSetId id = 0; id < BANGER_N_SETS; id++) {
        BangerFilterElement element;
        const BangerSet *set = &banger_sets[id];

        if (set->is_kept)
            continue;
        init_element(&element, id);
        for (const char *part = set->key; *part != '\0'; part++)
            put_anchor_part(*part, element.element.key, &element.element.key_length);
        for (const char *part = set->data; part != NULL && *part != '\0'; part++)
            put_anchor_part(*part, element.element.data, &element.element.data_length);
        g_array_append_val(elements, element);
    }
}

/* Appends the part of the kind @part that begins at @bytes; how long it is. */
static size_t
append_part(GString *text, char part, const uint8_t *bytes)
{
    BangerAddress address = {.family = part == BANGER_PART_IPV4 ? AF_INET : AF_INET6};
    uint16_t port;
    uint32_t index;

    switch (part) {
    case BANGER_PART_NAME:
        g_string_append_printf(text, "\"%.*s\"", IFNAMSIZ - 1, (const char *)bytes);
        return IFNAMSIZ;
    case BANGER_PART_TARGET:
        g_string_append(text, "0x");
        for (size_t i = 0; i < 16; i++)
            g_string_append_printf(text, "%02x", bytes[i]);
        return 16;
    case BANGER_PART_MAC:
        g_string_append_printf(text, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2],
                               bytes[3], bytes[4], bytes[5]);
        return 8;
    case BANGER_PART_PROTOCOL:
        g_string_append_printf(text, "%u", bytes[0]);
        return 4;
    case BANGER_PART_PORT:
        memcpy(&port, bytes, sizeof port);
        g_string_append_printf(text, "%u", ntohs(port));
        return 4;
    case BANGER_PART_INDEX:
        memcpy(&index, bytes, sizeof index);
        g_string_append_printf(text, "%u", index);
        return 4;
    default: {
        g_autofree char *formatted = NULL;

        memcpy(address.bytes, bytes, banger_address_length(&address));
        formatted = banger_address_format(&address);
        g_string_append(text, formatted);
        return banger_address_length(&address);
    }
    }
}

static void
append_parts(GString *text, const char *parts, const uint8_t *bytes)
{
    for (const char *part = parts; *part != '\0'; part++) {
        if (part != parts)
            g_string_append(text, " . ");
        bytes += append_part(text, *part, bytes);
    }
}

static void
append_element(GString *text, const BangerFilterElement *element)
{
    const BangerSet *set = &banger_sets[element->set];

    append_parts(text, set->key, element->element.key);
    if (element->element.comment[0] != '\0')
        g_string_append_printf(text, " comment \"%s\"", element->element.comment);
    if (element->element.chain[0] != '\0')
        g_string_append_printf(text, " : jump %s", element->element.chain);
    else if (set->data != NULL) {
        g_string_append(text, " : ");
        append_parts(text, set->data, element->element.data);
    } else if (element->set >= BANGER_MAP_FORWARDS4)
        g_string_append(text, " : drop");
}

void
banger_elements_append_commands(const GArray *elements, GString *commands)
{
    GString *texts[BANGER_N_SETS] = {NULL};

    for (unsigned int i = 0; i < elements->len; i++) {
        const BangerFilterElement *element = &g_array_index(elements, BangerFilterElement, i);

        if (texts[element->set] == NULL)
            texts[element->set] = g_string_new(NULL);
        else
            g_string_append(texts[element->set], ", ");
        append_element(texts[element->set], element);
    }
    for (BangerSetId id = 0; id < BANGER_N_SETS; id++) {
        if (texts[id] == NULL)
            continue;
        g_string_append_printf(commands, "add element %s " BANGER_FILTER_TABLE " %s { %s }\n",
                               banger_filter_family_name(banger_sets[id].family),
                               banger_sets[id].name, texts[id]->str);
        g_string_free(texts[id], TRUE);
    }
}
