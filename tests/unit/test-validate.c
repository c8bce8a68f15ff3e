/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <string.h>

#include "lib/harness.h"
#include "model/limits.h"
#include "model/validate.h"
#include "unit/requests.h"
#include "util/error.h"

/* Values that no member of the kind may have; each list ends with NULL. */
static const char *const wrong[][12] = {
    [BANGER_KIND_LINK_NAME] = {"a/b", "tap%d", "abcdefghijklmnop", "all", ".."},
    [BANGER_KIND_TAP_NAME] = {"eth0", "tap-fc-", "tap%d"},
    [BANGER_KIND_ADDRESS] = {"172.16.0", "host", "172.16.0.1/24", "0.0.0.0", "224.0.0.1",
                             "fe80::1%eth0", "::"},
    [BANGER_KIND_SERVER] = {"172.16.0.1:0", "172.16.0.1:65536", "host:53", "[:53", "]:53", ":53",
                            "[::1", "[]:53"},
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
    [BANGER_KIND_GUEST_PATH] = {"relative", "/", "//"},
    [BANGER_KIND_BINARY] = {"./firecracker", "bin/firecracker", "..", "."},
    [BANGER_KIND_BINARY_PATH] = {"firecracker", "./firecracker"},
    [BANGER_KIND_VM_ID] = {"a_b", "a/b", "../x"},
    [BANGER_KIND_DRIVE_ID] = {"a-b", "a/b"},
    [BANGER_KIND_SIGNAL] = {"0", "65", "NOPE"},
    [BANGER_KIND_FILE_MODE] = {NULL},
};

/* Requires that @request is refused with BadParams and that the message begins with @prefix. */
static void
check_refused(const BangerMethod *method, BangerRequest *request, const char *prefix)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(!banger_request_validate(method, request, &sample_settings, &error),
                  "%s: taken, though %s is wrong", method->dbus_name, prefix);
    ck_assert_int_eq(banger_error_code(error), BANGER_ERROR_BAD_PARAMS);
    ck_assert_msg(g_str_has_prefix(error->message, prefix), "\"%s\" does not begin with \"%s\"",
                  error->message, prefix);
}

