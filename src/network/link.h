/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/address.h"
#include "network/netlink.h"

/*
 * Network links by rtnetlink(7): looking at them, making bridges, changing and deleting links. All
 * functions take a NETLINK_ROUTE socket. What is asked for is one message wherever the kernel takes
 * it as one, so that there are few states to be killed in.
 */

#define BANGER_MAC_LENGTH 6
#define BANGER_ALIAS_SIZE 256 /* IFALIASZ of linux/if.h, with the NUL */

typedef enum {
    BANGER_LINK_OTHER, /* anything but the two below: never managed */
    BANGER_LINK_BRIDGE,
    BANGER_LINK_TAP,
} BangerLinkType;

typedef struct {
    int index;
    char name[IFNAMSIZ];
    BangerLinkType type;
    bool up;      /* administratively (IFF_UP), whatever the carrier says */
    int master;   /* index of the bridge this link is a port of, or 0 */
    bool marked;  /* the alias is a label of ours (network/label.h) */
    bool carrier; /* of a TAP: a program has it open */
    uint32_t mtu;
    bool routers;  /* there may be some: it is not one without link-layer addresses and groups */
    int accept_ra; /* as /proc/sys/net/ipv6/conf/…/accept_ra; -1: not known */
    int forwards4; /* as /proc/sys/net/ipv4/conf/…/forwarding; -1: not known */
    uint8_t mac[BANGER_MAC_LENGTH];
    char alias[BANGER_ALIAS_SIZE];

    /* Bridges. */
    bool stp;
    uint32_t forward_delay; /* 1/100 s */

    /* TAPs. */
    bool has_owner;
    uid_t owner;
    bool has_group;
    gid_t group;
    bool persistent;  /* stays when no process has it open */
    bool multi_queue; /* only a program that asks for several queues can open it */
} BangerLink;

/*
 * Looks up the link called @name (RTM_GETLINK). *@ret_found says whether there is one; @ret_link is
 * filled in if so. A link of which @name is only an alternative name (ip-link(8), altname) is
 * NotManaged: the kernel would let it be changed under either. Errors: NotManaged, OperationFailed.
 */
bool banger_link_find(BangerNetlink *netlink, const char *name, BangerLink *ret_link,
                      bool *ret_found, GError **error);

/* As banger_link_find(), by index. */
bool banger_link_find_index(BangerNetlink *netlink, int index, BangerLink *ret_link,
                            bool *ret_found, GError **error);

/* Reads the link that @header, an RTM_NEWLINK or RTM_DELLINK, is about; false if it is neither. */
bool banger_link_parse(struct nlmsghdr *header, BangerLink *ret_link);

/*
 * All links of this network namespace (RTM_GETLINK, one dump), as a GArray of BangerLink. NULL on
 * failure. Errors: Timeout, OperationFailed.
 */
GArray *banger_link_list(BangerNetlink *netlink, GError **error);

/* The ports of the bridge with the index @bridge, as banger_link_list(). */
GArray *banger_link_list_ports(BangerNetlink *netlink, int bridge, GError **error);

/*
 * Makes the bridge @name with the address @mac, STP off and forward delay 0, down, in one exclusive
 * RTM_NEWLINK. Errors: AlreadyExists if the name is taken, NotSupported if the kernel has no
 * bridges, OperationFailed.
 */
bool banger_link_create_bridge(BangerNetlink *netlink, const char *name,
                               const uint8_t mac[BANGER_MAC_LENGTH], GError **error);

/* What banger_link_change() is to change; everything else stays as it is. */
typedef struct {
    const uint8_t *mac; /* BANGER_MAC_LENGTH bytes, or NULL */
    bool no_stp;        /* of a bridge: STP off */
    bool no_delay;      /* of a bridge without STP: forward delay 0 */
    const char *alias;  /* at most BANGER_ALIAS_SIZE - 1 bytes, or NULL */
    uint32_t mtu;       /* 0: leave it */
    int master;         /* make it a port of the bridge with this index; 0: leave it */
    bool up;            /* set IFF_UP */
} BangerLinkChange;

/*
 * Changes @link (RTM_NEWLINK). Errors: NotFound if it is gone, Busy if the bridge has all the ports
 * it can have, OperationFailed.
 */
bool banger_link_change(BangerNetlink *netlink, const BangerLink *link,
                        const BangerLinkChange *change, GError **error);

/*
 * Deletes the link with @index (RTM_DELLINK); one that is gone already is a success. Returns when
 * nothing of it can be seen any more, at most after 10 s; the kernel may free its memory later.
 * Errors: Timeout, OperationFailed.
 */
bool banger_link_delete(BangerNetlink *netlink, int index, GError **error);

typedef struct {
    BangerAddress address;
    uint8_t prefix;
    int index; /* of the link that has it; of no account where an address is set */
} BangerLinkAddress;

/*
 * The addresses of the link with @index and of @family (RTM_GETADDR), as a GArray of
 * BangerLinkAddress. NULL on failure.
 */
GArray *banger_link_addresses(BangerNetlink *netlink, int index, int family, GError **error);

/* As banger_link_addresses(), of all links and of both families, in one dump. */
GArray *banger_link_list_addresses(BangerNetlink *netlink, GError **error);

/*
 * The link that packets of this host to @address leave by (RTM_GETROUTE). *@ret_found is false if
 * there is no way there.
 */
bool banger_link_towards(BangerNetlink *netlink, const BangerAddress *address, BangerLink *ret_link,
                         bool *ret_found, GError **error);

/*
 * The indices of the links by which a default route of @family (AF_UNSPEC: of any) goes, as a set
 * in a GHashTable. NULL on failure. One dump of all routes.
 */
GHashTable *banger_link_list_uplinks(BangerNetlink *netlink, int family, GError **error);

/*
 * Gives the link with @index an address (RTM_NEWADDR); having it already is a success. An IPv6
 * address is usable at once (no duplicate address detection: a bridge without ports has no carrier,
 * and it would never end).
 */
bool banger_link_add_address(BangerNetlink *netlink, int index, const BangerLinkAddress *address,
                             GError **error);

/* Takes the address away again (RTM_DELADDR); not having it is a success. */
bool banger_link_delete_address(BangerNetlink *netlink, int index, const BangerLinkAddress *address,
                                GError **error);
