/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may call what: strangers are refused with nothing changed, owner and members are allowed,
 * root is never asked about; rules of a site by details; a polkitd that is killed, hangs or
 * answers late.
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/calls/call-samples.h"
#include "util/error.h"
#include "util/settings.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define INTERACTIVE "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"

/* A process that a caller must not be able to end. */
static pid_t bystander;

static void
set_up(void)
{
    bystander = fork();
    ck_assert_int_ge(bystander, 0);
    if (bystander == 0) {
        (void)pause();
        _exit(0);
    }
}

static void
tear_down(void)
{
    ck_assert_int_eq(waitpid(bystander, NULL, WNOHANG), 0);
    (void)kill(bystander, SIGKILL);
    (void)waitpid(bystander, NULL, 0);
}

/* All that the methods could change, as text. */
static char *
state_of_host(void)
{
    char *command[] = {(char *)"sh", (char *)"-c",
                       (char *)"ip -d link; ip addr; nft list ruleset;"
                               "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/*;"
                               "find " BANGER_STATE_DIRECTORY " " BANGER_RUNTIME_DIRECTORY
                               " /dev/mapper -ls; ls /dev | grep -v loop",
                       NULL};
    char *output = NULL;

    ck_assert(g_spawn_sync(NULL, command, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL,
                           NULL, NULL, &output, NULL, NULL, NULL));
    return output;
}

static bool
is_refusal(const char *error_name)
{
    return g_strcmp0(error_name, DENIED) == 0 || g_strcmp0(error_name, INTERACTIVE) == 0;
}

/* Calls @method as @uid with all of it well-formed; requires that polkit has nothing against it. */
static void
check_allowed(uid_t uid, const BangerMethod *method)
{
    sd_bus *bus = rig_bus_open(uid);
    sd_bus_error error = SD_BUS_ERROR_NULL;

    sd_bus_message_unref(
        rig_call_message(bus, sample_call(bus, method, (uint32_t)bystander, ""), &error));
    ck_assert_msg(!is_refusal(error.name), "%s as %u: %s: %s", method->dbus_name, uid, error.name,
                  error.message);
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
}

/* Requires that @method as @uid fails with @error_name, and that the journal says so. */
static void
check_refused(uid_t uid, const BangerMethod *method, bool interactive, const char *error_name)
{
    sd_bus *bus = rig_bus_open(uid);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    g_autofree char *op_id = g_strdup_printf("refused-%s-%d", method->dbus_name, interactive);
    g_autofree char *tail = g_strdup_printf(" (%s)", op_id);
    sd_bus_message *message = sample_call(bus, method, (uint32_t)bystander, op_id);
    g_autoptr(GHashTable) record = NULL;

    ck_assert_int_ge(sd_bus_message_set_allow_interactive_authorization(message, interactive), 0);
    ck_assert_ptr_null(rig_call_message(bus, message, &error));
    ck_assert_msg(g_strcmp0(error.name, error_name) == 0, "%s: %s: %s", method->dbus_name,
                  error.name, error.message);
    ck_assert_msg(g_str_has_suffix(error.message, tail), "%s", error.message);
    record = rig_journal_wait(op_id);
    ck_assert_str_eq(g_hash_table_lookup(record, "CODE"), "unauthorized");
    ck_assert_str_eq(g_hash_table_lookup(record, "ERROR_NAME"), error_name);
    ck_assert_str_eq(g_hash_table_lookup(record, "METHOD"), method->dbus_name);
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
}

