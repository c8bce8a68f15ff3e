/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

/*
 * Who is behind a unique bus name. The bus is asked once a name (org.freedesktop.DBus
 * GetConnectionUnixProcessID and GetConnectionUnixUser) and the answer kept until the name goes
 * away, and a while longer: unique names are never used again, and a last call of that name may
 * still be on its way.
 *
 * Used from the main thread alone.
 */
typedef struct BangerCredentials BangerCredentials;

typedef struct {
    uid_t uid;
    pid_t pid; /* for the journal only, never for a decision */
    bool told; /* for the intake: has got its one warning that its calls are too many */
} BangerPeer;

/*
 * @peer is NULL if the bus cannot say: the peer is gone, or the bus failed. It is valid during the
 * call only.
 */
typedef void (*BangerCredentialsCallback)(BangerPeer *peer, void *user_data);

/*
 * Asks over @bus, a connection of its own, so that no queue of calls or replies delays the answers.
 * Starts to watch it for names that go away (one blocking AddMatch), and calls @gone for those
 * whose credentials were asked for. A negative errno on failure.
 */
int banger_credentials_new(sd_bus *bus, void (*gone)(const char *name, void *user_data),
                           void *user_data, BangerCredentials **ret_credentials);

void banger_credentials_free(BangerCredentials *credentials);

/* Who @name is, if that is known already; else NULL. Valid until the main loop goes on. */
BangerPeer *banger_credentials_find(BangerCredentials *credentials, const char *name);

/*
 * Finds out who @name, which is not known yet, is, and calls @callback (may be NULL) once, later.
 * At most @max may wait for one name, and @max_all for all: -EBUSY past that, and @callback is not
 * called. Any other negative errno: the bus cannot be asked, @callback is not called.
 */
int banger_credentials_get(BangerCredentials *credentials, const char *name, unsigned int max,
                           unsigned int max_all, BangerCredentialsCallback callback,
                           void *user_data);

/*
 * As banger_credentials_find(), and asks the bus if need be, which takes it some 200 us and has
 * 1 s.
 */
BangerPeer *banger_credentials_find_now(BangerCredentials *credentials, const char *name);
