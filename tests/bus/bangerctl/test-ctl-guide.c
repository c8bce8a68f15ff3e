/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The commands of the documentation: README's first machine, and docs/life-of-a-vm.md from its
 * first to its last, with the double of firecracker; the rules of docs/polkit-recipes.md; the
 * examples of the man pages that are commands.
 */
#include <string.h>

#include "bus/bangerctl/bangerctl-fixture.h"
#include "bus/vmm/machine-fixture.h"
#include "lib/source-tree.h"

static const char *const names[] = {"other", NULL};

/* Fails, with @command, if @text has @part. */
static void
assert_lacks(const char *text, const char *part, const char *command)
{
    ck_assert_msg(strstr(text, part) == NULL, "%s: %s", command, text);
}

/* Removes the fixture's TAP and bridge, where they still are: the documents make their own. */
static void
clear_links(void)
{
    g_free(bangerctl_print("ip link delete tap-fc-other; ip link delete br-fc; true"));
}

/* Writes the commands of the document to @to; they are @at_least to @at_most. */
static void
write_script(const char *to, const char *path, const char *section, unsigned int at_least,
             unsigned int at_most)
{
    unsigned int n;
    g_autofree char *script = bangerctl_extract(path, section, &n);

    ck_assert_uint_ge(n, at_least);
    ck_assert_uint_le(n, at_most);
    ck_assert(g_file_set_contents(to, script, -1, NULL));
}

/* docs/examples/web.machine, and its files, where it expects them; see remove_web(). */
static void
make_web(void)
{
    clear_links();
    bangerctl_check("cp " SOURCE_DIR "/docs/examples/web.machine " MACHINE_STATE
                    " && cd " MACHINE_STATE
                    " && cp kernel vmlinux && truncate -s 8M web.ext4 && mke2fs -q web.ext4 && "
                    "chown banger: vmlinux web.ext4",
                    0, "");
}

/* The machine, its files, and what its network was. */
static void
remove_web(void)
{
    bangerctl_check(BANGERCTL "destroy " MACHINE_STATE "web.machine && rm " MACHINE_STATE
                              "web.* " MACHINE_STATE "vmlinux",
                    0, "");
    bangerctl_check(BANGERCTL "call DeleteBridge bridge_name=br-fc", 0, "");
}

START_TEST(life)
{
    g_autofree char *text = NULL;

    write_script("/run/life.sh", "docs/life-of-a-vm.md", NULL, 21, UINT_MAX);
    clear_links();
    bangerctl_check("cp " MACHINE_STATE "kernel /run/vmlinux", 0, "");
    text = bangerctl_print("cd /run && sh /run/life.sh");
    ck_assert_msg(strstr(text, "can be made; nothing was made.") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "web runs as process ") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "0 listed.") != NULL, "%s", text);
    bangerctl_check("ls " MACHINE_RUN "web.sock " MACHINE_STATE "web.ext4", 2, "No such");
    bangerctl_check("ip link show br-fc", 1, "does not exist");
}
END_TEST

/* README's first machine, as root, with the files that it begins with. */
START_TEST(first_machine)
{
    g_autofree char *text = NULL;

    write_script("/run/first.sh", "README.md", "Use it", 8, 10);
    clear_links();
    bangerctl_check("mkdir /run/first && cd "
                    "/run/first && ln -s " SOURCE_DIR "/docs . && cp $(command -v firecracker || "
                    "echo /usr/local/bin/firecracker) . && cp " MACHINE_STATE "kernel vmlinux && "
                    "truncate -s 8M web.ext4 && mke2fs -q web.ext4",
                    0, "");
    text = bangerctl_print("cd /run/first && sudo() { \"$@\"; } && . /run/first.sh");
    ck_assert_msg(strstr(text, "web runs as process ") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "1 listed.") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "State: running\n") != NULL, "%s", text);
    bangerctl_check(BANGERCTL "list", 0, "0 listed.");
    bangerctl_check("ls -A " MACHINE_RUN " | grep web", 1, "");
    bangerctl_check("rm -r /run/first " MACHINE_STATE "web.* " MACHINE_STATE "vmlinux; " BANGERCTL
                    "call DeleteBridge bridge_name=br-fc",
                    0, "");
}
END_TEST

