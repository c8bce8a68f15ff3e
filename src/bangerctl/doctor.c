/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bangerctl/commands.h"
#include "bangerctl/terminal.h"
#include "bangerctl/text-domain.h"
#include "util/text.h"

/* Each feature, how to get it, and whether guests do not work without it. */
static const struct {
    const char *feature, *cure;
    bool is_needed;
} features[] = {
    {"kvm",
     N_("switch on virtualisation in the firmware (or nested virtualisation of the host above), "
        "then: modprobe kvm_intel or modprobe kvm_amd"),
     true},
    {"device-mapper",
     N_("modprobe dm_snapshot, then systemctl restart banger-helper.service, if machines are to "
        "have snapshots as disks"),
     false},
    {"nat-ipv4", N_("modprobe nf_tables, or a kernel with it"), true},
    {"nat-ipv6", N_("a kernel with IPv6 and nf_tables"), false},
    {"resolved", N_("install systemd-resolved, if the names of guests are to be known"), false},
    {"jail", N_("[VMM] Jail=yes in helper.conf(5), and systemd as PID 1"), false},
};

/*
 * What to do about a warning, by a part of its text, and whether guests do not work with it. The
 * first that fits counts.
 */
static const struct {
    const char *part, *cure;
    bool is_needed;
} warnings_known[] = {
    /* These end in the error of whatever it was, which may have a part of the others. */
    {"nftables cannot be read", N_("modprobe nf_tables, or a kernel with it"), true},
    {"the links cannot be read",
     N_("try again; if it stays so: journalctl --unit banger-helper.service"), true},
    {"the nftables chain",
     N_("accept packets from and to the bridges in that chain, before what drops them: "
        "banger-helper(7), FIREWALLS"),
     true},
    {"iptables-legacy has",
     N_("accept packets from and to the bridges there too, if it drops them: iptables-legacy -I "
        "FORWARD -i BRIDGE -j ACCEPT, and -o BRIDGE"),
     false},
    {"firewalld drops what guests",
     N_("firewall-cmd --reload, then repeat the last bangerctl nat … on"), true},
    {"of firewalld any more", N_("the next bangerctl nat … on, for any guest, puts it there"),
     true},
    {" of firewalld, which decides",
     N_("leave it, if that zone is meant for guests; else firewall-cmd --permanent --zone=ZONE "
        "--remove-interface=BRIDGE, firewall-cmd --reload, and the next bangerctl nat … on"),
     false},
    {"/dev/net/tun is not there", N_("modprobe tun"), true},
    {"forwarding is off (",
     N_("take the setting out of sysctl.d(5); the next bangerctl nat … on switches it on again"),
     true},
    {"is gone, which the guest",
     N_("the next bangerctl nat … on, for any guest, puts everything back; have the firewall "
        "reload its own tables only, not flush all"),
     true},
    {" forwards no IPv4 packets",
     N_("set net.ipv4.conf.LINK.forwarding=1 for that link in sysctl.d(5), and by sysctl(8) now"),
     true},
    {" ignores its routers", N_("the next bangerctl nat … on, for any guest, sets it"), false},
    {"the bridge ",
     N_("give the machines of that bridge another network, or take the address or the route away "
        "from the other link"),
     true},
    {"have no jail", N_("[VMM] Jail=yes in helper.conf(5)"), false},
    {"has no access control lists",
     N_("put that directory on a file system that has them, such as ext4, xfs, btrfs or tmpfs; or "
        "[VMM] Jail=no in helper.conf(5)"),
     true},
    {"has no file system of its own",
     N_("systemctl start run-banger.mount, when no machine runs; else the next start of the host "
        "does it"),
     false},
    {"can connect to these sockets",
     N_("nothing, if what listens there asks who connects; else give that program a socket with a "
        "path"),
     false},
    {"can attach to these devices",
     N_("have who makes them name a user: ip tuntap add NAME mode tap user USER"), false},
    {"firecracker",
     N_("install firecracker as /usr/local/bin/firecracker, owned by root; a release of it is at "
        "https://github.com/firecracker-microvm/firecracker/releases"),
     true},
};

