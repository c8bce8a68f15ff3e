/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rig/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/settings.h"

#define POLKITD "/usr/lib/polkit-1/polkitd"
#define NETWORK_MANAGER_BUS_POLICY "/usr/share/dbus-1/system.d/org.freedesktop.NetworkManager.conf"
#define FIREWALLD_BUS_POLICY "/usr/share/dbus-1/system.d/FirewallD.conf"
#define FIREWALLD_POLICY "/usr/share/polkit-1/actions/org.fedoraproject.FirewallD1.policy"
#define POLKIT_BUS_POLICY "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf"

void
rig_write(const char *path, mode_t mode, const char *text)
{
    banger_autofd int fd = -1;

    (void)umount2(path, MNT_DETACH); /* what make_farm() mirrored is the machine's own file */
    (void)unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    rig_require(fd >= 0 && fchmod(fd, mode) == 0 &&
                    write(fd, text, strlen(text)) == (ssize_t)strlen(text),
                "write %s: %s", path, g_strerror(errno));
}

static void
copy(const char *source, const char *target)
{
    g_autofree char *text = NULL;

    rig_require(g_file_get_contents(source, &text, NULL, NULL), "%s cannot be read", source);
    rig_write(target, 0644, text);
}

/* Installs the project's data file @name as @target: from the build if it is made there. */
static void
install(const char *name, const char *target)
{
    g_autofree char *built = g_build_filename(RIG_BUILD_DIR, name, NULL);
    g_autofree char *source = g_build_filename(RIG_SOURCE_DIR, name, NULL);

    copy(g_file_test(built, G_FILE_TEST_EXISTS) ? built : source, target);
}

static void
install_users(void)
{
    g_autoptr(GString) passwd = g_string_new("root:x:0:0:root:/root:/bin/sh\n");
    g_autoptr(GString) group = g_string_new("root:x:0:\nsudo:x:27:\nnogroup:x:65534:\n");
    static const struct {
        const char *name;
        unsigned int uid;
        const char *members;
    } users[] = {
        {"banger", RIG_UID_OWNER, "member"}, {"banger-image", RIG_UID_WORKER, ""},
        {"member", RIG_UID_MEMBER, ""},      {"stranger", RIG_UID_STRANGER, ""},
        {"polkitd", RIG_UID_POLKITD, ""},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(users); i++) {
        g_string_append_printf(passwd, "%s:x:%u:%u::/nonexistent:/usr/sbin/nologin\n",
                               users[i].name, users[i].uid, users[i].uid);
        g_string_append_printf(group, "%s:x:%u:%s\n", users[i].name, users[i].uid,
                               users[i].members);
    }
    for (unsigned int i = 0; i < RIG_N_USERS; i++)
        g_string_append_printf(passwd, "user%u:x:%u:65534::/nonexistent:/usr/sbin/nologin\n", i,
                               RIG_UID_USERS + i);
    g_string_append(passwd, "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n");
    rig_write("/etc/passwd", 0644, passwd->str);
    rig_write("/etc/group", 0644, group->str);
    rig_write("/etc/nsswitch.conf", 0644, "passwd: files\ngroup: files\nhosts: files\n");
    rig_write("/etc/machine-id", 0444, "5bd3f1e0c04a4d6f8b0f3e7f2b9a6c11\n");
}

/*
 * The system bus as Debian configures it (/usr/share/dbus-1/system.conf), but for three things: it
 * runs as root, so that it can activate services without its setuid helper; it has the project's
 * policy and polkit's, no other; and root may own the names of the services that tests stand in
 * for.
 */