START_TEST(stranger_is_refused)
{
    const BangerMethod *method = banger_method((BangerMethodId)_i);
    g_autofree char *before = state_of_host();
    g_autofree char *after = NULL;

    /* A new helper has its whole budget of records of what a stranger is refused. */
    if (_i == BANGER_N_METHODS / 2)
        rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    check_refused(RIG_UID_STRANGER, method, false, INTERACTIVE);
    check_refused(RIG_UID_STRANGER, method, true, DENIED);
    after = state_of_host();
    ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(owner_is_allowed)
{
    check_allowed(RIG_UID_OWNER, banger_method((BangerMethodId)_i));
}
END_TEST

START_TEST(member_is_allowed)
{
    check_allowed(RIG_UID_MEMBER, banger_method((BangerMethodId)_i));
}
END_TEST

START_TEST(root_is_allowed_without_asking)
{
    pid_t polkitd = rig_pid_of(POLKIT);

    if (polkitd == 0)
        check_allowed(RIG_UID_OWNER, banger_method((BangerMethodId)_i));
    polkitd = rig_pid_of(POLKIT);
    ck_assert_int_gt(polkitd, 0);
    ck_assert_int_eq(kill(polkitd, SIGSTOP), 0);
    check_allowed(0, banger_method((BangerMethodId)_i));
    ck_assert_int_eq(kill(polkitd, SIGCONT), 0);
}
END_TEST

static const char site_rule[] =
    "polkit.addRule(function (action, subject) {\n"
    "    if (action.id == \"org.banger.helper1.create-tap\" && subject.user == \"user0\" &&\n"
    "        action.lookup(\"tap_name\").indexOf(\"tap-fc-x\") === 0 &&\n"
    "        action.lookup(\"op_id\").indexOf(\"site-\") === 0 &&\n"
    "        action.lookup(\"caller_is_owner\") === \"false\")\n"
    "        return polkit.Result.YES;\n"
    "});\n";

START_TEST(site_rule_by_details)
{
    sd_bus *bus;
    sd_bus_error error = SD_BUS_ERROR_NULL;

    rig_polkit_set_rules("10-site.rules", site_rule);
    bus = rig_bus_open(RIG_UID_USERS);
    sd_bus_message_unref(rig_call(bus, "CreateTap", &error, "sssss", "br-site", "172.16.98.1", "24",
                                  "tap-fc-x1", "site-1"));
    ck_assert_msg(!is_refusal(error.name), "%s: %s", error.name, error.message);
    sd_bus_error_free(&error);
    rig_call_fails(bus, INTERACTIVE, "CreateTap", "sssss", "br-site", "172.16.98.1", "24",
                   "tap-fc-y1", "site-2");
    rig_call_fails(bus, INTERACTIVE, "CreateTap", "sssss", "br-site", "172.16.98.1", "24",
                   "tap-fc-x1", "other-3");
    rig_call_fails(bus, INTERACTIVE, "DeleteTap", "ss", "tap-fc-x1", "site-4");
    sd_bus_flush_close_unref(bus);
    bus = rig_bus_open(RIG_UID_USERS + 1);
    rig_call_fails(bus, INTERACTIVE, "CreateTap", "sssss", "br-site", "172.16.98.1", "24",
                   "tap-fc-x1", "site-5");
    sd_bus_flush_close_unref(bus);
    rig_polkit_set_rules("10-site.rules", NULL);
    bus = rig_bus_open(0);
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-x1", "");
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* What the rule sees is what the method works on: white space is gone before polkit is asked. */
START_TEST(details_are_what_is_done)
{
    sd_bus *bus;

    rig_polkit_set_rules("10-site.rules",
                         "polkit.addRule(function (action, subject) {\n"
                         "    if (action.lookup(\"tap_name\") === \"tap-fc-trim\")\n"
                         "        return polkit.Result.NO;\n"
                         "});\n");
    bus = rig_bus_open(RIG_UID_MEMBER);
    rig_call_fails(bus, DENIED, "DeleteTap", "ss", " tap-fc-trim\t", "");
    sd_bus_flush_close_unref(bus);
    rig_polkit_set_rules("10-site.rules", NULL);
}
END_TEST

static const char spelling_rule[] =
    "polkit.addRule(function (action, subject) {\n"
    "    function no(name, value) { return action.lookup(name) === value; }\n"
    "    if (no(\"signal\", \"KILL\") || no(\"server_addr\", \"6.6.6.6:53\") ||\n"
    "        no(\"cidr\", \"8\") || no(\"guest_path\", \"/etc/shadow\") ||\n"
    "        no(\"dm_name\", \"fc-rootfs-no\") || no(\"target\", \"fc-rootfs-no\") ||\n"
    "        no(\"requested\", \"firecracker\") ||\n"
    "        no(\"files\", \"/etc/issue\\n/etc/shadow\"))\n"
    "        return polkit.Result.NO;\n"
    "});\n";

/* A rule about a value meets every spelling of it. */
START_TEST(spellings_meet_one_rule)
{
    static const char *const signals[] = {"KILL", "SIGKILL", "9", "kill", "SigKill", " 9 "};
    static const char *const servers[] = {"6.6.6.6", "6.6.6.6:53", " 6.6.6.6"};
    static const char *const cidrs[] = {"8", "10.0.0.0/8", "10.1.2.3/8"};
    static const char *const paths[] = {"/etc/shadow", "//etc/./shadow", "/etc/shadow/"};
    sd_bus *bus;

    rig_polkit_set_rules("10-site.rules", spelling_rule);
    bus = rig_bus_open(RIG_UID_MEMBER);
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
        rig_call_fails(bus, DENIED, "SignalProcess", "uss", 1, signals[i], "");
    for (size_t i = 0; i < G_N_ELEMENTS(servers); i++)
        rig_call_fails(bus, DENIED, "SyncResolverRouting", "sss", "br-no", servers[i], "");
    for (size_t i = 0; i < G_N_ELEMENTS(cidrs); i++)
        rig_call_fails(bus, DENIED, "EnsureBridge", "ssss", "br-no", "10.0.0.1", cidrs[i], "");
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
        rig_call_fails(bus, DENIED, "ReadExt4File", "sss", "/var/lib/banger/no", paths[i], "");
    rig_call_fails(bus, DENIED, "CleanupDMSnapshot", "sssss", "", "", "",
                   "/dev/mapper/fc-rootfs-no", "");
    rig_call_fails(bus, DENIED, "RemoveDMSnapshot", "ss", "/dev/mapper/fc-rootfs-no", "");
    rig_call_fails(bus, DENIED, "ResolveFirecrackerBinary", "ss", "", "");
    rig_call_fails(bus, DENIED, "WriteExt4Files", "sa(sayu)s", "/var/lib/banger/no", 2,
                   "/etc//issue", 0, 0, "/etc/./shadow", 0, 0, "");
    sd_bus_flush_close_unref(bus);
    rig_polkit_set_rules("10-site.rules", NULL);
}
END_TEST

static void
ping(sd_bus *bus)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;

    ck_assert_msg(sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                     "org.freedesktop.DBus.Peer", "Ping", &error, NULL, "") >= 0,
                  "Ping: %s", error.message);
}

