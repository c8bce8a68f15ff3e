/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

/*
 * The agent that asks for a password in the terminal: pkttyagent(1) of polkit, as systemd's own
 * programs start it. It leaves the question to an agent that the session has.
 */

/* Switches the agent and every question for a password off: --no-ask-password. */
void agent_forbid(void);

/* The bus is another host's or container's: its polkit has no agent here. */
void agent_be_remote(void);

/* Whether calls may lead to a question for a password. */
bool agent_may_ask(void);

/*
 * Starts the agent if there is a terminal, the user is not root and it does not run yet; returns
 * when it is registered, or failed.
 */
void agent_start(void);

/* Ends the agent, if it runs, and waits for it. */
void agent_stop(void);