static void
write_bus_configuration(const RigOptions *options, const char *directory)
{
    g_autofree char *path = g_build_filename(directory, "bus.conf", NULL);
    g_autofree char *services = g_build_filename(directory, "services", NULL);
    g_autofree char *policy = g_build_filename(directory, "org.banger.Helper1.conf", NULL);
    g_autoptr(GString) text = g_string_new(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig>\n"
        "  <type>system</type>\n"
        "  <auth>EXTERNAL</auth>\n"
        "  <listen>unix:path=/run/dbus/system_bus_socket</listen>\n");

    g_string_append_printf(text, "  <listen>unix:path=%s/bus</listen>\n", directory);
    g_string_append_printf(text, "  <servicedir>%s</servicedir>\n", services);
    g_string_append(text, "  <policy context=\"default\">\n"
                          "    <allow user=\"*\"/>\n"
                          "    <deny own=\"*\"/>\n"
                          "    <deny send_type=\"method_call\"/>\n"
                          "    <allow send_type=\"signal\"/>\n"
                          "    <allow send_requested_reply=\"true\" send_type=\"method_return\"/>\n"
                          "    <allow send_requested_reply=\"true\" send_type=\"error\"/>\n"
                          "    <allow receive_type=\"method_call\"/>\n"
                          "    <allow receive_type=\"method_return\"/>\n"
                          "    <allow receive_type=\"error\"/>\n"
                          "    <allow receive_type=\"signal\"/>\n"
                          "    <allow send_destination=\"org.freedesktop.DBus\"/>\n"
                          "    <allow send_destination=\"org.freedesktop.resolve1\"/>\n"
                          "    <allow send_destination=\"org.freedesktop.systemd1\"/>\n"
                          "  </policy>\n"
                          "  <policy user=\"root\">\n"
                          "    <allow own=\"org.freedesktop.resolve1\"/>\n"
                          "    <allow own=\"org.freedesktop.systemd1\"/>\n"
                          "    <allow own=\"org.freedesktop.PolicyKit1\"/>\n"
                          "    <allow send_destination=\"org.freedesktop.DBus\"\n"
                          "           send_interface=\"org.freedesktop.DBus.Monitoring\"/>\n"
                          "  </policy>\n");
    if (g_file_test(POLKIT_BUS_POLICY, G_FILE_TEST_EXISTS))
        g_string_append(text, "  <include>" POLKIT_BUS_POLICY "</include>\n");
    if (g_file_test(FIREWALLD_BUS_POLICY, G_FILE_TEST_EXISTS))
        g_string_append(text, "  <include>" FIREWALLD_BUS_POLICY "</include>\n");
    if (g_file_test(NETWORK_MANAGER_BUS_POLICY, G_FILE_TEST_EXISTS))
        g_string_append(text, "  <include>" NETWORK_MANAGER_BUS_POLICY "</include>\n");
    g_string_append_printf(text, "  <include>%s</include>\n", policy);
    for (char **limit = options->limits; limit != NULL && *limit != NULL; limit++) {
        g_auto(GStrv) pair = g_strsplit(*limit, "=", 2);

        rig_require(g_strv_length(pair) == 2, "--limit %s: not NAME=VALUE", *limit);
        g_string_append_printf(text, "  <limit name=\"%s\">%s</limit>\n", pair[0], pair[1]);
    }
    g_string_append(text, "</busconfig>\n");
    install("dbus/org.banger.Helper1.conf", policy);
    rig_write(path, 0644, text->str);
}

static void
write_service(const char *directory, const char *name, const char *command)
{
    g_autofree char *file = g_strconcat(name, ".service", NULL);
    g_autofree char *path = g_build_filename(directory, "services", file, NULL);
    g_autofree char *text =
        g_strdup_printf("[D-BUS Service]\nName=%s\nExec=%s\nUser=root\n", name, command);

    rig_write(path, 0644, text);
}

static void
write_services(const RigOptions *options, const char *directory)
{
    g_autofree char *services = g_build_filename(directory, "services", NULL);
    g_autofree char *helper = g_strdup_printf(
        "%s %s/banger-helperd", options->wrap == NULL ? "" : options->wrap, BANGER_LIBEXECDIR);

    rig_require(mkdir(services, 0755) == 0, "mkdir %s: %s", services, g_strerror(errno));
    write_service(directory, BANGER_BUS_NAME, g_strstrip(helper));
    if (!options->no_polkitd)
        write_service(directory, "org.freedesktop.PolicyKit1", POLKITD " --no-debug");
}

/* Makes the folder @path an empty one, whatever it is on the machine. */
static void
empty_folder(const char *path)
{
    rig_mounts_make_path(path);
    rig_require(mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") == 0,
                "mount on %s: %s", path, g_strerror(errno));
}

