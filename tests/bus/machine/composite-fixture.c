/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/machine/composite-fixture.h"

#include <stdlib.h>
#include <string.h>

#include "util/settings.h"

#define RECORDS "/run/banger-helper/net"

sd_bus *composite_bus;

static void
set_up_host(void)
{
    static const char *const no_taps[] = {NULL};

    machine_set_up(no_taps);
}

void
composite_clear(void)
{
    machine_kill_running();
    network_do("rm -rf " MACHINE_RUN "*.sock* " MACHINE_RUN "*.vsock* " MACHINE_RUN
               "*.record " MACHINE_STATE "*.log " MACHINE_STATE "*.metrics " MACHINE_STATE "*.cow");
    network_clear_network();
}

static void
set_up(void)
{
    composite_clear();
    network_do("rm -f " COMPOSITE_IMAGE "; mke2fs -q -t ext4 -F " COMPOSITE_IMAGE " 4M && "
               "chown %u:%u " COMPOSITE_IMAGE,
               RIG_UID_OWNER, RIG_UID_OWNER);
    composite_bus = rig_bus_open(RIG_UID_OWNER);
}

static void
tear_down(void)
{
    composite_bus = sd_bus_flush_close_unref(composite_bus);
    network_forget();
}

TCase *
composite_add_tcase(Suite *suite, const char *name)
{
    TCase *tcase = tcase_create(name);

    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, set_up_host, composite_clear);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    suite_add_tcase(suite, tcase);
    return tcase;
}

Machine *
composite_new(void)
{
    Machine *machine = machine_new("whole");

    machine_set_type(machine, "network", 'n');
    g_array_set_size(machine->drives, 0);
    machine_add_drive(machine, "rootfs", COMPOSITE_IMAGE, false, true);
    return machine;
}

int
composite_append_guest(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}{sv}{sv}{sv}", "guest_ip", "s", COMPOSITE_GUEST,
                                 "nat", "b", 1, "port_forwards", "a(sqq)", 2, "tcp", 8080, 80,
                                 "UDP", 5353, 53, "egress", "as", 2, "10.0.0.0/8",
                                 "192.0.2.1:443/tcp");
}

int
composite_append_all(sd_bus_message *message)
{
    int r = composite_append_guest(message);

    if (r >= 0)
        r = sd_bus_message_append(message, "{sv}{sv}", "fsck", "b", 1, "files", "a(sayu)", 1,
                                  "/etc/hostname", 6, 'w', 'h', 'o', 'l', 'e', '\n', 0600u);
    return r;
}

pid_t
composite_create(const Machine *machine)
{
    sd_bus_message *reply = rig_call_message(
        composite_bus, machine_call_message(composite_bus, "CreateMachine", machine, ""), NULL);
    const char *object;
    uint32_t pid = 0;

    ck_assert_int_ge(sd_bus_message_read(reply, "ou", &object, &pid), 0);
    ck_assert(g_str_has_prefix(object, BANGER_OBJECT_PATH "/machines/"));
    sd_bus_message_unref(reply);
    ck_assert_uint_gt(pid, 1);
    return (pid_t)pid;
}

void
composite_destroy(const Machine *machine)
{
    sd_bus_message_unref(rig_call_message(
        composite_bus, machine_call_message(composite_bus, "DestroyMachine", machine, ""), NULL));
}

void
composite_fails(const char *method, const Machine *machine, const char *name, const char *words)
{
    g_autofree char *expected = g_strconcat("org.banger.Helper1.Error.", name, NULL);
    g_autofree char *before = composite_state();
    g_autofree char *after = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = rig_call_message(
        composite_bus, machine_call_message(composite_bus, method, machine, "op-fails"), &error);

    ck_assert_msg(reply == NULL, "%s must fail with %s, and did not", method, words);
    ck_assert_msg(g_str_equal(error.name, expected), "%s, and not %s: %s", error.name, expected,
                  error.message);
    ck_assert_msg(strstr(error.message, words) != NULL, "no \"%s\" in: %s", words, error.message);
    ck_assert_msg(g_str_has_suffix(error.message, " (op-fails)"), "no op_id in: %s", error.message);
    sd_bus_error_free(&error);
    after = composite_state();
    composite_assert_same(after, before);
}

static int
compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of @text, sorted: the order in which the kernel lists things is not the state. */
static GStrv
sorted_lines(const char *text)
{
    GStrv lines = g_strsplit(text, "\n", -1);

    qsort(lines, g_strv_length(lines), sizeof *lines, compare_lines);
    return lines;
}

/* The lines of @lines that @others has not, or not as often; both are sorted. */
static char *
lines_missing(char *const *lines, char *const *others)
{
    GString *missing = g_string_new(NULL);

    for (; *lines != NULL; lines++) {
        while (*others != NULL && strcmp(*others, *lines) < 0)
            others++;
        if (*others != NULL && g_str_equal(*others, *lines))
            others++;
        else
            g_string_append_printf(missing, "%.800s\n", *lines);
    }
    return g_string_free(missing, FALSE);
}

void
composite_assert_same(const char *after, const char *before)
{
    g_auto(GStrv) now = sorted_lines(after);
    g_auto(GStrv) then = sorted_lines(before);
    g_autofree char *added = lines_missing(now, then);
    g_autofree char *gone = lines_missing(then, now);

    ck_assert_msg(added[0] == '\0' && gone[0] == '\0', "added: %.2000s gone: %.2000s", added, gone);
}

char *
composite_state(void)
{
    g_autofree char *machines = machine_host_state();
    /*
     * The carrier of a bridge changes a moment after that of its port, and what it knows of the
     * others; indices count on.
     */
    const char *rest = network_run(
        "ip -o -d link show | "
        "sed -E '/: lo:/d; s/^[0-9]+: //; s/<[^>]*>//; s/ state [A-Z]+//; s/ link-netnsid "
        "[0-9]+//; "
        "s/ bridge forward_delay .* addrgenmode / addrgenmode /; s/[a-z_]+_timer +[0-9.]+//g; s/ "
        "vnet_hdr (on|off)//; s/ state "
        "(forwarding|disabled|blocking|learning|listening)//; s/link\\/ether [0-9a-f:]+//'; "
        "ip -o addr show | sed -E '/: lo /d; /fe80/d; s/^[0-9]+: //'; "
        "nft list ruleset; "
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding; "
        "grep -r . " RECORDS " 2>/dev/null | sort; "
        /* of this rig's files: other programs have loops on this machine too */
        "losetup -n -O BACK-INO,BACK-MAJ:MIN | while read -r inode device; do "
        "find " MACHINE_STATE " -xdev -inum \"$inode\" -exec stat -c '%%Hd:%%Ld %%n' {} + | "
        "sed -n \"s/^$device //p\"; done; "
        "stat -c '%%n %%s %%U %%a' " MACHINE_STATE "*.cow 2>/dev/null; :");

    return g_strconcat(machines, "\n", rest, NULL);
}
