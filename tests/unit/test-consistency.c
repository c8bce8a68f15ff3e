/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Method table, introspection XML, polkit policy and bus policy say the same. */
#include <glib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/harness.h"
#include "lib/interface-xml.h"
#include "lib/source-tree.h"
#include "model/methods.h"
#include "util/settings.h"

#define XML "introspection/org.banger.Helper1.xml"
#define POLICY "polkit/org.banger.helper1.policy"
#define BUS_POLICY "dbus/org.banger.Helper1.conf"

/* The members of the interface that are no rows of the table. */
static const char *const others[] = {"method ListMachines () -> (machines a(ssuo))",
                                     "method Subscribe () -> ()",
                                     "method Unsubscribe () -> ()",
                                     "signal MachineExited (vm_id s, result s, status i)",
                                     "signal SnapshotFilling (name s, used t, size t)",
                                     "property Features as read",
                                     "property Warnings as read",
                                     "property OperationsInFlight u read",
                                     "property Version s read const",
                                     "property StateDirectory s read const",
                                     "property RuntimeDirectory s read const",
                                     "property OwnerUID u read const",
                                     "property OwnerGID u read const",
                                     NULL};

static const char *const objects[] = {BANGER_INTERFACE ".Machine", BANGER_INTERFACE ".Snapshot",
                                      BANGER_INTERFACE ".Tap", BANGER_INTERFACE ".Bridge",
                                      BANGER_INTERFACE ".Job"};

/* Every line of @those is one of @among: else @who has what @whom has not. */
static void
check_lines(const char *those, const char *among, const char *who, const char *whom)
{
    g_auto(GStrv) lines = g_strsplit(those, "\n", -1);
    g_auto(GStrv) other_lines = g_strsplit(among, "\n", -1);

    for (unsigned int i = 0; lines[i] != NULL; i++)
        ck_assert_msg(g_strv_contains((const char *const *)other_lines, lines[i]),
                      "%s \"%.300s\", %s not", who, lines[i], whom);
}

/* Line by line: libcheck has no room for a message with both texts. */
static void
check_contract(const char *text, const char *contract, const char *who)
{
    check_lines(contract, text, "the contract (tests/lib/interface-xml.c) has", who);
    check_lines(text, contract, who, "the contract (tests/lib/interface-xml.c) has");
    ck_assert_uint_eq(strlen(text), strlen(contract));
}

START_TEST(table_is_the_contract)
{
    g_autofree char *expected = interface_contract(BANGER_INTERFACE);
    g_autofree char *table = interface_of_table(others);

    check_contract(table, expected, "the table has");
}
END_TEST

START_TEST(xml_is_the_contract)
{
    g_autofree char *expected = interface_contract(BANGER_INTERFACE);
    g_autofree char *text = source_tree_read(XML);
    g_autofree char *xml = interface_of_xml(text, BANGER_INTERFACE);

    check_contract(xml, expected, "the XML has");
}
END_TEST

START_TEST(xml_of_objects_is_the_contract)
{
    for (size_t i = 0; i < G_N_ELEMENTS(objects); i++) {
        g_autofree char *name = g_strconcat("introspection/", objects[i], ".xml", NULL);
        g_autofree char *text = source_tree_read(name);
        g_autofree char *xml = interface_of_xml(text, objects[i]);
        g_autofree char *expected = interface_contract(objects[i]);

        check_contract(xml, expected, "the XML has");
    }
}
END_TEST

static bool
has_type(const BangerField *fields, BangerType type)
{
    for (const BangerField *field = fields; field->name != NULL; field++)
        if (field->type == type || (field->members != NULL && has_type(field->members, type)))
            return true;
    return false;
}

/*
 * A key that may be left out must be valid then: either its zero value is, or its default, or it is
 * known whether it was given.
 */
static void
check_optional(const BangerMethod *method, const BangerField *fields)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        if (field->members != NULL)
            check_optional(method, field->members);
        /* The decoder has a bit for each key. */
        ck_assert_msg(field - fields < 64, "%s: %s", method->dbus_name, field->name);
        if (!(field->flags & BANGER_FIELD_OPTIONAL) || (field->flags & BANGER_FIELD_PRESENCE))
            continue;
        ck_assert_msg(field->default_number >= field->min, "%s: %s", method->dbus_name,
                      field->name);
        ck_assert_msg(field->type != BANGER_TYPE_DICT, "%s: %s", method->dbus_name, field->name);
    }
}

