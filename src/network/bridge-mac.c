/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <systemd/sd-id128.h>

#include "network/bridge.h"

/* Ours among the identities that sd_id128_get_machine_app_specific(3) derives. */
#define MAC_APPLICATION                                                                            \
    SD_ID128_MAKE(6e, 5d, 1b, 0f, 2a, 7c, 4d, 0e, 9b, 43, 8a, 71, c5, 1e, 90, 2d)

/*
 * Asked for until it is known. A machine without an id (a container image) is as good as any other
 * such machine.
 */
static sd_id128_t
machine_id(void)
{
    static GMutex lock;
    static sd_id128_t known;
    sd_id128_t id;

    g_mutex_lock(&lock);
    if (sd_id128_is_null(known) && sd_id128_get_machine_app_specific(MAC_APPLICATION, &id) >= 0)
        known = id;
    id = known;
    g_mutex_unlock(&lock);
    return id;
}

/*
 * The fixed MAC of the bridge @name on this machine. Without one the kernel gives the bridge the
 * lowest MAC of its ports, which changes under the guests' feet as TAPs come and go.
 */
void
banger_bridge_derive_mac(const char *name, uint8_t ret_mac[BANGER_MAC_LENGTH])
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    const sd_id128_t machine = machine_id();
    guint8 digest[32];
    gsize length = sizeof digest;

    g_checksum_update(checksum, machine.bytes, sizeof machine.bytes);
    g_checksum_update(checksum, (const guchar *)name, (gssize)strlen(name));
    g_checksum_get_digest(checksum, digest, &length);
    memcpy(ret_mac, digest, BANGER_MAC_LENGTH);
    /* Locally administered, unicast. */
    ret_mac[0] = (uint8_t)((ret_mac[0] & 0xfc) | 0x02);
}