static void
install_polkit_files(const RigOptions *options)
{
    g_autofree char *firewalld = NULL;

    (void)g_file_get_contents(FIREWALLD_POLICY, &firewalld, NULL, NULL);
    empty_folder("/etc/polkit-1");
    empty_folder("/usr/share/polkit-1/actions");
    empty_folder("/usr/share/polkit-1/rules.d");
    (void)mkdir("/etc/polkit-1/rules.d", 0755);
    install("polkit/org.banger.helper1.policy",
            "/usr/share/polkit-1/actions/org.banger.helper1.policy");
    if (firewalld != NULL)
        rig_write(FIREWALLD_POLICY, 0644, firewalld);
    install("polkit/60-banger-helper.rules", "/usr/share/polkit-1/rules.d/60-banger-helper.rules");
    for (char **rules = options->rules; rules != NULL && *rules != NULL; rules++) {
        g_autofree char *name = g_path_get_basename(*rules);
        g_autofree char *target = g_build_filename("/etc/polkit-1/rules.d", name, NULL);

        copy(*rules, target);
    }
}

/* Of firewalld only what the package has: its own folders are left as they are. */
static void
install_firewalld_files(void)
{
    static const char *const names[] = {"zones/banger.xml", "policies/banger-in.xml",
                                        "policies/banger-out.xml"};

    if (access("/etc/firewalld", F_OK) < 0)
        return;
    empty_folder("/etc/firewalld");
    rig_require(mkdir("/etc/firewalld/zones", 0755) == 0 &&
                    mkdir("/etc/firewalld/policies", 0755) == 0,
                "mkdir in /etc/firewalld: %s", g_strerror(errno));
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *source = g_build_filename("firewalld", names[i], NULL);
        g_autofree char *target = g_build_filename("/etc/firewalld", names[i], NULL);

        install(source, target);
    }
    rig_write("/etc/firewalld/firewalld.conf", 0644, "");
}

#define UFW_RULES "/usr/share/ufw/iptables"
#define UFW_SYSCTLS "/etc/ufw/sysctl.conf"
#define UFW_DEFAULTS "/etc/default/ufw"

/* ufw as its package leaves it, whatever the machine's own administrator made of it. */
static void
install_ufw_files(const char *directory)
{
    static const char *const names[] = {"before.rules", "before6.rules", "after.rules",
                                        "after6.rules", "user.rules",    "user6.rules"};
    g_autofree char *defaults = g_build_filename(directory, "ufw", NULL);
    g_autofree char *sysctls = NULL;

    if (access(UFW_RULES, F_OK) < 0 || access(UFW_DEFAULTS, F_OK) < 0)
        return;
    (void)g_file_get_contents(UFW_SYSCTLS, &sysctls, NULL, NULL);
    empty_folder("/etc/ufw");
    rig_require(mkdir("/etc/ufw/applications.d", 0755) == 0, "mkdir in /etc/ufw: %s",
                g_strerror(errno));
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *source = g_build_filename(UFW_RULES, names[i], NULL);
        g_autofree char *target = g_build_filename("/etc/ufw", names[i], NULL);

        copy(source, target);
    }
    rig_write("/etc/ufw/ufw.conf", 0644, "ENABLED=no\nLOGLEVEL=low\n");
    rig_write(UFW_SYSCTLS, 0644, sysctls != NULL ? sysctls : "");
    rig_write(defaults, 0644,
              "IPV6=yes\nDEFAULT_INPUT_POLICY=\"DROP\"\nDEFAULT_OUTPUT_POLICY=\"ACCEPT\"\n"
              "DEFAULT_FORWARD_POLICY=\"DROP\"\nDEFAULT_APPLICATION_POLICY=\"SKIP\"\n"
              "MANAGE_BUILTINS=no\nIPT_SYSCTL=" UFW_SYSCTLS "\nIPT_MODULES=\"\"\n");
    rig_require(mount(defaults, UFW_DEFAULTS, NULL, MS_BIND, NULL) == 0,
                "mount on " UFW_DEFAULTS ": %s", g_strerror(errno));
}

void
rig_files_install(const RigOptions *options, const char *directory)
{
    install_users();
    install_polkit_files(options);
    write_bus_configuration(options, directory);
    write_services(options, directory);
    install_firewalld_files();
    install_ufw_files(directory);
    if (access("/etc/systemd/network", F_OK) == 0) {
        empty_folder("/etc/systemd/network");
        install("systemd/network/10-banger-helper.network",
                "/etc/systemd/network/10-banger-helper.network");
    }
    empty_folder("/etc/banger");
    /* The tests' own bridges have more names than those that callers may use by default. */
    empty_folder(BANGER_CONFIG_FILE ".d");
    rig_write(BANGER_CONFIG_FILE ".d/50-rig.conf", 0644, "[Network]\nBridges=br-* banger*\n");
    if (options->config != NULL)
        copy(options->config, BANGER_CONFIG_FILE);
}
