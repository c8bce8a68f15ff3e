/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

/*
 * Who is behind a unique bus name. The bus is asked once a name (org.freedesktop.DBus
 * GetConnectionCredentials, asynchronously) and the answer kept until the name goes away: unique
 * names are never used again. The pid is for the journal only, never for a decision.
 *
 * Used from the main thread alone.
 */
typedef struct BangerCredentials BangerCredentials;

/*
 * @known: whether the bus could say. Otherwise the peer is gone, or the bus failed; uid and pid
 * mean nothing then.
 */
typedef void (*BangerCredentialsCallback)(bool known, uid_t uid, pid_t pid, void *user_data);

/*
 * Starts to watch @bus for names that go away (one blocking AddMatch), and calls @gone for those
 * whose credentials were asked for. A negative errno on failure.
 */
int banger_credentials_new(sd_bus *bus, void (*gone)(const char *name, void *user_data),
                           void *user_data, BangerCredentials **ret_credentials);

void banger_credentials_free(BangerCredentials *credentials);

/*
 * Finds out who @name is and calls @callback exactly once: before this returns if it is known
 * already. At most @max questions about one name may wait at the same time: -EBUSY past that, and
 * @callback is not called. Any other negative errno: the bus cannot be asked, @callback is not
 * called.
 */
int banger_credentials_get(BangerCredentials *credentials, const char *name, unsigned int max,
                           BangerCredentialsCallback callback, void *user_data);
