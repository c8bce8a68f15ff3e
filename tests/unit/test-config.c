/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <glib/gstdio.h>

#include "helperd/config.h"
#include "lib/harness.h"
#include "util/error.h"

/* Every Debian and every container has these two. */
#define SOME_USER "daemon"

static BangerSettings *
load(const char *contents, GError **error)
{
    g_autofree char *directory = g_dir_make_tmp("banger-config-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "helper.conf", NULL);
    BangerSettings *settings;

    ck_assert_ptr_nonnull(directory);
    ck_assert(g_file_set_contents(path, contents, -1, NULL));
    settings = banger_config_load(path, error);
    (void)g_unlink(path);
    (void)g_rmdir(directory);
    return settings;
}

START_TEST(defaults_and_values)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BangerSettings) settings = load("[Owner]\nUser=" SOME_USER "\n", &error);

    ck_assert_msg(settings != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_str_eq(settings->owner_user, SOME_USER);
    ck_assert_uint_ne(settings->owner_uid, 0);
    ck_assert_uint_eq(settings->vmm_uid, settings->owner_uid);
    ck_assert_uint_eq(settings->vmm_gid, settings->owner_gid);
    ck_assert_str_eq(settings->state_directory, BANGER_STATE_DIRECTORY);
    ck_assert_str_eq(settings->runtime_directory, BANGER_RUNTIME_DIRECTORY);
    ck_assert_uint_eq(settings->idle_timeout_sec, 60);
}
END_TEST

START_TEST(every_value)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BangerSettings) settings =
        load("# a comment\n[Owner]\nUser= " SOME_USER " \n[Paths]\nStateDirectory=/srv/vm/\n"
             "RuntimeDirectory=/run/vm\n[Firecracker]\nUser=root\n[Service]\nIdleTimeoutSec=0\n",
             &error);

    ck_assert_msg(settings != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_str_eq(settings->state_directory, "/srv/vm");
    ck_assert_str_eq(settings->runtime_directory, "/run/vm");
    ck_assert_uint_eq(settings->vmm_uid, 0);
    ck_assert_uint_eq(settings->vmm_gid, 0);
    ck_assert_uint_eq(settings->idle_timeout_sec, 0);
}
END_TEST

/* What is wrong must stop the service, with the culprit in the message. */
static const struct {
    const char *contents;
    const char *named;
} wrong[] = {
    {"no key file", "helper.conf"},
    {"[Owner]\nUser=nobody-has-this-name\n", "nobody-has-this-name"},
    {"[Owner]\nUser=\n", "[Owner] User"},
    {"[Owner]\nUser=" SOME_USER "\nGroup=x\n", "[Owner] has no key Group"},
    {"[owner]\nUser=" SOME_USER "\n", "no group [owner]"},
    {"[Owner]\nUser=" SOME_USER "\n[Network]\nA=b\n", "no group [Network]"},
    {"[Owner]\nUser=" SOME_USER "\n[Paths]\nStateDirectory=var/lib\n", "StateDirectory"},
    {"[Owner]\nUser=" SOME_USER "\n[Paths]\nStateDirectory=/\n", "StateDirectory"},
    {"[Owner]\nUser=" SOME_USER "\n[Paths]\nStateDirectory=\n", "StateDirectory"},
    {"[Owner]\nUser=" SOME_USER "\n[Paths]\nRuntimeDirectory=/run/../etc\n", "RuntimeDirectory"},
    {"[Owner]\nUser=" SOME_USER "\n[Paths]\nRuntimeDirectory=/run//x\n", "RuntimeDirectory"},
    {"[Owner]\nUser=" SOME_USER "\n[Firecracker]\nUser=daemon\n", "[Firecracker] User"},
    {"[Owner]\nUser=" SOME_USER "\n[Service]\nIdleTimeoutSec=-1\n", "IdleTimeoutSec"},
    {"[Owner]\nUser=" SOME_USER "\n[Service]\nIdleTimeoutSec=60s\n", "IdleTimeoutSec"},
    {"[Owner]\nUser=" SOME_USER "\n[Service]\nIdleTimeoutSec=\n", "IdleTimeoutSec"},
    {"[Owner]\nUser=" SOME_USER "\n[Service]\nIdleTimeoutSec=999999999\n", "IdleTimeoutSec"},
};

START_TEST(wrong_values)
{
    g_autoptr(GError) error = NULL;
    BangerSettings *settings = load(wrong[_i].contents, &error);

    ck_assert_msg(settings == NULL, "accepted: %s", wrong[_i].contents);
    ck_assert(error->domain == BANGER_ERROR);
    ck_assert_msg(strstr(error->message, wrong[_i].named) != NULL, "\"%s\" lacks \"%s\"",
                  error->message, wrong[_i].named);
    ck_assert_ptr_null(strchr(error->message, '\n'));
}
END_TEST

/* A directory instead of a file: there, and not readable as one. */
START_TEST(unreadable_file)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(banger_config_load("/", &error));
    ck_assert_ptr_nonnull(error);
}
END_TEST

/* A missing file means the defaults, and so an error only if the default owner is missing here. */
START_TEST(missing_file)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BangerSettings) settings = banger_config_load("/nonexistent/helper.conf", &error);

    if (settings != NULL)
        ck_assert_str_eq(settings->owner_user, BANGER_OWNER);
    else
        ck_assert_msg(strstr(error->message, "no user \"" BANGER_OWNER "\"") != NULL, "%s",
                      error->message);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("config");

    tcase_add_test(tcase, defaults_and_values);
    tcase_add_test(tcase, every_value);
    tcase_add_loop_test(tcase, wrong_values, 0, G_N_ELEMENTS(wrong));
    tcase_add_test(tcase, unreadable_file);
    tcase_add_test(tcase, missing_file);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/config", suite);
}