/* One string of a request that is otherwise well-formed. */
typedef struct {
    const BangerMethod *method;
    const BangerField *field;
    size_t offset;   /* in the request, or in the first element of the array */
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
        place.offset = base + field->offset;
        place.path = own;
        switch (field->type) {
        case BANGER_TYPE_STRUCT:
        case BANGER_TYPE_DICT:
            visit(&place, field->members, place.offset, inner, visitor);
            break;
        case BANGER_TYPE_ARRAY:
            place.in_array = true;
            place.of_array = place.offset;
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

static void *
at(const Place *place, BangerRequest *request)
{
    char *base = (char *)request;

    if (place->in_array)
        base = (*(GArray **)(void *)(base + place->of_array))->data;
    return base + place->offset;
}

/* A sample request with @text at @place. */
static BangerRequest *
request_with(const Place *place, const char *text)
{
    BangerRequest *request = sample_request(place->method);
    char **member = at(place, request);

    g_free(*member);
    *member = g_strdup(text);
    return request;
}

static void
check_text(const Place *place, const char *text)
{
    BangerRequest *request = request_with(place, text);

    check_refused(place->method, request, place->path);
    banger_request_free(place->method, request);
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
                                        "\xff\xfe",
                                        "a\xc3"};
    g_autofree char *too_long = g_strnfill(BANGER_TEXT_MAX + 1, 'a');

    if (place->field->type != BANGER_TYPE_STRING)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        check_text(place, texts[i]);
    check_text(place, too_long);
}

/* Whatever the kind: control bytes, no UTF-8, too long. */
START_TEST(wrong_texts)
{
    visit_method(banger_method((BangerMethodId)_i), try_wrong_texts);
}
END_TEST

static void
try_white_space(const Place *place)
{
    g_autofree char *padded = NULL;
    BangerRequest *request;
    char *sample;
    GError *error = NULL;

    if (place->field->type != BANGER_TYPE_STRING)
        return;
    request = sample_request(place->method);
    sample = g_strdup(*(char **)at(place, request));
    banger_request_free(place->method, request);
    padded = g_strconcat(" \t", sample, "\n ", NULL);
    request = request_with(place, padded);
    ck_assert_msg(banger_request_validate(place->method, request, &sample_settings, &error),
                  "%s: %s", place->method->dbus_name, error == NULL ? "" : error->message);
    ck_assert_str_eq(*(char **)at(place, request), sample);
    banger_request_free(place->method, request);
    g_free(sample);
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

    if (field->type == BANGER_TYPE_UINT32 && field->kind == BANGER_KIND_NUMBER) {
        if (field->min > 0) {
            *(uint32_t *)at(place, request) = field->min - 1;
            check_refused(place->method, request, place->path);
        }
        if (field->max < UINT32_MAX) {
            *(uint32_t *)at(place, request) = field->max + 1;
            check_refused(place->method, request, place->path);
        }
    } else if (field->type == BANGER_TYPE_BYTES) {
        GBytes **bytes = at(place, request);
        g_autofree char *zeros = g_malloc0((gsize)field->max + 1);

        g_bytes_unref(*bytes);
        *bytes = g_bytes_new_static(zeros, (gsize)field->max + 1);
        check_refused(place->method, request, place->path);
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

/* What validation makes canonical. */
START_TEST(canonical_forms)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_ENSURE_NAT);
    BangerRequest *request = sample_request(method);

    g_free(request->ensure_nat.guest_ip);
    request->ensure_nat.guest_ip = g_strdup("FD00:0:0::0002");
    ck_assert(banger_request_validate(method, request, &sample_settings, NULL));
    ck_assert_str_eq(request->ensure_nat.guest_ip, "fd00::2");
    banger_request_free(method, request);

    method = banger_method(BANGER_METHOD_REMOVE_DM_SNAPSHOT);
    request = sample_request(method);
    g_free(request->remove_dm_snapshot.target);
    request->remove_dm_snapshot.target = g_strdup("/dev/mapper/fc-rootfs-x");
    ck_assert(banger_request_validate(method, request, &sample_settings, NULL));
    ck_assert_str_eq(request->remove_dm_snapshot.target, "fc-rootfs-x");
    banger_request_free(method, request);
}
END_TEST

/* What members say together: each row puts one or two values into a sample request. */
static const struct {
    BangerMethodId method;
    size_t first;
    const char *first_value;
    size_t second;
    const char *second_value;
    const char *prefix; /* NULL: valid */
} relations[] = {
#define MEMBER(member) offsetof(BangerRequest, member)
#define BRIDGE(ip, network, result)                                                                \
    {                                                                                              \
        BANGER_METHOD_ENSURE_BRIDGE, MEMBER(ensure_bridge.bridge_ip), ip,                          \
            MEMBER(ensure_bridge.cidr), network, result                                            \
    }
    BRIDGE("172.16.0.1", "24", NULL),
    BRIDGE("172.16.0.1", "172.16.0.0/16", NULL),
    BRIDGE("172.16.0.1", "32", NULL),
    BRIDGE("fd00::1", "64", NULL),
    BRIDGE("fd00::1", "fd00::/64", NULL),
    BRIDGE("172.16.0.1", "33", "cidr: "),
    BRIDGE("172.16.0.1", "172.17.0.0/24", "cidr: "),
    BRIDGE("172.16.0.1", "fd00::/64", "cidr: "),
    BRIDGE("fd00::1", "172.16.0.0/24", "cidr: "),
    BRIDGE("127.0.0.1", "8", "bridge_ip: "),
    BRIDGE("::1", "128", "bridge_ip: "),
    BRIDGE("172.16.0.0", "24", "bridge_ip: "),
    BRIDGE("172.16.0.255", "24", "bridge_ip: "),
#undef BRIDGE
    {BANGER_METHOD_CREATE_TAP, MEMBER(create_tap.bridge.bridge_name), "tap-fc-1",
     MEMBER(create_tap.tap_name), "tap-fc-1", "tap_name: "},
    {BANGER_METHOD_ENSURE_NAT, MEMBER(ensure_nat.guest_ip), "127.0.0.1", MEMBER(ensure_nat.tap),
     "tap-fc-1", "guest_ip: "},
    {BANGER_METHOD_CREATE_DM_SNAPSHOT, MEMBER(create_dm_snapshot.rootfs_path), "/var/lib/banger/a",
     MEMBER(create_dm_snapshot.cow_path), "/var/lib/banger/a", "cow_path: "},
    {BANGER_METHOD_CLEANUP_DM_SNAPSHOT, MEMBER(cleanup_dm_snapshot.dm_name), "fc-rootfs-1",
     MEMBER(cleanup_dm_snapshot.dm_dev), "/dev/mapper/fc-rootfs-2", "dm_dev: "},
    {BANGER_METHOD_CLEANUP_DM_SNAPSHOT, MEMBER(cleanup_dm_snapshot.dm_name), "",
     MEMBER(cleanup_dm_snapshot.dm_dev), "/dev/mapper/fc-rootfs-2", NULL},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, MEMBER(launch_firecracker.log_path), "/var/lib/banger/a",
     MEMBER(launch_firecracker.metrics_path), "/var/lib/banger/a", "metrics_path: "},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, MEMBER(launch_firecracker.log_path), "/var/lib/banger/a",
     MEMBER(launch_firecracker.kernel_image_path), "/var/lib/banger/a", "log_path: "},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, MEMBER(launch_firecracker.metrics_path), "/var/lib/banger/a",
     MEMBER(launch_firecracker.initrd_path), "/var/lib/banger/a", "metrics_path: "},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, MEMBER(launch_firecracker.socket_path), "/run/banger/a",
     MEMBER(launch_firecracker.vsock_path), "/run/banger/a", "vsock_path: "},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, MEMBER(launch_firecracker.network.bridge_ip), "",
     MEMBER(launch_firecracker.network.cidr), "", "network: "},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, MEMBER(launch_firecracker.network.cidr), "33",
     MEMBER(launch_firecracker.network.bridge_name), "br-fc", "network: "},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, MEMBER(launch_firecracker.vsock_path), "",
     MEMBER(launch_firecracker.vm_id), "vm-1", "vsock_cid: "},
};

