/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names, signals and paths: what is accepted, and the one spelling of each. */
#include <glib.h>
#include <signal.h>
#include <string.h>

#include "lib/harness.h"
#include "model/names.h"
#include "util/error.h"

#define A15 "abcdefghijklmno"
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* @run: a run of a's of this length goes between @text and the end. */
typedef struct {
    bool (*check)(const char *name, GError **error);
    const char *text;
    bool valid;
    int run;
} Case;

static bool
below(const char *path, GError **error)
{
    return banger_path_check_below(path, "/var/lib/banger", error);
}

static bool
socket_path(const char *path, GError **error)
{
    return banger_path_check_socket(path, "/run/banger", error);
}

static bool
clean_path(const char *path, GError **error)
{
    g_autofree char *clean = NULL;

    return banger_path_clean(path, &clean, error);
}

static const Case cases[] = {
    {banger_name_check_link, "br-fc", true, 0},
    {banger_name_check_link, "A.b_c-9", true, 0},
    {banger_name_check_link, "x", true, 0},
    {banger_name_check_link, A15, true, 0},
    {banger_name_check_link, "...", true, 0},
    {banger_name_check_link, A15 "p", false, 0}, /* the kernel would shorten it */
    {banger_name_check_link, "", false, 0},
    {banger_name_check_link, ".", false, 0},
    {banger_name_check_link, "..", false, 0},
    {banger_name_check_link, "all", false, 0},
    {banger_name_check_link, "default", false, 0},
    {banger_name_check_link, "tap%d", false, 0}, /* the kernel would count */
    {banger_name_check_link, "a/b", false, 0},
    {banger_name_check_link, "a b", false, 0},
    {banger_name_check_link, "a:b", false, 0},
    {banger_name_check_link, "a\nb", false, 0},
    {banger_name_check_link, "brücke", false, 0},
    {banger_name_check_tap, "tap-fc-1", true, 0},
    {banger_name_check_tap, "tap-pool-1", true, 0},
    {banger_name_check_tap, "tap-fc--", true, 0},
    {banger_name_check_tap, "tap-fc-12345678", true, 0},
    {banger_name_check_tap, "tap-fc-", false, 0},
    {banger_name_check_tap, "tap-pool-", false, 0},
    {banger_name_check_tap, "tap-fc", false, 0},
    {banger_name_check_tap, "tap-1", false, 0},
    {banger_name_check_tap, "TAP-FC-1", false, 0},
    {banger_name_check_tap, "xtap-fc-1", false, 0},
    {banger_name_check_tap, "eth0", false, 0},
    {banger_name_check_tap, "tap-fc-123456789", false, 0},
    {banger_name_check_tap, "tap-fc-%d", false, 0},
    {banger_name_check_dm, "fc-rootfs-1", true, 0},
    {banger_name_check_dm, "fc-rootfs-a.b_c+d-e", true, 0},
    {banger_name_check_dm, "fc-rootfs-", true, 111},
    {banger_name_check_dm, "fc-rootfs-", false, 112},
    {banger_name_check_dm, "fc-rootfs-", false, 0},
    {banger_name_check_dm, "fc-rootfs", false, 0},
    {banger_name_check_dm, "rootfs-1", false, 0},
    {banger_name_check_dm, "fc-rootfs-a/b", false, 0},
    {banger_name_check_dm, "fc-rootfs-a b", false, 0},
    {banger_name_check_dm, "fc-rootfs-a%b", false, 0},
    {banger_name_check_dm, "fc-rootfs-..", true, 0}, /* a name like any other to the kernel */
    {banger_name_check_dm_path, "/dev/mapper/fc-rootfs-1", true, 0},
    {banger_name_check_dm_path, "/dev/mapper/", false, 0},
    {banger_name_check_dm_path, "/dev/mapper/root", false, 0},
    {banger_name_check_dm_path, "/dev/mapper//fc-rootfs-1", false, 0},
    {banger_name_check_dm_path, "/dev/mapper/../sda", false, 0},
    {banger_name_check_dm_path, "/dev/mapper/fc-rootfs-1/", false, 0},
    {banger_name_check_dm_path, "/dev/sda", false, 0},
    {banger_name_check_dm_path, "fc-rootfs-1", false, 0},
    {banger_name_check_loop_path, "/dev/loop0", true, 0},
    {banger_name_check_loop_path, "/dev/loop1048575", true, 0},
    {banger_name_check_loop_path, "/dev/loop", false, 0},
    {banger_name_check_loop_path, "/dev/loop-control", false, 0},
    {banger_name_check_loop_path, "/dev/loop01", false, 0},
    {banger_name_check_loop_path, "/dev/loop1p1", false, 0},
    {banger_name_check_loop_path, "/dev/loop+1", false, 0},
    {banger_name_check_loop_path, "/dev/loop12345678", false, 0},
    {banger_name_check_loop_path, "/dev/sda", false, 0},
    {banger_name_check_loop_path, "loop0", false, 0},
    {banger_name_check_vm_id, "vm-1", true, 0},
    {banger_name_check_vm_id, A64, true, 0},
    {banger_name_check_vm_id, A64 "a", false, 0},
    {banger_name_check_vm_id, "", false, 0},
    {banger_name_check_vm_id, "vm_1", false, 0},
    {banger_name_check_vm_id, "vm.1", false, 0},
    {banger_name_check_vm_id, "../1", false, 0},
    {banger_name_check_vm_id, "vm@1", false, 0},
    {banger_name_check_drive_id, "root_fs", true, 0},
    {banger_name_check_drive_id, A64, true, 0},
    {banger_name_check_drive_id, A64 "a", false, 0},
    {banger_name_check_drive_id, "", false, 0},
    {banger_name_check_drive_id, "root-fs", false, 0},
    {banger_name_check_drive_id, "a/b", false, 0},
    {below, "/var/lib/banger/a", true, 0},
    {below, "/var/lib/banger/a/b.c", true, 0},
    {below, "/var/lib/banger/...", true, 0},
    {below, "/var/lib/banger/..a", true, 0},
    {below, "/var/lib/banger/", true, 4079},
    {below, "/var/lib/banger/", false, 4080},
    {below, "/var/lib/banger", false, 0},
    {below, "/var/lib/banger/", false, 0},
    {below, "/var/lib/banger/a/", false, 0},
    {below, "/var/lib/banger2/a", false, 0},
    {below, "/var/lib/banger/../../etc/shadow", false, 0},
    {below, "/var/lib/banger/a/../b", false, 0},
    {below, "/var/lib/banger/./a", false, 0},
    {below, "/var/lib/banger//a", false, 0},
    {below, "//var/lib/banger/a", false, 0},
    {below, "/etc/shadow", false, 0},
    {below, "var/lib/banger/a", false, 0},
    {below, "", false, 0},
    {socket_path, "/run/banger/vm.sock", true, 0},
    {socket_path, "/run/banger/", true, 95},
    {socket_path, "/run/banger/", false, 96}, /* sun_path has 108 bytes with the NUL */
    {socket_path, "/run/banger-root/bangerd-root.sock", false, 0},
    {socket_path, "/run/banger/../dbus/system_bus_socket", false, 0},
    {clean_path, "/etc/hostname", true, 0},
    {clean_path, "/a/../b", false, 0},
    {clean_path, "/..", false, 0},
    {clean_path, "/a/..", false, 0},
    {clean_path, "/...", true, 0},
    {clean_path, "/.", false, 0},
    {clean_path, "/a//b/./c/", true, 0},
    {clean_path, "/", true, 4094},
    {clean_path, "/", false, 4095},
    {clean_path, "/", false, 0},
    {clean_path, "///", false, 0},
    {clean_path, "etc/hostname", false, 0},
    {clean_path, "", false, 0},
};

