/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Names that both sides of every contract share. */
#define BANGER_BUS_NAME "org.banger.Helper1"
#define BANGER_OBJECT_PATH "/org/banger/Helper1"
#define BANGER_INTERFACE "org.banger.Helper1"

/* The alias (IFLA_IFALIAS) that marks a bridge or TAP as made by the helper. */
#define BANGER_LINK_ALIAS "org.banger.Helper1"

/*
 * The settings of one run of the helper: helper.conf with the user names resolved. They do not
 * change while it runs and are read from any thread.
 */
typedef struct {
    char *owner_user;        /* the name, as configured */
    uid_t owner_uid;         /* TAPs, sockets and images belong to this user … */
    gid_t owner_gid;         /* … and its primary group */
    char *state_directory;   /* absolute, without a slash at the end */
    char *runtime_directory; /* the same */
    bool jail;               /* each VMM has a user and a root directory of its own; else it is
                              * the owner's */
    bool console_to_journal; /* or nowhere */
    unsigned int idle_timeout_sec;         /* 0: never exit */
    struct BangerNetworkSettings *network; /* [Network]: network/network-settings.h */
} BangerSettings;
