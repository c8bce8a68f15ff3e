/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * bangerctl in a terminal, under tmux: tables at 80 and 200 columns, colors and NO_COLOR, the
 * pager, watch, the line of progress, the agent that asks for a password; and completion in bash
 * and zsh.
 */
#include <string.h>

#include "bus/bangerctl/bangerctl-fixture.h"
#include "bus/network/network-fixture.h"
#include "util/settings.h"

/* In /run, which is of the rig alone: another one may run the same test. */
#define TMUX "tmux -S /run/tmux -f /dev/null "
#define LONG_TAP "tap-pool-abcdef"

static sd_bus *bus;

static void
set_up(void)
{
    bus = network_set_up();
}

static bool
has_no_server(void *data)
{
    (void)data;
    return rig_find_process("tmux: server") == 0;
}

/*
 * It ends a moment after its last session; until then it takes the next one, and ends that with it.
 */
static void
wait_no_server(void)
{
    rig_wait_for(has_no_server, NULL, "the end of tmux");
}

static void
tear_down(void)
{
    g_autofree char *text = NULL;

    (void)bangerctl_run(TMUX "kill-server", &text);
    wait_no_server();
    network_tear_down(bus);
}

static bool
skip_without(const char *program)
{
    if (bangerctl_have(program))
        return false;
    harness_skip(program);
    return true;
}

/* A terminal of @columns, in which @shell runs, with bangerctl where it looks for programs. */
static void
open_terminal(unsigned int columns, const char *shell)
{
    g_autofree char *command =
        g_strdup_printf("ln -sf " BUILD_DIR
                        "/bangerctl /usr/local/bin/ && env -u NO_COLOR TERM=screen LC_ALL=C.UTF-8 "
                        "PAGER= PS1='$ ' " TMUX "new-session -d -x %u -y 40 '%s'",
                        columns, shell);
    g_autofree char *text = bangerctl_print(command);
}

static void
send_keys(const char *keys)
{
    g_autofree char *command = g_strdup_printf(TMUX "send-keys %s", keys);
    g_autofree char *text = bangerctl_print(command);
}

/* What the terminal shows, with its colors. */
static char *
read_screen(void)
{
    return bangerctl_print(TMUX "capture-pane -p -e -J");
}

static bool
shows(void *data)
{
    g_autofree char *screen = read_screen();

    return strstr(screen, data) != NULL;
}

static void
wait_screen(const char *part)
{
    rig_wait_for(shows, (void *)(gsize)part, part);
}

/*
 * Types @command and waits until the shell is ready again; the screen. What is waited for is not in
 * the line that was typed, and another one for each command.
 */
static char *
type_command(const char *command)
{
    static unsigned int n;
    g_autofree char *keys =
        g_strdup_printf("'clear; %s; echo done$((%u+1))' Enter", command, ++n * 10);
    g_autofree char *end = g_strdup_printf("done%u\n", n * 10 + 1);

    send_keys(keys);
    wait_screen(end);
    return read_screen();
}

/* The longest line of @screen, in characters, without what switches colors. */
static glong
longest_line(const char *screen)
{
    g_autoptr(GRegex) codes = g_regex_new("\033\\[[0-9;]*m", 0, 0, NULL);
    g_autofree char *plain = g_regex_replace_literal(codes, screen, -1, 0, "", 0, NULL);
    g_auto(GStrv) lines = g_strsplit(plain, "\n", -1);
    glong longest = 0;

    for (char **line = lines; *line != NULL; line++)
        if (strstr(*line, "clear;") == NULL)
            longest = MAX(longest, g_utf8_strlen(*line, -1));
    return longest;
}

/* A TAP with so many addresses that its line is longer than 80 columns. */
static void
make_wide_table(void)
{
    g_autofree char *text = bangerctl_print(
        BANGERCTL "call CreateTap bridge_name=br-fc bridge_ip=172.16.0.1 cidr=24 tap_name=" LONG_TAP
                  " && for i in 2 3 4; do " BANGERCTL "nat 172.16.0.25$i " LONG_TAP " on; done");
}

