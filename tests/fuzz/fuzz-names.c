/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Names, paths and addresses. What must be true: whatever is accepted cannot mean anything else to
 * the kernel or to a file system than what it says, and its canonical form is accepted too.
 */
#include <signal.h>
#include <string.h>
#include <sys/un.h>

#include "model/address.h"
#include "model/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIRECTORY "/var/lib/banger"

/* Requires that a refusal has a message; whether @ok. */
static bool
judged(bool ok, GError **error)
{
    g_assert_true(ok == (*error == NULL));
    g_assert_true(ok || (*error)->message[0] != '\0');
    g_clear_error(error);
    return ok;
}

static void
check_names(const char *text)
{
    g_autoptr(GError) error = NULL;
    size_t length = strlen(text);

    if (judged(banger_name_check_link(text, &error), &error)) {
        g_assert_true(length > 0 && length <= 15);
        g_assert_null(strpbrk(text, "%/: \t\n"));
        g_assert_true(strcmp(text, ".") != 0 && strcmp(text, "..") != 0);
    }
    if (judged(banger_name_check_tap(text, &error), &error)) {
        g_assert_true(banger_name_check_link(text, NULL));
        g_assert_true(g_str_has_prefix(text, "tap-"));
    }
    if (judged(banger_name_check_dm(text, &error), &error)) {
        g_assert_true(g_str_has_prefix(text, "fc-rootfs-") && length <= 127);
        g_assert_null(strpbrk(text, "/% \t\n"));
    }
    if (judged(banger_name_check_dm_path(text, &error), &error))
        g_assert_true(banger_name_check_dm(text + strlen("/dev/mapper/"), NULL));
    if (judged(banger_name_check_loop_path(text, &error), &error))
        g_assert_true(strspn(text + strlen("/dev/loop"), "0123456789") ==
                      length - strlen("/dev/loop"));
    if (judged(banger_name_check_vm_id(text, &error), &error))
        g_assert_null(strpbrk(text, "/.%_ \t\n\\"));
    if (judged(banger_name_check_drive_id(text, &error), &error))
        g_assert_null(strpbrk(text, "/.%- \t\n\\"));
}

static void
check_paths(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *clean = NULL;

    if (judged(banger_path_check_below(text, DIRECTORY, &error), &error)) {
        g_autofree char *canonical = g_canonicalize_filename(text, "/");

        g_assert_cmpstr(canonical, ==, text);
        g_assert_true(g_str_has_prefix(text, DIRECTORY "/"));
    }
    if (judged(banger_path_check_socket(text, DIRECTORY, &error), &error)) {
        g_assert_true(banger_path_check_below(text, DIRECTORY, NULL));
        g_assert_true(strlen(text) < sizeof((struct sockaddr_un *)NULL)->sun_path);
    }
    if (judged(banger_path_clean(text, &clean, &error), &error)) {
        /* GLib leaves two slashes at the beginning, as POSIX allows. */
        const char *rest = text + strspn(text, "/") - 1;
        g_autofree char *canonical = g_canonicalize_filename(rest, "/");

        g_assert_cmpstr(clean, ==, canonical);
    }
}

static void
check_addresses(const char *text)
{
    g_autoptr(GError) error = NULL;
    BangerAddress address, again;
    BangerServer server;
    int signal_number;

    if (judged(banger_address_parse(text, &address, &error), &error)) {
        g_autofree char *canonical = banger_address_format(&address);

        g_assert_true(banger_address_parse(canonical, &again, NULL));
        g_assert_true(banger_address_equal(&address, &again));
    }
    if (judged(banger_server_parse(text, &server, &error), &error)) {
        g_autofree char *canonical = banger_server_format(&server);
        g_autofree char *once_more = NULL;

        g_assert_true(banger_server_parse(canonical, &server, NULL));
        once_more = banger_server_format(&server);
        g_assert_cmpstr(once_more, ==, canonical);
    }
    signal_number = banger_signal_parse(text, &error);
    g_assert_true(signal_number >= 0 && signal_number <= SIGRTMAX);
    (void)judged(signal_number != 0, &error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);

    check_names(text);
    check_paths(text);
    check_addresses(text);
    return 0;
}
