/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The users of the rig; a program in it finds them in /etc/passwd, one outside by these numbers. */
#define RIG_UID_OWNER 64001    /* "banger", the owner; its primary group is "banger" */
#define RIG_UID_WORKER 64002   /* "banger-image" */
#define RIG_UID_MEMBER 64003   /* "member", who is in the group "banger" too */
#define RIG_UID_STRANGER 64004 /* "stranger" */
#define RIG_UID_POLKITD 64010
#define RIG_UID_USERS 64100 /* "user0" … "user19", of no special role */
#define RIG_N_USERS 20