/* The @n-th block of indented JavaScript of the document, as polkit reads it. */
static char *
extract_rule(unsigned int n)
{
    g_autofree char *text = source_tree_read("docs/polkit-recipes.md");
    g_auto(GStrv) parts = g_strsplit(text, "    polkit.addRule(", -1);
    const char *end;

    ck_assert_uint_eq(g_strv_length(parts), 5);
    end = strstr(parts[n + 1], "\n    });\n");
    ck_assert_ptr_nonnull(end);
    return g_strdup_printf("polkit.addRule(%.*s\n});\n", (int)(end - parts[n + 1]), parts[n + 1]);
}

#define DELETE(tap) BANGERCTL "--no-ask-password call DeleteTap tap_name=" tap
#define CREATE(bridge)                                                                             \
    BANGERCTL "call CreateTap bridge_name=" bridge " bridge_ip=172.20.0.1 cidr=24 "                \
              "tap_name=tap-fc-r"

/* What each recipe allows, and what it does not. */
static const struct {
    const char *allowed, *refused;
} recipes[] = {
    {AS_STRANGER DELETE("tap-pool-x"), AS_STRANGER DELETE("tap-fc-x")},
    {AS_MEMBER DELETE("tap-fc-x"), AS_MEMBER BANGERCTL "read /var/lib/banger/none /etc/shadow"},
    {AS_MEMBER DELETE("tap-fc-x"), AS_MEMBER CREATE("br-other")},
    {DELETE("tap-fc-x"), AS_MEMBER DELETE("tap-fc-x")},
};

START_TEST(recipe)
{
    g_autofree char *rule = extract_rule((unsigned int)_i);

    rig_polkit_set_rules("50-recipe.rules", rule);
    bangerctl_check(recipes[_i].allowed, 0, "");
    bangerctl_check(recipes[_i].refused, 3, "bangerctl: ");
    rig_polkit_set_rules("50-recipe.rules", NULL);
    bangerctl_check(AS_MEMBER DELETE("tap-fc-x"), 0, "");
}
END_TEST

/* What README begins with. */
START_TEST(first_call)
{
    g_autofree char *text = NULL;

    write_script("/run/call.sh", "README.md", "", 2, 2);
    clear_links();
    text = bangerctl_print("sh /run/call.sh");
    ck_assert_msg(strstr(text, "tap-fc-1         DOWN           ") != NULL, "%s", text);
    bangerctl_check("ip link delete tap-fc-1; ip link delete br-fc", 0, "");
}
END_TEST

/* @roff without what is written for troff. Free with g_free(). */
static char *
plain_text(const char *roff)
{
    static const char *const pairs[][2] = {
        {"\\-", "-"}, {"\\(aq", "'"}, {"\\e", "\\"}, {"&gt;", ">"}, {"&amp;", "&"}};
    char *text = g_strdup(roff);

    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_auto(GStrv) parts = g_strsplit(text, pairs[i][0], -1);

        g_free(text);
        text = g_strjoinv(pairs[i][1], parts);
    }
    return text;
}

/* The commands of the manual page @path that begin with "bangerctl", one a line, but for @but. */
static char *
extract_examples(const char *path, const char *but)
{
    g_autofree char *roff = source_tree_read(path);
    g_auto(GStrv) blocks = g_strsplit(roff, ".nf\n", -1);
    g_autoptr(GString) script = g_string_new(BANGERCTL_SCRIPT);

    for (char **block = blocks + 1; blocks[0] != NULL && *block != NULL; block++) {
        char *end = strstr(*block, ".fi\n");
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        ck_assert_ptr_nonnull(end);
        *end = '\0';
        text = plain_text(*block);
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line != NULL; line++)
            if (g_str_has_prefix(*line, "bangerctl") && strstr(*line, but) == NULL)
                g_string_append_printf(script, "%s\n", *line);
    }
    return g_strdup(script->str);
}