START_TEST(polkitd_killed)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_DELETE_TAP);
    sd_bus *bus = rig_bus_open(RIG_UID_MEMBER);

    check_allowed(RIG_UID_OWNER, method);
    for (int i = 0; i < 3; i++) {
        pid_t polkitd = rig_pid_of(POLKIT);
        RigPending *pending;

        /* Killed while it is asked: the next one is asked once more. */
        ck_assert_int_gt(polkitd, 0);
        ck_assert_int_eq(kill(polkitd, SIGSTOP), 0);
        pending = rig_call_start(bus, sample_call(bus, method, 0, ""));
        ping(bus);
        rig_stop_service(POLKIT, SIGKILL);
        rig_pending_wait(bus, pending);
        ck_assert_msg(pending->error_name == NULL, "%s: %s", pending->error_name,
                      pending->error_message);
        rig_pending_free(pending);
        /* Killed before it is asked: the bus starts another one. */
        check_refused(RIG_UID_STRANGER, method, false, INTERACTIVE);
        check_allowed(RIG_UID_OWNER, method);
    }
    sd_bus_flush_close_unref(bus);
}
END_TEST

#define CALLS 64

/* polkitd ends while many questions are open and wait: none of them is a denial. */
START_TEST(polkitd_restarts)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_DELETE_TAP);
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);
    RigPending *pending[CALLS];
    pid_t polkitd;

    check_allowed(RIG_UID_OWNER, method);
    polkitd = rig_pid_of(POLKIT);
    ck_assert_int_eq(kill(polkitd, SIGSTOP), 0);
    for (int i = 0; i < CALLS; i++)
        pending[i] = rig_call_start(bus, sample_call(bus, method, 0, ""));
    ping(bus);
    rig_stop_service(POLKIT, SIGKILL);
    for (int i = 0; i < CALLS; i++) {
        rig_pending_wait(bus, pending[i]);
        ck_assert_msg(!is_refusal(pending[i]->error_name), "call %d: %s: %s", i,
                      pending[i]->error_name, pending[i]->error_message);
        rig_pending_free(pending[i]);
    }
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* A process that a rule of polkit's waits for: "sleep 7.654". */
static pid_t
find_sleeper(void)
{
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(proc)) != NULL) {
        g_autofree char *path = g_build_filename("/proc", name, "cmdline", NULL);
        g_autofree char *text = NULL;
        gsize length;

        if (g_ascii_isdigit(name[0]) && g_file_get_contents(path, &text, &length, NULL) &&
            length == sizeof "sleep\0007.654" && memcmp(text, "sleep\0007.654", length) == 0)
            return (pid_t)atoi(name);
    }
    return 0;
}

