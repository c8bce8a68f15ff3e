/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "lib/harness.h"
#include "model/requests.h"
#include "sys/command-line.h"
#include "sys/firecracker-config.h"

#define SOCK "/run/banger/x.sock"

/* A literal of NUL-separated arguments; the literal's own NUL ends the last one. */
#define LINE(text) text, sizeof(text)

START_TEST(names)
{
    ck_assert(banger_command_line_names(LINE("fc\0" SOCK), "api-sock", SOCK));
    ck_assert(banger_command_line_names(LINE("fc\0--api-sock=" SOCK), "api-sock", SOCK));
    ck_assert(!banger_command_line_names(LINE(SOCK), "api-sock", SOCK));
    ck_assert(!banger_command_line_names(LINE("fc\0" SOCK "2"), "api-sock", SOCK));
    ck_assert(!banger_command_line_names(LINE("fc\0--id=" SOCK), "api-sock", SOCK));
    ck_assert(!banger_command_line_names(LINE("fc\0x " SOCK), "api-sock", SOCK));
    ck_assert(!banger_command_line_names("", 0, "api-sock", SOCK));
    ck_assert(banger_command_line_has(LINE("fc\0x\0--id\0vm"), "id", "vm"));
    ck_assert(banger_command_line_has(LINE("fc\0--id=vm"), "id", "vm"));
    ck_assert(!banger_command_line_has(LINE("fc\0vm"), "id", "vm"));
    ck_assert(!banger_command_line_has(LINE("fc\0--id"), "id", "vm"));
    ck_assert(!banger_command_line_has(LINE("--id\0vm"), "id", "vm"));
}
END_TEST

START_TEST(api_sock)
{
    static const struct {
        const char *line;
        size_t length;
        bool good;
    } cases[] = {
        {LINE("fc\0--api-sock\0" SOCK), true},
        {LINE("fc\0--id\0vm\0--api-sock=" SOCK), true},
        {LINE("fc\0--no-seccomp\0--api-sock\0" SOCK "\0--level\0Info"), true},
        {LINE("fc\0--api-sock\0/x\0--api-sock\0" SOCK), true},
        {LINE("fc"), false},
        {LINE("fc\0" SOCK), false},
        {LINE("fc\0--api-sock"), false},
        {LINE("fc\0--id\0vm"), false},
        {LINE("bash\0-c\0x\0--api-sock\0" SOCK), false},
        {LINE("bash\0--norc\0script\0--api-sock\0" SOCK), false},
        {LINE("fc\0--no-seccomp\0script\0--api-sock\0" SOCK), false},
        {LINE("fc\0--no-seccomp=1\0--api-sock\0" SOCK), false},
        {LINE("fc\0--api-sock\0" SOCK "\0more"), false},
        {LINE("fc\0--api-sock\0" SOCK "\0"), false},
        {LINE("fc\0--\0--api-sock\0" SOCK), false},
        {LINE("fc --api-sock " SOCK), false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *found = banger_command_line_api_sock(cases[i].line, cases[i].length);

        ck_assert_msg(cases[i].good == (found != NULL), "case %zu", i);
        if (found != NULL)
            ck_assert_str_eq(found, SOCK);
    }
    ck_assert_ptr_null(banger_command_line_api_sock("", 0));
}
END_TEST

START_TEST(faults)
{
    static const char *const cases[][2] = {
        {"{\"fault_message\":\"no\"}", "no"},
        {" { \"x\" : 1, \"fault_message\" : \"a \\\"b\\\" c\\\\d\" }", "a \"b\" c\\d"},
        {"{\"fault_message\":\"two\\nlines\\u0000\"}", "two lines 0000"},
        {"{\"fault_message\":\"a\u202eb\xc2\x9b"
         "c\"}",
         "abc"},
        {"{\"fault_message\":\"cut", "cut"},
        {"{\"fault_message\":\"cut\\", "cut\\"},
        {"{\"fault_message\":\"\"}", ""},
        {"{\"fault_message\":7}", NULL},
        {"{\"fault_message\":", NULL},
        {"{\"fault_message\"", NULL},
        {"{}", NULL},
        {"", NULL},
    };
    g_autofree char *big = g_strnfill(100000, 'x');
    g_autofree char *big_body = g_strconcat("{\"fault_message\":\"", big, NULL);
    g_autofree char *cut = banger_firecracker_fault_message(big_body, strlen(big_body));
    g_autofree char *odd =
        banger_firecracker_fault_message(LINE("{\"fault_message\":\"\xff\x01\0x"));

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *fault = banger_firecracker_fault_message(cases[i][0], strlen(cases[i][0]));

        ck_assert_msg(g_strcmp0(fault, cases[i][1]) == 0, "case %zu: %s", i, fault);
    }
    ck_assert_uint_eq(strlen(cut), 1024);
    ck_assert(g_utf8_validate(odd, -1, NULL));
}
END_TEST

START_TEST(configuration)
{
    BangerLaunchFirecrackerRequest launch = {
        .log_path = (char *)"/l",
        .metrics_path = (char *)"/m",
        .kernel_image_path = (char *)"/k",
        .initrd_path = (char *)"",
        .kernel_args = (char *)"",
        .tap_device = (char *)"tap-fc-\"x",
        .vsock_path = (char *)"",
        .vcpu_count = 1,
        .memory_mib = 4294967295u,
        .drives = g_array_new(FALSE, FALSE, sizeof(BangerDrive)),
    };
    g_autoptr(GPtrArray) requests = banger_firecracker_configuration(&launch);
    static const char *const expected[][2] = {
        {"/logger", "{\"log_path\":\"/l\",\"level\":\"Info\",\"show_level\":true,"
                    "\"show_log_origin\":false}"},
        {"/metrics", "{\"metrics_path\":\"/m\"}"},
        {"/machine-config", "{\"vcpu_count\":1,\"mem_size_mib\":4294967295,\"smt\":false}"},
        {"/boot-source", "{\"kernel_image_path\":\"/k\"}"},
        {"/network-interfaces/eth0", "{\"iface_id\":\"eth0\",\"host_dev_name\":\"tap-fc-\\\"x\"}"},
    };

    ck_assert_uint_eq(requests->len, G_N_ELEMENTS(expected));
    for (guint i = 0; i < requests->len; i++) {
        const BangerFirecrackerRequest *request = g_ptr_array_index(requests, i);

        ck_assert_str_eq(request->path, expected[i][0]);
        ck_assert_str_eq(request->body, expected[i][1]);
    }
    g_array_unref(launch.drives);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("vmm");
    TCase *tcase = tcase_create("vmm");

    tcase_add_test(tcase, names);
    tcase_add_test(tcase, api_sock);
    tcase_add_test(tcase, faults);
    tcase_add_test(tcase, configuration);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/vmm", suite);
}
