/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Validation: each argument by itself. What they may not be together is in test-relations. */
#include <glib.h>
#include <signal.h>
#include <string.h>

#include "lib/harness.h"
#include "model/bounds.h"
#include "model/validate.h"
#include "model/value.h"
#include "unit/requests.h"
#include "util/error.h"

/* Values that no member of the kind may have; each list ends with NULL. */
static const char *const wrong[][12] = {
    [BANGER_KIND_LINK_NAME] = {"a/b", "tap%d", "abcdefghijklmnop", "all", ".."},
    [BANGER_KIND_TAP_NAME] = {"eth0", "tap-fc-", "tap%d"},
    [BANGER_KIND_ADDRESS] = {"172.16.0", "host", "172.16.0.1/24", "0.0.0.0", "224.0.0.1",
                             "fe80::1%eth0", "::", "::ffff:10.0.0.1"},
    [BANGER_KIND_SERVER] = {"172.16.0.1:0", "172.16.0.1:65536", "host:53", "[:53", "]:53", ":53",
                            "[::1", "[]:53", "[::ffff:10.0.0.1]:53"},
    [BANGER_KIND_CIDR] = {"0", "129", "-1", "+24", "024", "24 24", "172.16.0.0/33", "a/24"},
    [BANGER_KIND_DM_NAME] = {"root", "fc-rootfs-", "fc-rootfs-a/b"},
    [BANGER_KIND_DM_TARGET] = {"root", "/dev/mapper/root", "/dev/sda", "/dev/mapper/../sda"},
    [BANGER_KIND_DM_PATH] = {"fc-rootfs-1", "/dev/sda", "/dev/mapper/root"},
    [BANGER_KIND_LOOP_PATH] = {"/dev/sda", "/dev/loop", "loop1", "/dev/loop1/../sda"},
    [BANGER_KIND_STATE_PATH] = {"/etc/shadow", "relative", "/var/lib/banger",
                                "/var/lib/banger/../x", "/dev/mapper/fc-rootfs-1"},
    [BANGER_KIND_RUNTIME_PATH] = {"/run/other", "/run/banger", "/run/banger/../x", "relative"},
    [BANGER_KIND_IMAGE_PATH] = {"/etc/shadow", "/dev/sda", "/dev/mapper/root", "/dev/loop0",
                                "relative"},
    [BANGER_KIND_GUEST_PATH] = {"relative", "/", "//", "/.", "/a/../b", "/.."},
    [BANGER_KIND_BINARY] = {"./firecracker", "bin/firecracker", "..", ".", "/a/../b"},
    [BANGER_KIND_BINARY_PATH] = {"firecracker", "./firecracker", "/a/../b", "/"},
    [BANGER_KIND_VM_ID] = {"a_b", "a/b", "../x"},
    [BANGER_KIND_DRIVE_ID] = {"a-b", "a/b"},
    [BANGER_KIND_MAC] = {"06:00:ac:10:00", "01:00:5e:00:00:01", "06-00-ac-10-00-02"},
    [BANGER_KIND_JSON] = {"{\x01}"},
    [BANGER_KIND_SIGNAL] = {"0", "65", "NOPE"},
    [BANGER_KIND_FILE_MODE] = {NULL},
};

/* One string of a request that is otherwise well-formed. */
typedef struct {
    const BangerMethod *method;
    const BangerField *field;
    size_t base;     /* of its struct in the request, or in the first element of the array */
    bool in_array;   /* … */
    size_t of_array; /* that lies here in the request */
    char *path;      /* as the error message has it: "drives: element 0: path" */
} Place;

typedef void (*Visitor)(const Place *place);

static void
visit(const Place *outer, const BangerField *fields, size_t base, const char *path, Visitor visitor)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        g_autofree char *own = g_strconcat(path, field->name, NULL);
        g_autofree char *inner = g_strconcat(own, ": ", NULL);
        g_autofree char *element = g_strconcat(own, ": element 0: ", NULL);
        Place place = *outer;

        place.field = field;
        place.base = base;
        place.path = own;
        switch (field->type) {
        case BANGER_TYPE_STRUCT:
        case BANGER_TYPE_DICT:
            visit(&place, field->members, base + field->offset, inner, visitor);
            break;
        case BANGER_TYPE_ARRAY:
        case BANGER_TYPE_LIST:
        case BANGER_TYPE_MAP:
            if (place.in_array) /* one array deep is as far as base_of() goes */
                break;
            place.in_array = true;
            place.of_array = base + field->offset;
            visit(&place, field->members, 0, element, visitor);
            break;
        default:
            visitor(&place);
        }
    }
}