static bool
has_sleeper(void *data)
{
    (void)data;
    return find_sleeper() != 0;
}

static bool
is_no_sleeper(void *data)
{
    return find_sleeper() != *(const pid_t *)data;
}

static RigPending *
start_delete_tap(sd_bus *bus, const char *tap_name, const char *op_id)
{
    sd_bus_message *message = rig_message_new(bus, "DeleteTap");

    ck_assert_int_ge(sd_bus_message_append(message, "ss", tap_name, op_id), 0);
    return rig_call_start(bus, message);
}

/* Lost twice is denied: a question is asked once more, not for ever. */
START_TEST(polkitd_killed_twice)
{
    sd_bus *bus;
    RigPending *pending;

    rig_polkit_set_rules("10-site.rules",
                         "polkit.addRule(function (action, subject) {\n"
                         "    if (action.lookup(\"tap_name\") === \"tap-fc-twice\")\n"
                         "        polkit.spawn([\"sleep\", \"7.654\"]);\n"
                         "});\n");
    /* A question to the polkitd that has just ended would be lost too, and the first of the two. */
    check_allowed(RIG_UID_OWNER, banger_method(BANGER_METHOD_DELETE_TAP));
    bus = rig_bus_open(RIG_UID_OWNER);
    pending = start_delete_tap(bus, "tap-fc-twice", "");
    for (int i = 0; i < 2; i++) {
        pid_t sleeper;

        rig_wait_for(has_sleeper, NULL, "a rule that sleeps");
        sleeper = find_sleeper();
        rig_stop_service(POLKIT, SIGKILL);
        (void)kill(sleeper, SIGKILL);
        /* Or the next round would take it for the second question's. */
        rig_wait_for(is_no_sleeper, &sleeper, "the rule's process to end");
    }
    rig_pending_wait(bus, pending);
    ck_assert_str_eq(pending->error_name, DENIED);
    rig_pending_free(pending);
    rig_polkit_set_rules("10-site.rules", NULL);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* A polkitd that hangs delays only those it is asked about, and those are denied. */
START_TEST(polkitd_stopped)
{
    sd_bus *waiting = rig_bus_open(RIG_UID_MEMBER);
    sd_bus *other = rig_bus_open(RIG_UID_STRANGER);
    const BangerMethod *method = banger_method(BANGER_METHOD_DELETE_TAP);
    RigPending *pending;
    pid_t polkitd;

    check_allowed(RIG_UID_OWNER, method);
    polkitd = rig_pid_of(POLKIT);
    ck_assert_int_eq(kill(polkitd, SIGSTOP), 0);
    if (_i == 1) /* a helper that has not yet spoken to polkit */
        rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    ping(other);
    pending = rig_call_start(waiting, sample_call(waiting, method, 0, "stopped-1"));
    for (int i = 0; i < 20; i++)
        ping(other);
    rig_bus_handle(waiting);
    ck_assert_msg(!pending->done, "answered without polkit: %s", pending->error_message);
    check_allowed(0, method);
    rig_pending_wait(waiting, pending);
    ck_assert_int_eq(kill(polkitd, SIGCONT), 0);
    ck_assert_str_eq(pending->error_name, DENIED);
    rig_pending_free(pending);
    check_allowed(RIG_UID_OWNER, method);
    sd_bus_flush_close_unref(waiting);
    sd_bus_flush_close_unref(other);
}
END_TEST

/* A rule that polkit ends loses its variables; the folder @asked stays. */
static char *
make_late_rules(const char *asked)
{
    return g_strdup_printf("var counted = 0;\n"
                           "polkit.addRule(function (action, subject) {\n"
                           "    if (action.lookup(\"tap_name\") !== \"tap-fc-late\")\n"
                           "        return polkit.Result.NOT_HANDLED;\n"
                           "    if (action.lookup(\"op_id\") === \"at-once\") {\n"
                           "        counted++;\n"
                           "        return polkit.Result.NO;\n"
                           "    }\n"
                           "    if (action.lookup(\"op_id\") === \"count\")\n"
                           "        return counted === 1 ? polkit.Result.YES : polkit.Result.NO;\n"
                           "    try {\n"
                           "        polkit.spawn([\"mkdir\", \"%s\"]);\n"
                           "    } catch (error) {\n"
                           "        return polkit.Result.YES;\n"
                           "    }\n"
                           "    polkit.spawn([\"sleep\", \"9.7\"]);\n"
                           "    return polkit.Result.NO;\n"
                           "});\n",
                           asked);
}

/*
 * A no that took polkit as long as it lets its rules run is not taken for one of theirs at once;
 * the second time, neither if the question was lost with a polkitd before.
 */
START_TEST(late_no_is_asked_again)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_DELETE_TAP);
    g_autofree char *folder = g_dir_make_tmp("banger-late-XXXXXX", NULL);
    g_autofree char *asked = g_build_filename(folder, "asked", NULL);
    g_autofree char *rules = make_late_rules(asked);
    sd_bus *bus;
    RigPending *late;

    ck_assert_int_eq(chmod(folder, 01777), 0);
    rig_polkit_set_rules("10-site.rules", rules);
    /* A question to the polkitd that has just ended would be lost. */
    check_allowed(RIG_UID_OWNER, method);
    bus = rig_bus_open(RIG_UID_STRANGER);
    if (_i == 1)
        ck_assert_int_eq(kill(rig_pid_of(POLKIT), SIGSTOP), 0);
    late = start_delete_tap(bus, "tap-fc-late", "");
    if (_i == 1) {
        ping(bus);
        rig_stop_service(POLKIT, SIGKILL);
    }
    rig_pending_wait(bus, late);
    ck_assert_msg(!is_refusal(late->error_name), "%s: %s", late->error_name, late->error_message);
    rig_pending_free(late);
    ck_assert_int_eq(rmdir(asked), 0);
    rig_call_fails(bus, DENIED, "DeleteTap", "ss", "tap-fc-late", "at-once");
    /* A no that came at once was not asked about again. */
    late = start_delete_tap(bus, "tap-fc-late", "count");
    rig_pending_wait(bus, late);
    ck_assert_msg(!is_refusal(late->error_name), "%s: %s", late->error_name, late->error_message);
    rig_pending_free(late);
    sd_bus_flush_close_unref(bus);
    rig_polkit_set_rules("10-site.rules", NULL);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