/* The examples of banger-helper(7) and bangerctl(1), with a machine and an image like theirs. */
START_TEST(examples)
{
    g_autofree char *overview = extract_examples("man/banger-helper.7", " destroy ");
    g_autofree char *manual = extract_examples("man/bangerctl.1", " doctor");
    g_autofree char *text = NULL;

    ck_assert_ptr_nonnull(strstr(overview, "\nbangerctl doctor\n"));
    *strstr(overview, "bangerctl doctor\n") = '#';
    ck_assert(g_file_set_contents("/run/overview.sh", overview, -1, NULL));
    ck_assert(g_file_set_contents("/run/manual.sh", manual, -1, NULL));
    make_web();
    bangerctl_check("cd " MACHINE_STATE " && mkdir -p /run/tree/etc && cp /etc/os-release "
                    "/run/tree/etc && truncate -s 8M web.img && mke2fs -q -d /run/tree web.img && "
                    "chown banger: web.img",
                    0, "");
    text = bangerctl_print("sh /run/overview.sh && sh /run/manual.sh");
    ck_assert_msg(strstr(text, "\nrunning\n") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "\nPRETTY_NAME=") != NULL, "%s", text);
    remove_web();
}
END_TEST

/* The play of docs/many-hosts.md: the first command says whether the second is needed. */
START_TEST(play)
{
    static const char marker[] = "ansible.builtin.command: ";
    g_autofree char *text = source_tree_read("docs/many-hosts.md");
    g_auto(GStrv) parts = g_strsplit(text, marker, -1);

    ck_assert_uint_eq(g_strv_length(parts), 3);
    for (char **part = parts + 1; *part != NULL; part++)
        *strchr(*part, '\n') = '\0';
    make_web();
    ck_assert(g_setenv("PATH", BUILD_DIR ":/usr/sbin:/usr/bin:/sbin:/bin", TRUE));
    bangerctl_check(parts[1], 4, "there is no machine web");
    bangerctl_check(parts[2], 0, "web runs as process ");
    bangerctl_check(parts[1], 0, "running\n");
    remove_web();
}
END_TEST

/* Each error of the interface has a section that says what to do. */
START_TEST(errors)
{
    static const char *const error_names[] = {"BadParams",     "NotFound",
                                              "AlreadyExists", "Busy",
                                              "NotManaged",    "NotSupported",
                                              "Timeout",       "OperationFailed",
                                              "AccessDenied",  "InteractiveAuthorizationRequired",
                                              "LimitsExceeded"};
    g_autofree char *text = source_tree_read("docs/troubleshooting.md");

    for (size_t i = 0; i < G_N_ELEMENTS(error_names); i++) {
        g_autofree char *heading = g_strdup_printf("\n### %s\n", error_names[i]);

        ck_assert_msg(strstr(text, heading) != NULL, "%s", error_names[i]);
    }
}
END_TEST

/*
 * Each method has an example in org.banger.Helper1(5), with its types: what fails does so for what
 * this host has not, and never for how it was called.
 */
START_TEST(interface_examples)
{
    g_autofree char *roff = source_tree_read("man/org.banger.Helper1.xsl");
    g_autofree char *text = plain_text(roff);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *made =
        bangerctl_print("truncate -s 8M " MACHINE_STATE "root.ext4 && mke2fs -qF " MACHINE_STATE
                        "root.ext4 && chown banger: " MACHINE_STATE "root.ext4");
    unsigned int n = 0;

    for (char **line = lines; *line != NULL; line++) {
        g_autofree char *said = NULL, *command = NULL;

        if (!g_str_has_prefix(*line, "$CALL ") && !g_str_has_prefix(*line, "bangerctl call "))
            continue;
        n++;
        command = g_strdup_printf("PATH=" BUILD_DIR ":$PATH; CALL='busctl call org.banger.Helper1 "
                                  "/org/banger/Helper1 org.banger.Helper1'; %s",
                                  *line);
        (void)bangerctl_run(command, &said);
        assert_lacks(said, "Invalid arguments", *line);
        assert_lacks(said, "was called with arguments of", *line);
        assert_lacks(said, "Unknown method", *line);
        assert_lacks(said, "usage", *line);
        assert_lacks(said, "is no value of", *line);
        assert_lacks(said, "expects", *line);
    }
    ck_assert_uint_ge(n, 30);
}
END_TEST

