/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One value has one spelling in polkit's details: for every kind of argument, values made at
 * random, each in many spellings made at random, must come to the one canonical spelling, and other
 * values to another.
 */
#include <arpa/inet.h>
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/harness.h"
#include "model/names.h"
#include "model/value.h"
#include "unit/requests.h"

#define VALUES 40
#define SPELLINGS 25

static GRand *random_numbers;

static guint
below(guint end)
{
    return (guint)g_rand_int_range(random_numbers, 0, (gint)end);
}

static bool
by_chance(void)
{
    return g_rand_boolean(random_numbers);
}

/* @n bytes of @alphabet. */
static char *
any_of(const char *alphabet, guint n)
{
    GString *text = g_string_new(NULL);

    while (text->len < n)
        g_string_append_c(text, alphabet[below((guint)strlen(alphabet))]);
    return g_string_free(text, FALSE);
}

/* A value: its canonical spelling, which the spellings are made from. */
typedef char *NewValue(void);
/* Another spelling of it. */
typedef char *NewSpelling(const char *canonical);

static char *
same(const char *canonical)
{
    return g_strdup(canonical);
}

static char *
new_name(void)
{
    return any_of("abcXYZ019._-", 1 + below(15));
}

static char *
new_link(void)
{
    g_autofree char *name = any_of("abcXYZ019_-", 1 + below(14));

    return g_strconcat("b", name, NULL);
}

static char *
new_tap(void)
{
    g_autofree char *name = any_of("abcXYZ019._-", 1 + below(8));

    return g_strconcat("tap-fc-", name, NULL);
}

static char *
new_dm(void)
{
    g_autofree char *name = any_of("abcXYZ019._+-", 1 + below(60));

    return g_strconcat("fc-rootfs-", name, NULL);
}

static char *
new_dm_path(void)
{
    g_autofree char *name = new_dm();

    return g_strconcat("/dev/mapper/", name, NULL);
}

static char *
spell_dm_target(const char *name)
{
    return g_strconcat(by_chance() ? "/dev/mapper/" : "", name, NULL);
}

static char *
new_loop(void)
{
    return g_strdup_printf("/dev/loop%u", below(10000));
}

static char *
new_below(const char *directory)
{
    g_autofree char *folder = any_of("abc .", 6);
    g_autofree char *name = new_name();

    return g_strdup_printf("%s/d%s/f%s", directory, folder, name);
}

static char *
new_state_path(void)
{
    return new_below("/var/lib/banger");
}

static char *
new_runtime_path(void)
{
    return new_below("/run/banger");
}

static char *
new_image(void)
{
    return by_chance() ? new_state_path() : new_dm_path();
}

static char *
new_guest_path(void)
{
    g_autofree char *tail = new_name();
    g_autofree char *path = new_below(by_chance() ? "" : "/..a/b../...");

    return g_strconcat(path, "/x", tail, NULL);
}

/* With empty and "." components where there is a slash, and at the end. */
static char *
spell_path(const char *clean)
{
    static const char *const slashes[] = {"/", "//", "/./", "/././/", "///"};
    GString *text = g_string_new(NULL);

    for (const char *c = clean; *c != '\0'; c++)
        if (*c == '/')
            g_string_append(text, slashes[below(G_N_ELEMENTS(slashes))]);
        else
            g_string_append_c(text, *c);
    if (clean[0] == '/' && by_chance())
        g_string_append(text, by_chance() ? "/" : "/.");
    return g_string_free(text, FALSE);
}

static char *
new_binary(void)
{
    return by_chance() ? new_guest_path() : new_link();
}

static char *
new_id(void)
{
    return any_of("abcXYZ019", 1 + below(64));
}

static char *
new_text(void)
{
    g_autofree char *text = any_of("abc XYZ/%\"\\$", below(100));

    return g_strconcat("<", text, "\xc3\xa9>", NULL);
}