static void
visit_method(const BangerMethod *method, Visitor visitor)
{
    const Place outer = {.method = method};

    visit(&outer, method->in, 0, "", visitor);
}

/* The struct in @request that the member is of. */
static void *
base_of(const Place *place, BangerRequest *request)
{
    char *base = (char *)request;

    if (place->in_array)
        base = (*(GArray **)(void *)(base + place->of_array))->data;
    return base + place->base;
}

static void *
at(const Place *place, BangerRequest *request)
{
    return BANGER_MEMBER(base_of(place, request), place->field, void);
}

/* A sample request with @text, if it can be parsed, at @place. */
static BangerRequest *
request_with(const Place *place, const char *text, GError **error)
{
    BangerRequest *request = sample_request(place->method);
    void *base = base_of(place, request);

    banger_value_clear(place->field, base);
    (void)banger_value_parse(place->field, text, &sample_settings, base, error);
    return request;
}

static void
check_text(const Place *place, const char *text)
{
    g_autoptr(GError) error = NULL;

    banger_request_free(place->method, request_with(place, text, &error));
    ck_assert_msg(error != NULL, "%s: \"%s\" is taken", place->path, text);
    ck_assert_int_eq(banger_error_code(error), BANGER_ERROR_BAD_PARAMS);
}

/* The canonical spelling of what @text is at @place. */
static char *
canonical_of(const Place *place, const char *text)
{
    g_autoptr(GError) error = NULL;
    BangerRequest *request = request_with(place, text, &error);
    char *canonical = NULL;

    if (error == NULL)
        canonical = banger_value_format(place->field, base_of(place, request));
    banger_request_free(place->method, request);
    ck_assert_msg(error == NULL, "%s: \"%s\": %s", place->path, text,
                  error == NULL ? "" : error->message);
    return canonical;
}

START_TEST(samples_are_valid)
{
    const BangerMethod *method = banger_method((BangerMethodId)_i);
    BangerRequest *request = sample_request(method);
    g_autoptr(GError) error = NULL;

    ck_assert_msg(banger_request_validate(method, request, &sample_settings, &error), "%s: %s",
                  method->dbus_name, error == NULL ? "" : error->message);
    banger_request_free(method, request);
}
END_TEST

static void
try_wrong_values(const Place *place)
{
    if (place->field->type != BANGER_TYPE_STRING)
        return;
    for (const char *const *text = wrong[place->field->kind]; *text != NULL; text++)
        check_text(place, *text);
}

START_TEST(wrong_values)
{
    visit_method(banger_method((BangerMethodId)_i), try_wrong_values);
}
END_TEST

static void
try_wrong_texts(const Place *place)
{
    static const char *const texts[] = {"a\nb",
                                        "a\x01",
                                        "a\x7f"
                                        "b",
                                        "a\tb",
                                        "a\xc2\x9b"
                                        "b",
                                        "a\xe2\x80\xae"
                                        "b",
                                        "a\xe2\x80\xa8"
                                        "b",
                                        "\xff\xfe",
                                        "a\xc3"};
    g_autofree char *too_long = g_strnfill(BANGER_TEXT_MAX + 1, 'a');

    /* JSON may have line ends and tabs between its tokens, and is longer. */
    if (place->field->type != BANGER_TYPE_STRING || place->field->kind == BANGER_KIND_JSON)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        check_text(place, texts[i]);
    check_text(place, too_long);
}

/* Whatever the kind: not printable, no UTF-8, too long. */
START_TEST(wrong_texts)
{
    visit_method(banger_method((BangerMethodId)_i), try_wrong_texts);
}
END_TEST

START_TEST(json_texts)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_LAUNCH_FIRECRACKER);
    g_autofree char *longest = g_strnfill(BANGER_JSON_TEXT_MAX, '1');
    g_autofree char *too_long = g_strnfill(BANGER_JSON_TEXT_MAX + 1, '1');
    BangerRequest *request = sample_request(method);

    ck_assert(set_text(method, request, "cpu_config", "{\n\t\"a\": 1\r\n}", NULL));
    ck_assert_str_eq(request->launch_firecracker.options.cpu_config, "{\n\t\"a\": 1\r\n}");
    ck_assert(set_text(method, request, "cpu_config", longest, NULL));
    ck_assert(!set_text(method, request, "cpu_config", too_long, NULL));
    ck_assert(!set_text(method, request, "cpu_config", "{\x1b}", NULL));
    ck_assert(!set_text(method, request, "cpu_config", "\xff", NULL));
    banger_request_free(method, request);
}
END_TEST