START_TEST(names)
{
    const Case *one = &cases[_i];
    g_autofree char *run = g_strnfill((gsize)one->run, 'a');
    g_autofree char *text = g_strconcat(one->text, run, NULL);
    g_autoptr(GError) error = NULL;

    ck_assert_msg(one->check(text, &error) == one->valid, "\"%s\" (%zu bytes): %s", text,
                  strlen(text), error == NULL ? "taken" : error->message);
    if (!one->valid) {
        ck_assert_int_eq(banger_error_code(error), BANGER_ERROR_BAD_PARAMS);
        ck_assert_msg(!g_str_has_suffix(error->message, "."), "%s", error->message);
    }
    /* And without asking for the error. */
    ck_assert(one->check(text, NULL) == one->valid);
}
END_TEST

START_TEST(signal_names)
{
    const struct {
        const char *name;
        int number; /* 0: refused */
    } signals[] = {
        {"", 0},
        {"RTMIN", SIGRTMIN},
        {"sigrtmin+2", SIGRTMIN + 2},
        {"RTMIN+99", 0},
        {"RTMIN2", 0},
        {"TERM", SIGTERM},
        {"SIGTERM", SIGTERM},
        {"sigkill", SIGKILL},
        {"Int", SIGINT},
        {"15", SIGTERM},
        {"1", SIGHUP},
        {"64", 64},
        {"65", 0},
        {"0", 0},
        {"-9", 0},
        {"+9", 0},
        {"9x", 0},
        {"SIG", 0},
        {"SIGSIGTERM", 0},
        {"SIG9", 0},
        {"NOSUCHSIGNAL", 0},
        {" TERM", 0},
        {"99999999999999999999", 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        g_autoptr(GError) error = NULL;

        ck_assert_msg(banger_signal_parse(signals[i].name, &error) == signals[i].number, "\"%s\"",
                      signals[i].name);
        if (signals[i].number == 0)
            ck_assert_int_eq(banger_error_code(error), BANGER_ERROR_BAD_PARAMS);
    }
}
END_TEST

static const struct {
    const char *path, *clean;
} clean_paths[] = {
    {"/etc/hostname", "/etc/hostname"},       {"//etc///hostname", "/etc/hostname"},
    {"/./etc/./hostname/.", "/etc/hostname"}, {"/etc/hostname//", "/etc/hostname"},
    {"/etc/ host name ", "/etc/ host name "}, {"/.../..a/b..", "/.../..a/b.."},
};

START_TEST(paths_are_cleaned)
{
    g_autofree char *clean = NULL;

    ck_assert(banger_path_clean(clean_paths[_i].path, &clean, NULL));
    ck_assert_str_eq(clean, clean_paths[_i].clean);
}
END_TEST

/* A signal's name leads to the signal again, and every signal has just one. */
START_TEST(signal_names_are_canonical)
{
    g_autofree char *kill_name = NULL;

    for (int number = 1; number <= SIGRTMAX; number++) {
        g_autofree char *name = banger_signal_format(number);

        ck_assert_int_eq(banger_signal_parse(name, NULL), number);
    }
    kill_name = banger_signal_format(SIGKILL);
    ck_assert_str_eq(kill_name, "KILL");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("names");
    TCase *tcase = tcase_create("names");

    tcase_add_loop_test(tcase, names, 0, G_N_ELEMENTS(cases));
    tcase_add_test(tcase, signal_names);
    tcase_add_loop_test(tcase, paths_are_cleaned, 0, G_N_ELEMENTS(clean_paths));
    tcase_add_test(tcase, signal_names_are_canonical);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/names", suite);
}