static char *
new_address(void)
{
    uint8_t bytes[16] = {0xfd};
    char text[INET6_ADDRSTRLEN];

    if (by_chance())
        return g_strdup_printf("10.%u.%u.%u", below(256), below(256), below(256));
    for (size_t i = 1; i < sizeof bytes; i++)
        bytes[i] = below(3) == 0 ? (uint8_t)below(256) : 0;
    return g_strdup(inet_ntop(AF_INET6, bytes, text, sizeof text));
}

/* Groups with zeros before them, and the last two perhaps as an IPv4 address, or with a "::". */
static char *
spell_address(const char *canonical)
{
    GString *text = g_string_new(NULL);
    uint8_t bytes[16];
    guint groups = by_chance() ? 6 : 8;

    if (inet_pton(AF_INET6, canonical, bytes) != 1 || below(4) == 0) {
        g_string_append(text, canonical);
    } else {
        for (guint i = 0; i < groups; i++)
            g_string_append_printf(text, "%s%0*x", i > 0 ? ":" : "", 1 + (int)below(4),
                                   (unsigned int)bytes[2 * i] << 8 | bytes[2 * i + 1]);
        if (groups == 6)
            g_string_append_printf(text, ":%u.%u.%u.%u", bytes[12], bytes[13], bytes[14],
                                   bytes[15]);
    }
    if (by_chance())
        g_string_ascii_up(text);
    return g_string_free(text, FALSE);
}

static char *
new_server(void)
{
    g_autofree char *address = new_address();
    guint port = by_chance() ? 53 : 1 + below(65535);

    return g_strdup_printf(strchr(address, ':') == NULL ? "%s:%u" : "[%s]:%u", address, port);
}

static char *
spell_server(const char *canonical)
{
    const char *colon = strrchr(canonical, ':');
    bool bracketed = canonical[0] == '[';
    g_autofree char *bare = bracketed ? g_strndup(canonical + 1, (gsize)(colon - canonical) - 2)
                                      : g_strndup(canonical, (gsize)(colon - canonical));
    g_autofree char *address = spell_address(bare);

    if (g_str_equal(colon, ":53") && by_chance())
        return g_steal_pointer(&address);
    return g_strdup_printf(bracketed ? "[%s]%s" : "%s%s", address, colon);
}

static char *
new_cidr(void)
{
    return g_strdup_printf("%u", 1 + below(128));
}

static char *
spell_cidr(const char *canonical)
{
    g_autofree char *address = NULL;

    if (by_chance())
        return g_strdup(canonical);
    do {
        g_free(address);
        address = new_address();
    } while (strchr(address, ':') == NULL && atoi(canonical) > 32);
    return g_strdup_printf("%s/%s", address, canonical);
}

/* One address, which is as good as the network of it alone. */
static char *
new_destination(void)
{
    g_autofree char *address = new_address();

    return g_strconcat(address, strchr(address, ':') != NULL ? "/128" : "/32", NULL);
}

static char *
spell_destination(const char *canonical)
{
    g_autofree char *address = g_strndup(canonical, strcspn(canonical, "/"));

    return spell_address(address);
}

static char *
new_signal(void)
{
    return banger_signal_format(1 + (int)below((guint)SIGRTMAX));
}

static char *
spell_signal(const char *canonical)
{
    g_autofree char *text = NULL;

    if (g_ascii_isdigit(canonical[0]))
        return g_strdup(canonical);
    if (below(3) == 0)
        return g_strdup_printf("%d", banger_signal_parse(canonical, NULL));
    text = g_strconcat(by_chance() ? "SIG" : "", canonical, NULL);
    for (char *c = text; *c != '\0'; c++)
        if (by_chance())
            *c = g_ascii_tolower(*c);
    return g_steal_pointer(&text);
}

static char *
new_mac(void)
{
    return g_strdup_printf("06:%02x:%02x:%02x:%02x:%02x", below(256), below(256), below(256),
                           below(256), below(256));
}

static char *
spell_mac(const char *canonical)
{
    return by_chance() ? g_ascii_strup(canonical, -1) : g_strdup(canonical);
}