static void
try_white_space(const Place *place)
{
    g_autofree char *padded = NULL;
    g_autofree char *of_sample = NULL;
    g_autofree char *of_padded = NULL;

    if (place->field->type != BANGER_TYPE_STRING)
        return;
    padded = g_strconcat(" \t", sample_value(place->field), "\n ", NULL);
    of_sample = canonical_of(place, sample_value(place->field));
    of_padded = canonical_of(place, padded);
    ck_assert_str_eq(of_padded, of_sample);
}

START_TEST(white_space_is_trimmed)
{
    visit_method(banger_method((BangerMethodId)_i), try_white_space);
}
END_TEST

static void
try_empty(const Place *place)
{
    unsigned int may = BANGER_FIELD_MAY_BE_EMPTY | BANGER_FIELD_OPTIONAL;

    if (place->field->type != BANGER_TYPE_STRING || (place->field->flags & may) != 0)
        return;
    check_text(place, "");
    check_text(place, "  \t ");
}

START_TEST(empty_values)
{
    visit_method(banger_method((BangerMethodId)_i), try_empty);
}
END_TEST

static void
try_numbers(const Place *place)
{
    const BangerField *field = place->field;
    BangerRequest *request = sample_request(place->method);

    if (banger_type_is_number(field->type) && field->kind == BANGER_KIND_NUMBER) {
        void *base = base_of(place, request);

        if (field->min > 0) {
            banger_field_set_number(field, base, field->min - 1);
            check_request_refused(place->method, request, place->path);
        }
        banger_field_set_number(field, base, field->max + 1);
        if (banger_field_number(field, base) > field->max) /* not where the type ends there too */
            check_request_refused(place->method, request, place->path);
    } else if (field->type == BANGER_TYPE_BYTES) {
        GBytes **bytes = at(place, request);
        g_autofree char *zeros = g_malloc0((gsize)field->max + 1);

        g_bytes_unref(*bytes);
        *bytes = g_bytes_new_static(zeros, (gsize)field->max + 1);
        check_request_refused(place->method, request, place->path);
    }
    banger_request_free(place->method, request);
}

START_TEST(numbers_and_sizes)
{
    visit_method(banger_method((BangerMethodId)_i), try_numbers);
}
END_TEST

START_TEST(file_modes)
{
    static const struct {
        uint32_t given, kept;
    } modes[] = {{0, 0644}, {0600, 0600}, {0100755, 0755}, {06755, 06755}, {040000, 0644}};
    const BangerMethod *method = banger_method(BANGER_METHOD_WRITE_EXT4_FILES);

    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        BangerRequest *request = sample_request(method);
        BangerExt4File *file = &g_array_index(request->write_ext4_files.files, BangerExt4File, 0);

        file->mode = modes[i].given;
        ck_assert(banger_request_validate(method, request, &sample_settings, NULL));
        ck_assert_uint_eq(file->mode, modes[i].kept);
        banger_request_free(method, request);
    }
}
END_TEST

/* What defaults become where a text may be empty. */
START_TEST(empty_texts)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_SIGNAL_PROCESS);
    BangerRequest *request = sample_request(method);

    ck_assert(set_text(method, request, "signal", "", NULL));
    ck_assert_int_eq(request->signal_process.signal, SIGTERM);
    banger_request_free(method, request);

    method = banger_method(BANGER_METHOD_RESOLVE_FIRECRACKER_BINARY);
    request = sample_request(method);
    ck_assert(set_text(method, request, "requested", " ", NULL));
    ck_assert_str_eq(request->resolve_firecracker_binary.requested, "firecracker");
    banger_request_free(method, request);

    method = banger_method(BANGER_METHOD_SYNC_RESOLVER_ROUTING);
    request = sample_request(method);
    ck_assert(set_text(method, request, "server_addr", "", NULL));
    ck_assert_int_eq(request->sync_resolver_routing.server_addr.address.family, 0);
    banger_request_free(method, request);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("validate");
    TCase *tcase = tcase_create("validate");

    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, samples_are_valid, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, wrong_values, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, wrong_texts, 0, BANGER_N_METHODS);
    tcase_add_test(tcase, json_texts);
    tcase_add_loop_test(tcase, white_space_is_trimmed, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, empty_values, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, numbers_and_sizes, 0, BANGER_N_METHODS);
    tcase_add_test(tcase, file_modes);
    tcase_add_test(tcase, empty_texts);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/validate", suite);
}
