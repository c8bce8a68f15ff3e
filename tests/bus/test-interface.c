/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <string.h>

#include "bus/rig-client.h"
#include "model/settings.h"

START_TEST(properties)
{
    static const struct {
        const char *name;
        const char *type;
        const char *text;
        uint32_t number;
    } expected[] = {
        {"Version", "s", PACKAGE_VERSION, 0},
        {"StateDirectory", "s", BANGER_STATE_DIRECTORY, 0},
        {"RuntimeDirectory", "s", BANGER_RUNTIME_DIRECTORY, 0},
        {"OwnerUID", "u", NULL, RIG_UID_OWNER},
        {"OwnerGID", "u", NULL, RIG_UID_OWNER},
    };
    sd_bus *bus = rig_bus_open(RIG_UID_STRANGER);

    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        sd_bus_message *reply = NULL;

        ck_assert_int_ge(sd_bus_get_property(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                             BANGER_INTERFACE, expected[i].name, NULL, &reply,
                                             expected[i].type),
                         0);
        if (expected[i].text != NULL) {
            const char *text;

            ck_assert_int_ge(sd_bus_message_read(reply, "s", &text), 0);
            ck_assert_str_eq(text, expected[i].text);
        } else {
            uint32_t number;

            ck_assert_int_ge(sd_bus_message_read(reply, "u", &number), 0);
            ck_assert_uint_eq(number, expected[i].number);
        }
        sd_bus_message_unref(reply);
    }
    sd_bus_flush_close_unref(bus);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/interface", argv, NULL);
    suite = suite_create("interface");
    tcase = tcase_create("interface");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, properties);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/interface", suite);
}
