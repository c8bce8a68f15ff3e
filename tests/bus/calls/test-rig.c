/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rig itself: users, bus, journal; and that it goes away, also when it is killed. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "rig/rig-client.h"

/* What the other tests take for granted. */

static void
check_record(const char *op_id, const char *value)
{
    g_autofree char *field = g_strconcat("VALUE=", value, NULL);
    g_autofree char *id = g_strconcat("OP_ID=", op_id, NULL);
    g_autoptr(GHashTable) record = NULL;
    struct iovec fields[] = {{(char *)"MESSAGE=text", 12},
                             {(char *)"PRIORITY=6", 10},
                             {id, strlen(id)},
                             {field, strlen(field)}};

    ck_assert_int_eq(sd_journal_sendv(fields, G_N_ELEMENTS(fields)), 0);
    record = rig_journal_wait(op_id);
    ck_assert_str_eq(g_hash_table_lookup(record, "VALUE"), value);
    ck_assert_str_eq(g_hash_table_lookup(record, "MESSAGE"), "text");
    ck_assert_str_eq(g_hash_table_lookup(record, "_UID"), "0");
}

/*
 * One line, several lines (sent with a length), and more than fits into a datagram (sent as a
 * memfd).
 */
START_TEST(journal_records)
{
    g_autofree char *large = g_strnfill(2 << 20, 'x');

    check_record("one-line", "plain = \"text\" \\ ü");
    check_record("lines", "first\nOP_ID=forged\n\nlast\n");
    check_record("large", large);
    {
        g_autoptr(GPtrArray) forged = rig_journal_find("OP_ID", "forged");

        ck_assert_uint_eq(forged->len, 0);
    }
}
END_TEST

START_TEST(users)
{
    gid_t groups[8];
    int count = G_N_ELEMENTS(groups);

    ck_assert_uint_eq(getpwnam("banger")->pw_uid, RIG_UID_OWNER);
    ck_assert_uint_eq(getpwnam("banger-image")->pw_uid, RIG_UID_WORKER);
    ck_assert_str_eq(getpwuid(RIG_UID_STRANGER)->pw_name, "stranger");
    ck_assert_int_ge(getgrouplist("member", RIG_UID_MEMBER, groups, &count), 0);
    ck_assert_int_eq(count, 2);
    ck_assert(groups[0] == RIG_UID_OWNER || groups[1] == RIG_UID_OWNER);
}
END_TEST

/* The bus knows a connection by the user it was opened as. */
START_TEST(connections_as_users)
{
    static const uid_t uids[] = {0, RIG_UID_OWNER, RIG_UID_MEMBER, RIG_UID_STRANGER, RIG_UID_USERS};

    for (size_t i = 0; i < G_N_ELEMENTS(uids); i++) {
        sd_bus *bus = rig_bus_open(uids[i]);
        sd_bus_message *reply = NULL;
        const char *name;
        uint32_t uid;

        ck_assert_int_ge(sd_bus_get_unique_name(bus, &name), 0);
        ck_assert_int_ge(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                            "org.freedesktop.DBus", "GetConnectionUnixUser", NULL,
                                            &reply, "s", name),
                         0);
        ck_assert_int_ge(sd_bus_message_read(reply, "u", &uid), 0);
        ck_assert_uint_eq(uid, uids[i]);
        ck_assert_uint_eq(geteuid(), 0);
        sd_bus_message_unref(reply);
        sd_bus_flush_close_unref(bus);
    }
}
END_TEST

/* Nothing here is the machine's own, but what lies on the disk is on a disk. */
START_TEST(folders)
{
    struct statfs fs;

    ck_assert(!g_file_test("/run/systemd/system", G_FILE_TEST_EXISTS));
    ck_assert(g_file_test("/sys/class/net/lo", G_FILE_TEST_EXISTS));
    ck_assert_int_eq(statfs(BANGER_STATE_DIRECTORY, &fs), 0);
    ck_assert_int_ne(fs.f_type, 0x01021994); /* TMPFS_MAGIC */
    ck_assert_int_eq(statfs("/etc", &fs), 0);
    ck_assert_int_eq(fs.f_type, 0x01021994);
    ck_assert_int_eq(statfs("/run", &fs), 0);
    ck_assert_int_eq(fs.f_type, 0x01021994);
    ck_assert(g_file_test(BANGER_LIBEXECDIR "/banger-helperd", G_FILE_TEST_IS_EXECUTABLE));
}
END_TEST

static bool
exists(void *path)
{
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/*
 * A rig (inside of this one) that is killed takes everything along, by the time its parent knows.
 */
START_TEST(killed_rig)
{
    g_autofree char *marker = g_build_filename(g_getenv("BANGER_RIG_DIR"), "inner", NULL);
    g_autofree char *script = g_strdup_printf("echo $BANGER_RIG_DIR > %s.new; mv %s.new %s;"
                                              "exec sleep 1234567",
                                              marker, marker, marker);
    char *argv[] = {(char *)RIG_PROGRAM, (char *)"--", (char *)"sh", (char *)"-c", script, NULL};
    char *processes = NULL;
    pid_t pid = fork();

    if (pid == 0) {
        g_setenv("BANGER_RIG_TMPDIR", g_getenv("BANGER_RIG_DIR"), TRUE);
        (void)execv(argv[0], argv);
        _exit(127);
    }
    rig_wait_for(exists, marker, "the inner rig");
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < 1000; i++) {
        char *ps[] = {(char *)"ps", (char *)"-eo", (char *)"args", NULL};

        g_free(processes);
        ck_assert(g_spawn_sync(NULL, ps, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &processes, NULL,
                               NULL, NULL));
        if (strstr(processes, "sleep 1234567\n") == NULL)
            break;
        g_usleep(10 * 1000);
    }
    ck_assert_msg(strstr(processes, "sleep 1234567\n") == NULL, "%s", processes);
    g_free(processes);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/rig", argv, NULL);
    suite = suite_create("rig");
    tcase = tcase_create("rig");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, journal_records);
    tcase_add_test(tcase, users);
    tcase_add_test(tcase, connections_as_users);
    tcase_add_test(tcase, folders);
    tcase_add_test(tcase, killed_rig);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/rig", suite);
}