static const struct {
    NewValue *new_value;
    NewSpelling *spell;
} kinds[] = {
    [BANGER_KIND_TEXT] = {new_text, same},
    [BANGER_KIND_LINK_NAME] = {new_link, same},
    [BANGER_KIND_TAP_NAME] = {new_tap, same},
    [BANGER_KIND_ADDRESS] = {new_address, spell_address},
    [BANGER_KIND_SERVER] = {new_server, spell_server},
    [BANGER_KIND_CIDR] = {new_cidr, spell_cidr},
    [BANGER_KIND_DESTINATION] = {new_destination, spell_destination},
    [BANGER_KIND_DM_NAME] = {new_dm, same},
    [BANGER_KIND_DM_TARGET] = {new_dm, spell_dm_target},
    [BANGER_KIND_DM_PATH] = {new_dm_path, same},
    [BANGER_KIND_LOOP_PATH] = {new_loop, same},
    [BANGER_KIND_STATE_PATH] = {new_state_path, same},
    [BANGER_KIND_RUNTIME_PATH] = {new_runtime_path, same},
    [BANGER_KIND_IMAGE_PATH] = {new_image, same},
    [BANGER_KIND_GUEST_PATH] = {new_guest_path, spell_path},
    [BANGER_KIND_BINARY] = {new_binary, spell_path},
    [BANGER_KIND_BINARY_PATH] = {new_guest_path, spell_path},
    [BANGER_KIND_VM_ID] = {new_id, same},
    [BANGER_KIND_DRIVE_ID] = {new_id, same},
    [BANGER_KIND_MAC] = {new_mac, spell_mac},
    [BANGER_KIND_JSON] = {new_text, same},
    [BANGER_KIND_SIGNAL] = {new_signal, spell_signal},
};

/* The detail of @text; NULL if it is not taken. */
static char *
detail_of(const BangerField *field, const char *text)
{
    /* Large enough for every value, at the place of a request's member. */
    guint64 space[8] = {0};
    BangerField at_start = *field;
    char *detail = NULL;

    at_start.offset = 0;
    if (banger_value_parse(&at_start, text, &sample_settings, space, NULL))
        detail = banger_value_format(&at_start, space);
    banger_value_clear(&at_start, space);
    return detail;
}

static void
check_spelling(const BangerField *field, const char *canonical)
{
    static const char *const blanks[] = {"", " ", "\t\n", "  "};
    g_autofree char *spelling = kinds[field->kind].spell(canonical);
    g_autofree char *text = g_strconcat(blanks[below(G_N_ELEMENTS(blanks))], spelling,
                                        blanks[below(G_N_ELEMENTS(blanks))], NULL);
    g_autofree char *detail = detail_of(field, text);
    g_autofree char *again = NULL;

    ck_assert_msg(detail != NULL, "%s: \"%s\" is not taken", field->name, text);
    ck_assert_msg(g_str_equal(detail, canonical), "%s: \"%s\" became \"%s\", not \"%s\"",
                  field->name, text, detail, canonical);
    again = detail_of(field, detail);
    ck_assert_str_eq(again, detail);
}

static void
check_kind(const BangerField *field)
{
    ck_assert_msg(field->kind < G_N_ELEMENTS(kinds) && kinds[field->kind].new_value != NULL,
                  "%s is of a kind that this test has no spellings of", field->name);
    for (guint value = 0; value < VALUES; value++) {
        g_autofree char *canonical = kinds[field->kind].new_value();

        for (guint i = 0; i < SPELLINGS; i++)
            check_spelling(field, canonical);
    }
}

static void
check_fields(const BangerField *fields)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        if (field->members != NULL)
            check_fields(field->members);
        else if (field->type == BANGER_TYPE_STRING)
            check_kind(field);
    }
}

START_TEST(one_value_one_detail)
{
    random_numbers = g_rand_new_with_seed(12);
    check_fields(banger_method((BangerMethodId)_i)->in);
    g_rand_free(random_numbers);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("spellings");
    TCase *tcase = tcase_create("spellings");

    tcase_add_loop_test(tcase, one_value_one_detail, 0, BANGER_N_METHODS);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/spellings", suite);
}
