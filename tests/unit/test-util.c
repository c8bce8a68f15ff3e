/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of errors, undo records, descriptors, JSON strings. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/harness.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/json-string.h"
#include "util/socket.h"
#include "util/text.h"
#include "util/undo.h"
#include "util/user.h"

/* The contract's table of errors (docs/dbus-api.md, "Errors"). */
static const struct {
    BangerErrorCode code;
    const char *dbus_name;
    const char *json_code;
} errors[] = {
    {BANGER_ERROR_BAD_PARAMS, "org.banger.Helper1.Error.BadParams", "bad_params"},
    {BANGER_ERROR_NOT_FOUND, "org.banger.Helper1.Error.NotFound", "operation_failed"},
    {BANGER_ERROR_ALREADY_EXISTS, "org.banger.Helper1.Error.AlreadyExists", "operation_failed"},
    {BANGER_ERROR_BUSY, "org.banger.Helper1.Error.Busy", "operation_failed"},
    {BANGER_ERROR_NOT_MANAGED, "org.banger.Helper1.Error.NotManaged", "operation_failed"},
    {BANGER_ERROR_NOT_SUPPORTED, "org.banger.Helper1.Error.NotSupported", "operation_failed"},
    {BANGER_ERROR_TIMEOUT, "org.banger.Helper1.Error.Timeout", "operation_failed"},
    {BANGER_ERROR_OPERATION_FAILED, "org.banger.Helper1.Error.OperationFailed", "operation_failed"},
    {BANGER_ERROR_ACCESS_DENIED, "org.freedesktop.DBus.Error.AccessDenied", "unauthorized"},
    {BANGER_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
     "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "unauthorized"},
    {BANGER_ERROR_LIMITS_EXCEEDED, "org.freedesktop.DBus.Error.LimitsExceeded", "operation_failed"},
};

START_TEST(error_table)
{
    ck_assert_uint_eq(G_N_ELEMENTS(errors), BANGER_ERROR_N_CODES);
    for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
        ck_assert_str_eq(banger_error_dbus_name(errors[i].code), errors[i].dbus_name);
        ck_assert_str_eq(banger_error_json_code(errors[i].code), errors[i].json_code);
        ck_assert_int_eq(banger_error_from_dbus_name(errors[i].dbus_name), errors[i].code);
    }
    ck_assert_int_eq(banger_error_from_dbus_name("org.freedesktop.DBus.Error.NoReply"),
                     BANGER_ERROR_OPERATION_FAILED);
    ck_assert_int_eq(banger_error_from_dbus_name(NULL), BANGER_ERROR_OPERATION_FAILED);
}
END_TEST

START_TEST(errors_are_set)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) with_errno = NULL;
    g_autoptr(GError) foreign = g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_EXIST, "there");

    ck_assert(!banger_set_error(NULL, BANGER_ERROR_BUSY, "nobody asks"));
    ck_assert(!banger_set_errno(NULL, BANGER_ERROR_BUSY, EBUSY, "nobody asks"));
    ck_assert(!banger_set_error(&error, BANGER_ERROR_BUSY, "%s is %d%%", "tap", 100));
    ck_assert_int_eq(banger_error_code(error), BANGER_ERROR_BUSY);
    ck_assert_str_eq(error->message, "tap is 100%");
    ck_assert(!banger_set_errno(&with_errno, BANGER_ERROR_NOT_FOUND, ENOENT, "open %s", "/a%b"));
    ck_assert_int_eq(banger_error_code(with_errno), BANGER_ERROR_NOT_FOUND);
    ck_assert_str_eq(with_errno->message, "open /a%b: No such file or directory");
    ck_assert_int_eq(banger_error_code(foreign), BANGER_ERROR_OPERATION_FAILED);
}
END_TEST

static GString *trace; /* what was taken back ('a' …) and what was freed ('A' …) */

static void
take_back(gpointer data)
{
    g_string_append_c(trace, *(char *)data);
}

static void
free_data(gpointer data)
{
    g_string_append_c(trace, g_ascii_toupper(*(char *)data));
    g_free(data);
}

static void
three_steps(bool commit)
{
    g_auto(BangerUndo) undo = BANGER_UNDO_INIT;
    static char kept[] = "b";

    banger_undo_push(&undo, take_back, g_strdup("a"), free_data);
    banger_undo_push(&undo, take_back, kept, NULL);
    banger_undo_push(&undo, take_back, g_strdup("c"), free_data);
    if (commit)
        banger_undo_commit(&undo);
}

START_TEST(undo)
{
    g_auto(BangerUndo) nothing = BANGER_UNDO_INIT;

    trace = g_string_new("");
    three_steps(false);
    ck_assert_str_eq(trace->str, "cCbaA"); /* backwards, each freed after it */
    g_string_truncate(trace, 0);
    three_steps(true);
    ck_assert_ptr_null(strpbrk(trace->str, "abc"));
    ck_assert_uint_eq(trace->len, 2);
    g_string_truncate(trace, 0);
    banger_undo_walk(&nothing);
    banger_undo_commit(&nothing);
    banger_undo_push(&nothing, take_back, g_strdup("d"), free_data);
    banger_undo_walk(&nothing);
    banger_undo_walk(&nothing); /* at most once */
    ck_assert_str_eq(trace->str, "dD");
    (void)g_string_free(trace, TRUE);
}
END_TEST

