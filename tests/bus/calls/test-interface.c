/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the helper says of itself on the bus is what the introspection XML says. */
#include "lib/interface-xml.h"
#include "rig/rig-client.h"
#include "util/settings.h"

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

START_TEST(introspection)
{
    sd_bus *bus = rig_bus_open(RIG_UID_STRANGER);
    g_autofree char *expected = interface_contract(BANGER_INTERFACE);
    g_autofree char *actual = NULL;
    sd_bus_message *reply = NULL;
    const char *xml;

    ck_assert_int_ge(sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                        "org.freedesktop.DBus.Introspectable", "Introspect", NULL,
                                        &reply, ""),
                     0);
    ck_assert_int_ge(sd_bus_message_read(reply, "s", &xml), 0);
    actual = interface_of_xml(xml, BANGER_INTERFACE);
    ck_assert_str_eq(actual, expected);
    sd_bus_message_unref(reply);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* Constant means constant: not even root can set one. */
START_TEST(properties_are_read_only)
{
    sd_bus *bus = rig_bus_open(0);
    sd_bus_error error = SD_BUS_ERROR_NULL;

    ck_assert_int_lt(sd_bus_set_property(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH, BANGER_INTERFACE,
                                         "OwnerUID", &error, "u", 0),
                     0);
    ck_assert_str_eq(error.name, "org.freedesktop.DBus.Error.PropertyReadOnly");
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* Calls to what does not exist get sd-bus's own errors, whatever interface they name. */
START_TEST(unknown_things)
{
    static const struct {
        const char *path, *interface, *member, *error;
    } calls[] = {
        {BANGER_OBJECT_PATH, BANGER_INTERFACE, "Format", "UnknownMethod"},
        {BANGER_OBJECT_PATH, "org.freedesktop.DBus.Properties", "Format", "UnknownMethod"},
        {"/org/banger", BANGER_INTERFACE, "DeleteTap", "UnknownObject"},
        {BANGER_OBJECT_PATH, "org.banger.Helper2", "DeleteTap", "UnknownMethod"},
    };
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);

    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autofree char *name = g_strconcat("org.freedesktop.DBus.Error.", calls[i].error, NULL);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        ck_assert_int_lt(sd_bus_call_method(bus, BANGER_BUS_NAME, calls[i].path, calls[i].interface,
                                            calls[i].member, &error, NULL, "ss", "tap-fc-1", ""),
                         0);
        ck_assert_str_eq(error.name, name);
        sd_bus_error_free(&error);
    }
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* The interface of a call may be left out (D-Bus specification, "Method Calls"). */
START_TEST(without_interface)
{
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);
    sd_bus_error error = SD_BUS_ERROR_NULL;

    ck_assert_msg(sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH, NULL,
                                     "ClearResolverRouting", &error, NULL, "ss", "", "") >= 0,
                  "%s: %s", error.name, error.message);
    ck_assert_int_lt(sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH, NULL, "Format",
                                        &error, NULL, ""),
                     0);
    ck_assert_str_eq(error.name, "org.freedesktop.DBus.Error.UnknownMethod");
    sd_bus_error_free(&error);
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
    tcase_add_test(tcase, without_interface);
    tcase_add_test(tcase, introspection);
    tcase_add_test(tcase, properties_are_read_only);
    tcase_add_test(tcase, unknown_things);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/interface", suite);
}
