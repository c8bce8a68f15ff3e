/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger-helper-set-owner with names as domain accounts have them, and groups that are shared. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig/rig-client.h"
#include "util/settings.h"

#define UID 64777u
#define GID 64778u

/* A backslash, blanks, and what sed(1) has a meaning for. */
#define NAME "DOM\\odd user&co"

static void
append_line(const char *path, const char *line)
{
    FILE *file = fopen(path, "ae");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fprintf(file, "%s\n", line), 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* The rig's /etc has the machine's own folders in it: here they are empty, and the rig's. */
static void
cover_folders(void)
{
    static const char *const folders[] = {"/etc/systemd", "/etc/tmpfiles.d", "/etc/udev"};

    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++)
        ck_assert(!g_file_test(folders[i], G_FILE_TEST_EXISTS) ||
                  mount("tmpfs", folders[i], "tmpfs", 0, "mode=0755") == 0);
}

static void
set_owner(const char *name)
{
    char *command[] = {(char *)"sh", (char *)SET_OWNER, (char *)name, NULL};
    g_autofree char *output = NULL;
    g_autofree char *errors = NULL;
    int status;

    ck_assert(g_spawn_sync(NULL, command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, &errors,
                           &status, NULL));
    ck_assert_msg(status == 0, "%s%s", output, errors);
}

static void
check_owner(const char *file, const char *expected)
{
    g_autofree char *text = NULL;

    ck_assert_msg(g_file_get_contents(file, &text, NULL, NULL), "%s cannot be read", file);
    ck_assert_msg(strstr(text, expected) != NULL, "%s: %s", file, text);
}

static void
check_directories(uid_t uid, gid_t gid, mode_t mode)
{
    static const char *const paths[] = {BANGER_STATE_DIRECTORY, BANGER_RUNTIME_DIRECTORY};

    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        struct stat attributes;

        ck_assert_int_eq(stat(paths[i], &attributes), 0);
        ck_assert_uint_eq(attributes.st_uid, uid);
        ck_assert_uint_eq(attributes.st_gid, gid);
        ck_assert_msg((attributes.st_mode & 07777) == mode, "%s has the mode %04o", paths[i],
                      attributes.st_mode & 07777);
    }
}

static uint32_t
owner_uid(void)
{
    sd_bus *bus = rig_bus_open(0);
    uint32_t uid = 0;

    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    ck_assert_int_ge(sd_bus_get_property_trivial(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                                 BANGER_INTERFACE, "OwnerUID", NULL, 'u', &uid),
                     0);
    sd_bus_flush_close_unref(bus);
    return uid;
}

START_TEST(name_of_a_domain_account)
{
    cover_folders();
    append_line("/etc/passwd", NAME ":x:64777:64778::/:/bin/sh");
    append_line("/etc/group", "domain users:x:64778:banger");
    set_owner(NAME);
    ck_assert_uint_eq(owner_uid(), UID);
    check_owner(BANGER_CONFIG_FILE, "User=DOM\\\\odd user&co\n");
    check_owner("/etc/systemd/system/banger-helper-bridge.service.d/50-owner.conf", "User=64777\n");
    check_owner("/etc/systemd/system/banger-helper-bridge.socket.d/50-owner.conf",
                "SocketUser=64777\n");
    check_directories(UID, GID, 0700);
    /* Once more: nothing is written twice. */
    set_owner(NAME);
    ck_assert_uint_eq(owner_uid(), UID);
}
END_TEST

/* Back to the owner that the package made: who may use the helper is in its group, and may look. */
START_TEST(group_of_the_package)
{
    set_owner("banger");
    ck_assert_uint_eq(owner_uid(), RIG_UID_OWNER);
    check_directories(RIG_UID_OWNER, RIG_UID_OWNER, 0750);
}
END_TEST

/* A group of the owner's own may look into the directories. */
START_TEST(group_of_the_owner)
{
    g_autofree char *groups = NULL;
    g_autofree char *own = NULL;

    ck_assert(g_file_get_contents("/etc/group", &groups, NULL, NULL));
    own = g_strdup_printf("%s:x:64778:\n%s", NAME, groups);
    ck_assert(g_file_set_contents("/etc/group", own, -1, NULL));
    set_owner(NAME);
    check_directories(UID, GID, 0750);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/set-owner", argv, NULL);
    suite = suite_create("set-owner");
    tcase = tcase_create("set-owner");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, name_of_a_domain_account);
    tcase_add_test(tcase, group_of_the_package);
    tcase_add_test(tcase, group_of_the_owner);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/set-owner", suite);
}