START_TEST(widths)
{
    g_autofree char *narrow = NULL, *wide = NULL;

    if (skip_without("tmux"))
        return;
    make_wide_table();
    open_terminal(80, "sh");
    narrow = type_command("COLUMNS=60 bangerctl taps");
    network_assert_contains(narrow, "…");
    network_assert_contains(narrow, "1 listed.");
    ck_assert_int_le(longest_line(narrow), 60);
    send_keys("'exit' Enter");
    wait_no_server();
    open_terminal(200, "sh");
    wide = type_command("bangerctl taps");
    network_assert_contains(wide, "172.16.0.252 172.16.0.253 172.16.0.254");
    network_assert_lacks(wide, "…");
}
END_TEST

START_TEST(colors)
{
    g_autofree char *colored = NULL, *plain = NULL;

    if (skip_without("tmux"))
        return;
    make_wide_table();
    open_terminal(120, "sh");
    colored = type_command("bangerctl taps");
    network_assert_contains(colored, "\033[4m");
    plain = type_command("NO_COLOR=1 bangerctl taps");
    network_assert_lacks(plain, "\033[4m");
    network_assert_contains(plain, "NAME");
}
END_TEST

/* less(1) keeps what is longer than the screen; with --no-pager, or in a pipe, there is none. */
START_TEST(pager)
{
    g_autofree char *without = NULL;

    if (skip_without("tmux") || skip_without("less"))
        return;
    make_wide_table();
    open_terminal(100, "sh");
    send_keys("'PAGER=\"less +G -Ppage$((1+1))\" LESS= bangerctl taps' Enter");
    wait_screen("page2");
    send_keys("q");
    without = type_command("PAGER=\"less -Ppage$((1+1))\" LESS= bangerctl --no-pager taps");
    network_assert_contains(without, "1 listed.");
    network_assert_lacks(without, "page2");
}
END_TEST

#define IMAGE BANGER_STATE_DIRECTORY "/ctl.img"

/*
 * A file that comes slowly: a line shows how far it is, without asking again and again, and the
 * first interrupt has it cancelled.
 */
START_TEST(progress)
{
    RigMonitor *monitor;

    if (skip_without("tmux"))
        return;
    g_free(bangerctl_print("truncate -s 16M " IMAGE " && mke2fs -q -F -t ext4 " IMAGE
                           " && chown banger: " IMAGE " && mkfifo /run/slow"));
    open_terminal(100, "sh");
    monitor = rig_monitor_new();
    send_keys("'exec 9<>/run/slow; echo begin >&9; bangerctl write " IMAGE " /slow <&9' Enter");
    wait_screen("[..............................]");
    send_keys("C-c");
    wait_screen("bangerctl: WriteExt4FilesFrom: ");
    ck_assert_uint_le(rig_monitor_count(monitor, "GetManagedObjects", "Cancel"), 1);
    rig_monitor_free(monitor);
    send_keys("'clear; echo after$((1+1))' Enter");
    wait_screen("after2");
    bangerctl_check("rm /run/slow; e2fsck -fn " IMAGE, 0, "");
    bangerctl_check(BANGERCTL "read " IMAGE " /slow; rm " IMAGE, 0, "ReadExt4FileTo: ");
}
END_TEST

START_TEST(watching)
{
    if (skip_without("tmux"))
        return;
    open_terminal(120, "sh");
    send_keys("'bangerctl watch' Enter");
    wait_screen("nothing is missed from here on");
    network_bridge_and_tap(bus, "tap-fc-1");
    wait_screen("InterfacesAdded /org/banger/Helper1/taps/tap_2dfc_2d1");
    send_keys("C-c");
    send_keys("'echo after$((1+1))' Enter");
    wait_screen("after2");
}
END_TEST

/*
 * The agent of polkit in the place of which this stands says that it is there, and waits. It is
 * ended as soon as it has said so, so it is prepared for that before.
 */
#define AGENT                                                                                      \
    "#!/bin/sh\\ntrap \"echo ended >/run/agent\" EXIT\\ntrap exit TERM\\n"                         \
    "echo agent $1 $3 >&2\\neval \"exec $2>&-\"\\nwhile :; do sleep 0.1; done\\n"

/*
 * Before a call that may need a password the agent is started, and ended after it; not for root,
 * not with --no-ask-password.
 */
