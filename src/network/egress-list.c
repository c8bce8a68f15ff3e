/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/egress-list.h"

#include <sys/socket.h>

#include "model/destination.h"
#include "network/filter-rules.h"

char *
banger_egress_chain(char *const *networks)
{
    g_autofree char *text = g_strjoinv(" ", (char **)networks);
    g_autofree char *checksum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

    return g_strdup_printf("egress_%.32s", checksum);
}

void
banger_egress_append_chain(GString *commands, const char *chain, char *const *networks)
{
    g_string_append_printf(commands,
                           "add chain inet " BANGER_FILTER_TABLE
                           " %s\nflush chain inet " BANGER_FILTER_TABLE " %s\n",
                           chain, chain);
    for (char *const *network = networks; *network != NULL; network++) {
        g_autofree char *subnet = NULL;
        BangerDestination destination;

        if (!banger_destination_parse(*network, &destination, NULL))
            continue; /* "none" */
        subnet = banger_subnet_format(&destination.subnet);
        g_string_append_printf(commands, "add rule inet " BANGER_FILTER_TABLE " %s %s daddr %s ",
                               chain, destination.subnet.address.family == AF_INET ? "ip" : "ip6",
                               subnet);
        if (destination.port != 0)
            g_string_append_printf(commands, "meta l4proto %s th dport %u ",
                                   destination.protocol != NULL ? destination.protocol
                                                                : "{ tcp, udp }",
                                   destination.port);
        else if (destination.protocol != NULL)
            g_string_append_printf(commands, "meta l4proto %s ", destination.protocol);
        g_string_append(commands, "return\n");
    }
    g_string_append_printf(commands, "add rule inet " BANGER_FILTER_TABLE " %s drop\n", chain);
}