static TCase *
new_tcase(Suite *suite, const char *name)
{
    TCase *tcase = tcase_create(name);

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    suite_add_tcase(suite, tcase);
    return tcase;
}

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/auth", argv, NULL);
    suite = suite_create("auth");
    /* First, while there is nothing on the host that changes by itself. */
    tcase = new_tcase(suite, "refused");
    tcase_add_loop_test(tcase, stranger_is_refused, 0, BANGER_N_METHODS);
    /* The VM tier runs this one; for the others it has its own, by the programs that people use. */
    tcase = new_tcase(suite, "allowed");
    tcase_add_loop_test(tcase, root_is_allowed_without_asking, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, owner_is_allowed, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, member_is_allowed, 0, BANGER_N_METHODS);
    tcase = new_tcase(suite, "polkit");
    tcase_add_test(tcase, site_rule_by_details);
    tcase_add_test(tcase, details_are_what_is_done);
    tcase_add_test(tcase, spellings_meet_one_rule);
    tcase_add_test(tcase, polkitd_killed);
    tcase_add_test(tcase, polkitd_restarts);
    tcase_add_test(tcase, polkitd_killed_twice);
    tcase_add_loop_test(tcase, polkitd_stopped, 0, 2);
    tcase_add_loop_test(tcase, late_no_is_asked_again, 0, 2);
    return harness_run("bus/auth", suite);
}