START_TEST(optional_keys_may_be_absent)
{
    for (BangerMethodId id = 0; id < BANGER_N_METHODS; id++)
        check_optional(banger_method(id), banger_method(id)->in);
}
END_TEST

/* "CreateDMSnapshot" is create_dm_snapshot in JSON and create-dm-snapshot in polkit. */
START_TEST(names_of_a_method_agree)
{
    for (BangerMethodId id = 0; id < BANGER_N_METHODS; id++) {
        const BangerMethod *method = banger_method(id);
        const char *bare = strrchr(method->action, '.') + 1;
        g_autofree char *json = g_strconcat("priv.", bare, NULL);
        g_autofree char *flat = g_strdup(bare);

        ck_assert_int_eq(method->id, id);
        ck_assert(g_str_has_prefix(method->action, "org.banger.helper1."));
        g_strdelimit(json, "-", '_');
        if (has_type(method->in, BANGER_TYPE_HANDLE))
            ck_assert_ptr_null(method->json_name);
        else
            ck_assert_str_eq(method->json_name, json);
        for (char *at; (at = strchr(flat, '-')) != NULL;)
            memmove(at, at + 1, strlen(at));
        /* What takes descriptors shares the action of what takes bytes. */
        if (has_type(method->in, BANGER_TYPE_HANDLE))
            ck_assert_int_eq(g_ascii_strncasecmp(flat, method->dbus_name, strlen(flat)), 0);
        else
            ck_assert_int_eq(g_ascii_strcasecmp(flat, method->dbus_name), 0);
        ck_assert_ptr_eq(banger_method_by_dbus_name(method->dbus_name), method);
        if (method->json_name != NULL)
            ck_assert_ptr_eq(banger_method_by_json_name(method->json_name), method);
    }
    ck_assert_ptr_null(banger_method_by_dbus_name("createtap"));
    ck_assert_ptr_null(banger_method_by_json_name("priv.no_such_method"));
}
END_TEST

/* The text between @begin and @end after @at; NULL if there is none. */
static char *
between(const char *at, const char *begin, const char *end)
{
    const char *from = strstr(at, begin);
    const char *to = from == NULL ? NULL : strstr(from + strlen(begin), end);

    return to == NULL ? NULL : g_strndup(from + strlen(begin), (gsize)(to - from) - strlen(begin));
}

static char *
action_of_policy(const char *policy, const char *id)
{
    g_autofree char *begin = g_strdup_printf("<action id=\"%s\">", id);

    return between(policy, begin, "</action>");
}