/* The rules for a firewall that drops guests are such as nft(8) takes. */
START_TEST(firewall)
{
    g_autofree char *text = source_tree_read("docs/troubleshooting.md");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned int n = 0;

    bangerctl_check("nft 'add table inet filter; add chain inet filter forward { type filter hook "
                    "forward priority 0; policy drop; }'",
                    0, "");
    for (char **line = lines; *line != NULL; line++)
        if (g_str_has_prefix(*line, "    nft ")) {
            bangerctl_check(*line, 0, "");
            n++;
        }
    ck_assert_uint_eq(n, 2);
    bangerctl_check("nft list chain inet filter forward", 0, "oifname \"br-fc*\" accept");
    bangerctl_check("nft delete table inet filter", 0, "");
}
END_TEST

/* How the machine file in bangerctl(1) begins. */
#define FIRST_LINES "[Machine]\nkernel_image_path"

/* The machine file of bangerctl(1) is one, down to what this kernel lacks. */
START_TEST(manual)
{
    g_autofree char *text = source_tree_read("man/bangerctl.1");
    g_auto(GStrv) at_machine = g_strsplit(text, FIRST_LINES, 2);
    g_auto(GStrv) at_end = NULL;
    g_autofree char *roff = NULL, *file = NULL;

    ck_assert_uint_eq(g_strv_length(at_machine), 2);
    at_end = g_strsplit(at_machine[1], ".fi\n", 2);
    ck_assert_uint_eq(g_strv_length(at_end), 2);
    roff = g_strconcat(FIRST_LINES, at_end[0], NULL);
    file = plain_text(roff);
    ck_assert(g_file_set_contents("/run/web.machine", file, -1, NULL));
    bangerctl_check(BANGERCTL "run --dry-run /run/web.machine", 4, "CreateMachine: ");
    /* One password is enough: where firecracker is needs none. */
    bangerctl_check(AS_STRANGER BANGERCTL "run /run/web.machine", 3, "bangerctl: CreateMachine: ");
    bangerctl_check("echo 'frob=1' >>/run/web.machine; " BANGERCTL "run /run/web.machine", 2,
                    "[File /etc/hostname] frob: there is no such key here");
    bangerctl_check("echo '[Frob]' >/run/web.machine; " BANGERCTL "run /run/web.machine", 2,
                    "[Frob] is none of");
    bangerctl_check("printf '[Machine]\\nvcpu_count=many' >/run/web.machine; " BANGERCTL
                    "run /run/web.machine",
                    2, "[Machine] vcpu_count: vcpu_count: \"many\" is no value of the type u");
    bangerctl_check(BANGERCTL "run /run/none.machine", 2, "/run/none.machine: ");
    bangerctl_check(BANGERCTL "destroy none", 0, "No none ran; what was left of it is removed.\n");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/ctl-guide", argv, NULL);
    suite = suite_create("ctl-guide");
    tcase = machine_add_tcase(suite, "ctl-guide", names, NULL, NULL);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, life);
    tcase_add_test(tcase, first_machine);
    tcase_add_test(tcase, first_call);
    tcase_add_test(tcase, examples);
    tcase_add_test(tcase, play);
    tcase_add_test(tcase, errors);
    tcase_add_test(tcase, firewall);
    tcase_add_test(tcase, manual);
    tcase_add_test(tcase, interface_examples);
    tcase_add_loop_test(tcase, recipe, 0, G_N_ELEMENTS(recipes));
    return harness_run("bus/ctl-guide", suite);
}