static void
put(BangerRequest *request, size_t offset, const char *value)
{
    char **member = (char **)(void *)((char *)request + offset);

    g_free(*member);
    *member = g_strdup(value);
}

START_TEST(members_together)
{
    const BangerMethod *method = banger_method(relations[_i].method);
    BangerRequest *request = sample_request(method);
    g_autoptr(GError) error = NULL;

    put(request, relations[_i].first, relations[_i].first_value);
    put(request, relations[_i].second, relations[_i].second_value);
    if (relations[_i].prefix != NULL)
        check_refused(method, request, relations[_i].prefix);
    else
        ck_assert_msg(banger_request_validate(method, request, &sample_settings, &error), "%s",
                      error == NULL ? "" : error->message);
    banger_request_free(method, request);
}
END_TEST

START_TEST(drives_together)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_LAUNCH_FIRECRACKER);
    BangerDrive *drives;
    BangerRequest *request;

    /* Two root drives. */
    request = sample_request(method);
    drives = (BangerDrive *)(void *)request->launch_firecracker.drives->data;
    drives[0].is_root = drives[1].is_root = true;
    check_refused(method, request, "drives: ");
    banger_request_free(method, request);
    /* The same id twice. */
    request = sample_request(method);
    drives = (BangerDrive *)(void *)request->launch_firecracker.drives->data;
    g_free(drives[1].id);
    drives[1].id = g_strdup(drives[0].id);
    check_refused(method, request, "drives: ");
    banger_request_free(method, request);
    /* A device that is not the root drive. */
    request = sample_request(method);
    drives = (BangerDrive *)(void *)request->launch_firecracker.drives->data;
    g_free(drives[1].path);
    drives[1].path = g_strdup("/dev/mapper/fc-rootfs-1");
    drives[1].is_root = false;
    check_refused(method, request, "drives: ");
    banger_request_free(method, request);
    /* Too many. */
    request = sample_request(method);
    g_array_set_size(request->launch_firecracker.drives, BANGER_DRIVES_MAX + 1);
    banger_fields_fill_absent(method->in, request);
    check_refused(method, request, "machine: drives: ");
    banger_request_free(method, request);
}
END_TEST

START_TEST(vsock_cids)
{
    static const uint32_t cids[] = {0, 1, 2, UINT32_MAX};
    const BangerMethod *method = banger_method(BANGER_METHOD_LAUNCH_FIRECRACKER);

    for (size_t i = 0; i < G_N_ELEMENTS(cids); i++) {
        BangerRequest *request = sample_request(method);

        request->launch_firecracker.vsock_cid = cids[i];
        check_refused(method, request, "vsock_cid: ");
        banger_request_free(method, request);
    }
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
    tcase_add_loop_test(tcase, white_space_is_trimmed, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, empty_values, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, numbers_and_sizes, 0, BANGER_N_METHODS);
    tcase_add_test(tcase, file_modes);
    tcase_add_test(tcase, canonical_forms);
    tcase_add_loop_test(tcase, members_together, 0, G_N_ELEMENTS(relations));
    tcase_add_test(tcase, drives_together);
    tcase_add_test(tcase, vsock_cids);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/validate", suite);
}