static int
open_and_leave(bool steal)
{
    banger_autofd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int number = fd;

    ck_assert_int_ge(fd, 0);
    if (steal)
        return banger_steal_fd(&fd);
    errno = EPERM; /* kept while the scope is left */
    return number;
}

START_TEST(descriptors)
{
    int fd = open_and_leave(false);

    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    fd = open_and_leave(true);
    ck_assert_int_ne(fcntl(fd, F_GETFD), -1);
    banger_close_fd(&fd);
    ck_assert_int_eq(fd, -1);
    banger_close_fd(&fd);
}
END_TEST

START_TEST(json_strings)
{
    static const struct {
        const char *text, *json;
    } strings[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a \"quote\" and a \\", "\"a \\\"quote\\\" and a \\\\\""},
        {"line\nfeed\ttab\x01\x1f\x7f", "\"line\\u000afeed\\u0009tab\\u0001\\u001f\\u007f\""},
        {"Grüße, 世界", "\"Grüße, 世界\""},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
        g_autoptr(GString) out = g_string_new("");

        banger_json_append_string(out, strings[i].text);
        ck_assert_str_eq(out->str, strings[i].json);
    }
}
END_TEST

/* C0, DEL, C1, bidirectional controls and separators, each beside its neighbours. */
START_TEST(printable_text)
{
    static const gunichar no[] = {0x01,   0x09,   0x0a,   0x1b,   0x1f,   0x7f,   0x80,
                                  0x85,   0x9b,   0x9f,   0x061c, 0x200e, 0x200f, 0x2028,
                                  0x2029, 0x202a, 0x202e, 0x2066, 0x2069};
    static const gunichar yes[] = {0x20,   0x7e,   0xa0,   0xe9,   0x061b, 0x061d, 0x200d,
                                   0x2010, 0x2027, 0x202f, 0x2065, 0x206a, 0x20ac, 0x1f600};
    static const struct {
        const char *text, *printable;
    } texts[] = {
        {"plain \xc3\xa9", "plain \xc3\xa9"},
        {"a\nb\tc\x1b[31md", "a b c [31md"},
        {"a\xc2\x9b"
         "31mb\xe2\x80\xae"
         "c",
         "a31mbc"},
        {"a\xe2\x80\xa8"
         "b",
         "a b"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(no); i++)
        ck_assert_msg(!banger_text_is_printable(no[i]), "U+%04X", no[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(yes); i++)
        ck_assert_msg(banger_text_is_printable(yes[i]), "U+%04X", yes[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *printable = banger_text_make_printable(texts[i].text, -1);

        ck_assert_str_eq(printable, texts[i].printable);
        ck_assert_ptr_null(banger_text_find_unprintable(printable));
    }
    ck_assert_str_eq(banger_text_find_unprintable("ab\x7f"
                                                  "c"),
                     "\x7f"
                     "c");
}
END_TEST

/* What is not printable is escaped in JSON, and nothing reads past the end of odd bytes. */
START_TEST(json_escapes)
{
    static const char *const texts[][2] = {
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\n\x7f\xc2\x9b\xe2\x80\xae", "\"\\u000a\\u007f\\u009b\\u202e\""},
        {"\xf0", "\"\xef\xbf\xbd\""},
        {"\xe2\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GString) out = g_string_new(NULL);

        banger_json_append_string(out, texts[i][0]);
        ck_assert_str_eq(out->str, texts[i][1]);
    }
}
END_TEST

START_TEST(users)
{
    g_autoptr(GError) error = NULL;
    uid_t uid = 7;
    gid_t gid = 7;

    ck_assert(!banger_user_find("no-such-user", &uid, &gid, &error));
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_NOT_FOUND));
    ck_assert_uint_eq(uid, 7);
    ck_assert(banger_user_find("root", &uid, &gid, NULL));
    ck_assert_uint_eq(uid, 0);
    ck_assert_uint_eq(gid, 0);
}
END_TEST

/* A socket that something listens at, one that was left behind, and none. */
START_TEST(stale_sockets)
{
    g_autofree char *folder = g_dir_make_tmp("banger-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "socket", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    banger_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert(!banger_socket_is_stale(path));
    ck_assert_uint_lt(g_strlcpy(address.sun_path, path, sizeof address.sun_path),
                      sizeof address.sun_path);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert(banger_socket_is_stale(path));
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert(!banger_socket_is_stale(path));
    banger_close_fd(&fd);
    ck_assert(banger_socket_is_stale(path));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(fd_paths)
{
    banger_autofd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct stat by_fd, by_path;

    ck_assert_int_eq(fstat(fd, &by_fd), 0);
    ck_assert_int_eq(stat(banger_fd_path(fd).text, &by_path), 0);
    ck_assert_uint_eq(by_fd.st_ino, by_path.st_ino);
    ck_assert_str_eq(banger_fd_path(INT_MAX).text, "/proc/self/fd/2147483647");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("util");
    TCase *tcase = tcase_create("util");

    tcase_add_test(tcase, error_table);
    tcase_add_test(tcase, errors_are_set);
    tcase_add_test(tcase, undo);
    tcase_add_test(tcase, descriptors);
    tcase_add_test(tcase, json_strings);
    tcase_add_test(tcase, json_escapes);
    tcase_add_test(tcase, printable_text);
    tcase_add_test(tcase, users);
    tcase_add_test(tcase, stale_sockets);
    tcase_add_test(tcase, fd_paths);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/util", suite);
}
