/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host without polkit: root is served, everyone else is refused. */
#include <string.h>

#include "bus/calls/call-samples.h"

#define DENIED "org.freedesktop.DBus.Error.AccessDenied"

/* On a machine without polkit root may do everything, and no one else anything. */

START_TEST(root_is_allowed)
{
    const BangerMethod *method = banger_method((BangerMethodId)_i);
    sd_bus *bus = rig_bus_open(0);
    sd_bus_error error = SD_BUS_ERROR_NULL;

    sd_bus_message_unref(rig_call_message(bus, sample_call(bus, method, 1, ""), &error));
    ck_assert_str_ne(error.name == NULL ? "" : error.name, DENIED);
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
}
END_TEST

START_TEST(others_are_refused)
{
    static const uid_t others[] = {RIG_UID_OWNER, RIG_UID_MEMBER, RIG_UID_STRANGER};

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        const BangerMethod *method = banger_method((BangerMethodId)_i);
        sd_bus *bus = rig_bus_open(others[i]);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        g_autofree char *op_id = g_strdup_printf("no-polkit-%s-%zu", method->dbus_name, i);
        g_autoptr(GHashTable) record = NULL;

        ck_assert_ptr_null(rig_call_message(bus, sample_call(bus, method, 1, op_id), &error));
        ck_assert_str_eq(error.name, DENIED);
        record = rig_journal_wait(op_id);
        ck_assert_str_eq(g_hash_table_lookup(record, "CODE"), "unauthorized");
        sd_bus_error_free(&error);
        sd_bus_flush_close_unref(bus);
    }
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/no-polkit", argv, (const char *const[]){"--no-polkitd", NULL});
    suite = suite_create("no-polkit");
    tcase = tcase_create("no-polkit");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, root_is_allowed, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, others_are_refused, 0, BANGER_N_METHODS);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/no-polkit", suite);
}
