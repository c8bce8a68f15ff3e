/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/*
 * polkit, through PolkitAuthority of libpolkit-gobject-1 and the connection to the system bus that
 * GIO shares with it: nothing of the helper's own connections delays an answer.
 *
 * Used from the main thread alone; nothing here blocks.
 */
typedef struct BangerPolkit BangerPolkit;

typedef struct {
    const char *sender; /* the subject: a connection, by its unique name */
    const char *action;
    char **details;   /* names and values in turn, NULL-terminated */
    bool interactive; /* polkit may ask a person */
} BangerPolkitQuestion;

typedef enum {
    BANGER_POLKIT_NO,
    BANGER_POLKIT_YES,
    BANGER_POLKIT_CHALLENGE, /* a person has to be asked first */
    BANGER_POLKIT_LOST,      /* polkitd went away before it answered */
    BANGER_POLKIT_FAILED,    /* any other error */
} BangerPolkitAnswer;

/* polkit was found; or not, and @error says why. */
typedef void (*BangerPolkitFound)(const GError *error, void *user_data);

/* polkit's rules changed, or polkitd went or came: an answer of before may be another one now. */
typedef void (*BangerPolkitChanged)(void *user_data);

/* @failure says why there is no answer (LOST, FAILED); it is valid during the call only. */
typedef void (*BangerPolkitAnswered)(BangerPolkitAnswer answer, const char *failure,
                                     void *user_data);

/* Does not look for polkit yet. */
BangerPolkit *banger_polkit_new(BangerPolkitFound found, BangerPolkitChanged changed,
                                void *user_data);

/* What was not answered yet is not answered any more: the main loop must have ended. */
void banger_polkit_free(BangerPolkit *polkit);

/*
 * Whether questions can be asked. If not, polkit is looked for, which the bus starts if need be;
 * found() is called when that has ended.
 */
bool banger_polkit_look_up(BangerPolkit *polkit);

/*
 * Asks; @answered is called exactly once, from the main loop, and there is no time limit. Only
 * after banger_polkit_look_up() said yes; if the connection to polkit was closed since then, FAILED
 * is answered at once. Cancelling @cancellable asks polkit to end its question to
 * a person, and FAILED is answered at once.
 */
void banger_polkit_ask(BangerPolkit *polkit, const BangerPolkitQuestion *question,
                       GCancellable *cancellable, BangerPolkitAnswered answered, void *user_data);