START_TEST(agent)
{
    g_autofree char *forbidden = NULL, *root = NULL, *asked = NULL, *ended = NULL;

    if (skip_without("tmux"))
        return;
    g_free(bangerctl_print("printf '" AGENT "' >/usr/local/bin/pkttyagent && touch /run/agent && "
                           "chmod 755 /usr/local/bin/pkttyagent && chmod 666 /run/agent"));
    open_terminal(120, "sh");
    root = type_command("bangerctl call DeleteTap tap_name=tap-fc-1");
    network_assert_lacks(root, "agent --notify-fd");
    send_keys("'exec " AS_STRANGER "sh' Enter");
    forbidden = type_command("bangerctl --no-ask-password call DeleteTap tap_name=tap-fc-1");
    network_assert_contains(forbidden, "no agent could ask for it");
    network_assert_lacks(forbidden, "agent --notify-fd");
    asked = type_command("XDG_SESSION_ID=1 bangerctl call DeleteTap tap_name=tap-fc-1");
    network_assert_contains(asked, "agent --notify-fd --fallback");
    network_assert_contains(asked, "polkit refused it");
    ended = bangerctl_print("cat /run/agent");
    ck_assert_str_eq(ended, "ended\n");
}
END_TEST

/* polkit's own agent, which asks in the terminal; refusing to answer is a refusal. */
START_TEST(password)
{
    if (skip_without("tmux") || skip_without("pkttyagent"))
        return;
    open_terminal(120, "env -u XDG_SESSION_ID " AS_STRANGER "sh");
    send_keys("'bangerctl call DeleteTap tap_name=tap-fc-1' Enter");
    wait_screen("AUTHENTICATING FOR org.banger.helper1.delete-tap");
    wait_screen("remove the network interface tap-fc-1");
    wait_screen("Password:");
    send_keys("C-d");
    send_keys("C-c");
}
END_TEST

/* The names that the host has, after a TAB. */
START_TEST(completion_bash)
{

    if (skip_without("tmux"))
        return;
    network_bridge_and_tap(bus, "tap-fc-one");
    open_terminal(120, "bash --norc --noprofile");
    send_keys("'source " SOURCE_DIR "/completion/bangerctl.bash' Enter");
    send_keys("'bangerctl nat 172.16.0.2 ta' Tab 'on'");
    wait_screen("nat 172.16.0.2 tap-fc-one on");
    send_keys("C-u");
    send_keys("'bangerctl --timeout=5 nat 172.16.0.3 ta' Tab");
    wait_screen("nat 172.16.0.3 tap-fc-one");
    send_keys("C-u");
    send_keys("'bangerctl show none --property=Sta' Tab");
    wait_screen("--property=State");
    send_keys("C-u");
    send_keys("'bangerctl snap' Tab");
    wait_screen("bangerctl snapshots");
    send_keys("C-u");
    send_keys("'bangerctl --no-l' Tab");
    wait_screen("bangerctl --no-legend");
    send_keys("C-u");
    send_keys("'bangerctl call EnsureN' Tab");
    wait_screen("bangerctl call EnsureNAT");
}
END_TEST

START_TEST(completion_zsh)
{
    if (skip_without("tmux") || skip_without("zsh"))
        return;
    network_bridge_and_tap(bus, "tap-fc-one");
    open_terminal(120, "zsh -f");
    send_keys(
        "'fpath=(" SOURCE_DIR
        "/completion $fpath); autoload -U compinit; compinit -u -D; echo ready$((1+1))' Enter");
    wait_screen("ready2");
    send_keys("'bangerctl nat 172.16.0.2 ta' Tab");
    wait_screen("nat 172.16.0.2 tap-fc-one");
    send_keys("C-u");
    send_keys("'bangerctl --timeout=5 nat 172.16.0.3 ta' Tab");
    wait_screen("nat 172.16.0.3 tap-fc-one");
    send_keys("C-u");
    send_keys("'bangerctl show none --property=Sta' Tab");
    wait_screen("--property=State");
    send_keys("C-u");
    send_keys("'bangerctl snap' Tab");
    wait_screen("bangerctl snapshots");
    send_keys("C-u");
    send_keys("'bangerctl call EnsureN' Tab");
    wait_screen("bangerctl call EnsureNAT");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/ctl-terminal", argv, NULL);
    suite = suite_create("ctl-terminal");
    tcase = tcase_create("ctl-terminal");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, widths);
    tcase_add_test(tcase, colors);
    tcase_add_test(tcase, pager);
    tcase_add_test(tcase, progress);
    tcase_add_test(tcase, watching);
    tcase_add_test(tcase, password);
    tcase_add_test(tcase, agent);
    tcase_add_test(tcase, completion_bash);
    tcase_add_test(tcase, completion_zsh);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/ctl-terminal", suite);
}