static struct json_object *
make_finding(const char *what, const char *text, const char *cure, bool is_needed)
{
    struct json_object *finding = json_object_new_object();

    (void)json_object_object_add(finding, "Kind", json_object_new_string(what));
    (void)json_object_object_add(finding, "Text", json_object_new_string(text));
    (void)json_object_object_add(finding, "Cure", json_object_new_string(cure));
    (void)json_object_object_add(finding, "Needed", json_object_new_boolean(is_needed));
    return finding;
}

/* What this version does not know is taken for grave. */
static struct json_object *
make_warning(const char *warning)
{
    for (size_t i = 0; i < G_N_ELEMENTS(warnings_known); i++)
        if (strstr(warning, warnings_known[i].part) != NULL)
            return make_finding("warning", warning, _(warnings_known[i].cure),
                                warnings_known[i].is_needed);
    return make_finding("warning", warning, "", true);
}

static struct json_object *
make_findings(char **have, char **warnings)
{
    struct json_object *findings = json_object_new_array();

    for (size_t i = 0; i < G_N_ELEMENTS(features); i++)
        if (!g_strv_contains((const char *const *)have, features[i].feature))
            (void)json_object_array_add(findings,
                                        make_finding("missing", features[i].feature,
                                                     _(features[i].cure), features[i].is_needed));
    for (char **warning = warnings; *warning != NULL; warning++)
        (void)json_object_array_add(findings, make_warning(*warning));
    return findings;
}

static bool
is_needed(struct json_object *finding)
{
    struct json_object *needed = NULL;

    (void)json_object_object_get_ex(finding, "Needed", &needed);
    return json_object_get_boolean(needed);
}

static void
print_finding(struct json_object *finding)
{
    g_autofree char *text = banger_text_make_printable(client_member_text(finding, "Text"), -1);
    const char *cure = client_member_text(finding, "Cure");
    const bool is_missing = g_str_equal(client_member_text(finding, "Kind"), "missing");

    g_print("%s%s:%s %s\n", terminal_style(is_needed(finding) ? TERMINAL_BAD : TERMINAL_WARN),
            is_missing ? _("missing") : _("warning"), terminal_style(TERMINAL_PLAIN), text);
    if (cure[0] != '\0')
        g_print("    %s: %s\n", _("cure"), cure);
}

/* The conclusion: whether guests work, or what is in their way. */
static void
print_conclusion(struct json_object *findings, bool works)
{
    if (works) {
        g_print("%s\n", _("Guests work on this host."));
        return;
    }
    g_print("%s\n", _("Guests do not work on this host until this is cured:"));
    for (size_t i = 0; i < json_object_array_length(findings); i++) {
        struct json_object *finding = json_object_array_get_idx(findings, i);
        g_autofree char *text = banger_text_make_printable(client_member_text(finding, "Text"), -1);

        if (is_needed(finding))
            g_print("    %s\n", text);
    }
}

ClientStatus
command_doctor(const CommandContext *context, char **arguments)
{
    g_auto(GStrv) have = NULL;
    g_auto(GStrv) warnings = NULL;
    ClientStatus status = client_get_texts(context->bus, "Features", &have);
    struct json_object *findings;
    bool works = true;

    (void)arguments;
    if (status == CLIENT_OK)
        status = client_get_texts(context->bus, "Warnings", &warnings);
    if (status != CLIENT_OK)
        return status;
    findings = make_findings(have, warnings);
    for (size_t i = 0; i < json_object_array_length(findings); i++) {
        struct json_object *finding = json_object_array_get_idx(findings, i);

        works &= !is_needed(finding);
        if (!context->output.json)
            print_finding(finding);
    }
    if (context->output.json)
        output_json(findings);
    else
        print_conclusion(findings, works);
    json_object_put(findings);
    return works ? CLIENT_OK : CLIENT_FAILED;
}