/* Every $(name) of a message is an argument of the method, or it would stay as it is. */
static void
check_message(const BangerMethod *method, const char *message)
{
    g_autoptr(GRegex) variable = g_regex_new("\\$\\(([a-z_]+)\\)", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    for (g_regex_match(variable, message, 0, &match); g_match_info_matches(match);
         g_match_info_next(match, NULL)) {
        g_autofree char *name = g_match_info_fetch(match, 1);
        const BangerField *field = method->in;

        if (field->members != NULL) /* the dictionary of LaunchFirecracker */
            field = field->members;
        while (field->name != NULL && strcmp(field->name, name) != 0)
            field++;
        ck_assert_msg(field->name != NULL, "%s: $(%s) is no argument", method->action, name);
        ck_assert_msg(!(field->flags & BANGER_FIELD_SECRET), "%s: $(%s)", method->action, name);
    }
}

static void
check_default(const char *action, const char *element, const char *expected, const char *id,
              const char *hint)
{
    g_autofree char *begin = g_strdup_printf("<%s>", element);
    g_autofree char *end = g_strdup_printf("</%s>", element);
    g_autofree char *value = between(action, begin, end);

    ck_assert_msg(g_strcmp0(value, expected) == 0, "%s: %s is %s, not %s%s", id, element, value,
                  expected, hint);
}

/* What only looks, for which active sessions are not asked. */
static void
check_allow_active(const char *action, const BangerMethod *method, const char *api)
{
    static const char *const lookers[] = {"org.banger.helper1.resolve-firecracker-binary",
                                          "org.banger.helper1.find-firecracker-pid",
                                          "org.banger.helper1.process-running", NULL};
    g_autofree char *quoted = g_strdup_printf("`%s`", method->dbus_name);

    if (!g_strv_contains(lookers, method->action)) {
        check_default(action, "allow_active", "auth_admin_keep", method->action,
                      " (a method that only looks is one of lookers in "
                      "tests/unit/test-consistency.c)");
        return;
    }
    check_default(action, "allow_active", "yes", method->action, "");
    ck_assert_msg(strstr(api, quoted) != NULL, "docs/dbus-api.md has not %s among what only looks",
                  quoted);
}

START_TEST(policy_has_every_action)
{
    g_autofree char *policy = source_tree_read(POLICY), *api = source_tree_read("docs/dbus-api.md");
    unsigned int count = 0, n_shared = 0;

    for (BangerMethodId id = 0; id < BANGER_N_METHODS; id++) {
        const BangerMethod *method = banger_method(id);
        g_autofree char *action = action_of_policy(policy, method->action);
        g_autofree char *message = NULL;

        n_shared += has_type(method->in, BANGER_TYPE_HANDLE);
        ck_assert_msg(action != NULL, "no action %s", method->action);
        ck_assert_ptr_nonnull(strstr(action, "<description"));
        ck_assert_ptr_nonnull(strstr(action, "<icon_name>"));
        ck_assert_ptr_nonnull(strstr(action, "gettext-domain="));
        message = between(action, "<message", "</message>");
        ck_assert_ptr_nonnull(message);
        check_message(method, message);
        check_default(action, "allow_any", "auth_admin", method->action, "");
        check_default(action, "allow_inactive", "auth_admin", method->action, "");
        check_allow_active(action, method, api);
    }
    for (const char *at = policy; (at = strstr(at, "<action id=")) != NULL; at++)
        count++;
    ck_assert_uint_eq(count + n_shared, BANGER_N_METHODS);
}
END_TEST

/*
 * The virtual machine calls each method as a stranger, but for those that busctl cannot call, with
 * arguments of the right types.
 */
START_TEST(stranger_tries_every_method)
{
    g_autofree char *samples = source_tree_read("tests/vm/guest/20-access");

    for (BangerMethodId id = 0; id < BANGER_N_METHODS; id++) {
        const BangerMethod *method = banger_method(id);
        g_autofree char *types = banger_fields_signature(method->in);
        g_autofree char *line = g_strdup_printf("\n%s %s ", method->dbus_name, types);
        g_autofree char *bare = g_strdup_printf("\n%s\n", method->dbus_name);

        ck_assert_msg(has_type(method->in, BANGER_TYPE_HANDLE) ||
                          strstr(samples, *types == '\0' ? bare : line) != NULL,
                      "tests/vm/guest/20-access has no sample of %s with arguments \"%s\"",
                      method->dbus_name, types);
    }
}
END_TEST

/* What else is asked of the table would find an empty row. */
START_TEST(every_method_has_a_row)
{
    const char *before = "the first";

    for (BangerMethodId id = 0; id < BANGER_N_METHODS; id++) {
        const char *name = banger_method(id)->dbus_name;

        ck_assert_msg(name != NULL,
                      "the method after %s in BangerMethodId has no row in src/model/methods.c",
                      before);
        before = name;
    }
}
END_TEST

static unsigned int
count_of(const char *text, const char *part)
{
    unsigned int n = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

/* Each method and each argument is described, and each method has its action and its errors. */
START_TEST(every_method_is_described)
{
    g_autofree char *xml = source_tree_read("introspection/org.banger.Helper1.xml");

    for (BangerMethodId id = 0; id < BANGER_N_METHODS; id++) {
        const BangerMethod *method = banger_method(id);
        g_autofree char *begin = g_strdup_printf("<method name=\"%s\">", method->dbus_name);
        g_autofree char *action =
            g_strdup_printf("\"org\\.banger\\.Helper1\\.Action\"\\s+value=\"%s\"", method->action);
        const char *at = strstr(xml, begin);
        g_autofree char *text = NULL;

        ck_assert_msg(at != NULL, "the XML has no method %s", method->dbus_name);
        text = g_strndup(at, (gsize)(strstr(at, "</method>") - at));
        ck_assert_msg(count_of(text, "org.gtk.GDBus.DocString") == count_of(text, "<arg ") + 1,
                      "the XML describes not all of %s", method->dbus_name);
        ck_assert_msg(g_regex_match_simple(action, text, 0, 0), "the XML has not the action of %s",
                      method->dbus_name);
        ck_assert_msg(strstr(text, "\"org.banger.Helper1.Errors\"") != NULL,
                      "the XML has no errors of %s", method->dbus_name);
    }
}
END_TEST

/* A row of the table without an operation would be seen only when the method is called. */
START_TEST(every_method_has_an_operation)
{
    g_autofree char *operations = source_tree_read("src/bus/operations.c");
    unsigned int n_entries = 0;

    for (BangerMethodId id = 0; id < BANGER_N_METHODS; id++) {
        const char *json_name = banger_method(id)->json_name;
        g_autofree char *entry = NULL;

        if (json_name == NULL)
            continue;
        entry = g_strdup_printf(" = banger_op_%s,\n", json_name + strlen("priv."));
        ck_assert_msg(strstr(operations, entry) != NULL, "src/bus/operations.c has no […]%s",
                      entry);
    }
    /* Those that JSON has not are counted. */
    for (const char *at = operations; (at = strstr(at, "[BANGER_METHOD_")) != NULL; at++)
        n_entries++;
    ck_assert_uint_eq(n_entries, BANGER_N_METHODS);
}
END_TEST

static void
check_wire_row(const char *wire, const char *json_name)
{
    g_autofree char *row = g_strdup_printf("\n| `%s` |", json_name);

    ck_assert_msg(strstr(wire, row) != NULL, "docs/json-wire.md has no row of %s", json_name);
}

/* The pages that list all methods, and what each of them calls a method. */
START_TEST(pages_have_every_method)
{
    g_autofree char *wire = source_tree_read("docs/json-wire.md");
    g_autofree char *manual = source_tree_read("man/org.banger.Helper1.xsl");

    for (BangerMethodId id = 0; id < BANGER_N_METHODS; id++) {
        const BangerMethod *method = banger_method(id);
        g_autofree char *call =
            g_strdup_printf("(?m)^(?:\\$CALL|bangerctl call) %s\\b", method->dbus_name);

        if (method->json_name != NULL)
            check_wire_row(wire, method->json_name);
        ck_assert_msg(g_regex_match_simple(call, manual, 0, 0),
                      "man/org.banger.Helper1.xsl has no example of %s", method->dbus_name);
    }
}
END_TEST

/* Validates @name against @dtd, without the network. */
static void
validate(const char *name, const char *dtd)
{
    g_autofree char *path = g_build_filename(SOURCE_DIR, name, NULL);
    g_autofree char *xmllint = g_find_program_in_path("xmllint");
    g_autofree char *said = NULL;
    char *argv[] = {
        xmllint, (char *)"--noout", (char *)"--nonet", (char *)"--dtdvalid", (char *)dtd, path,
        NULL};
    int status;

    if (xmllint == NULL || !g_file_test(dtd, G_FILE_TEST_EXISTS)) {
        g_autofree char *reason =
            g_strdup_printf("needs %s", xmllint == NULL ? "xmllint (libxml2-utils)" : dtd);

        harness_skip(reason);
        return;
    }
    ck_assert(g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, NULL, &said, &status, NULL));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %s", name, said);
}

START_TEST(policy_is_valid)
{
    validate(POLICY, "/usr/share/polkit-1/policyconfig-1.dtd"); /* polkitd's own */
}
END_TEST

START_TEST(bus_policy_is_valid)
{
    validate(BUS_POLICY, SOURCE_DIR "/tests/dtd/busconfig.dtd");
}
END_TEST

START_TEST(xml_is_valid)
{
    validate(XML, SOURCE_DIR "/tests/dtd/introspect.dtd");
    for (size_t i = 0; i < G_N_ELEMENTS(objects); i++) {
        g_autofree char *name = g_strconcat("introspection/", objects[i], ".xml", NULL);

        validate(name, SOURCE_DIR "/tests/dtd/introspect.dtd");
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("consistency");
    TCase *tcase = tcase_create("consistency");

    tcase_add_test(tcase, every_method_has_a_row);
    tcase_add_test(tcase, every_method_is_described);
    tcase_add_test(tcase, table_is_the_contract);
    tcase_add_test(tcase, xml_is_the_contract);
    tcase_add_test(tcase, every_method_has_an_operation);
    tcase_add_test(tcase, pages_have_every_method);
    tcase_add_test(tcase, xml_of_objects_is_the_contract);
    tcase_add_test(tcase, names_of_a_method_agree);
    tcase_add_test(tcase, optional_keys_may_be_absent);
    tcase_add_test(tcase, policy_has_every_action);
    tcase_add_test(tcase, stranger_tries_every_method);
    tcase_add_test(tcase, policy_is_valid);
    tcase_add_test(tcase, bus_policy_is_valid);
    tcase_add_test(tcase, xml_is_valid);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/consistency", suite);
}
