/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What walks the descriptors of the method table, on descriptors of every type and nesting: reading
 * a message, finding the op_id behind what cannot be read, limits, details, keys, and replies.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/message-decode.h"
#include "bus/message.h"
#include "lib/harness.h"
#include "lib/loose-bus.h"
#include "model/details.h"
#include "model/validate.h"
#include "unit/requests.h"
#include "unit/wide-fields.h"
#include "util/error.h"
#include "util/sd-auto.h"

static sd_bus *bus;

static void
set_up(void)
{
    bus = loose_bus_new();
}

static void
tear_down(void)
{
    bus = sd_bus_close_unref(bus);
}

#define OK(call) ck_assert_int_ge((call), 0)

/* A message that has begun with a dictionary with the name. */
static sd_bus_message *
new_machine(void)
{
    sd_bus_message *message = loose_message_new(bus);

    OK(sd_bus_message_open_container(message, 'a', "{sv}"));
    OK(sd_bus_message_append(message, "{sv}", "name", "s", "vm-1"));
    return message;
}

/* The dictionary ends, and the other arguments and an op_id follow. */
static void
end_machine(sd_bus_message *message)
{
    OK(sd_bus_message_close_container(message));
    OK(sd_bus_message_append(message, "ha(sh)s", STDERR_FILENO, 1, "/a//b", STDERR_FILENO, "op-7"));
    OK(sd_bus_message_seal(message, 1, 0));
}

static bool
decode(sd_bus_message *message, WideRequest *request, GError **error)
{
    size_t bytes;

    return banger_message_decode_fields(message, wide_method.in, &sample_settings, request, &bytes,
                                        error);
}

static void
clear(WideRequest *request)
{
    banger_fields_clear(wide_method.in, request);
}

/* @message, ended and freed here, is read and valid. */
static void
take(sd_bus_message *message, WideRequest *request)
{
    g_autoptr(GError) error = NULL;
    const char *op_id;

    end_machine(message);
    ck_assert_msg(decode(message, request, &error), "%s", error == NULL ? "" : error->message);
    banger_fields_fill_absent(wide_method.in, request);
    OK(sd_bus_message_read_basic(message, 's', &op_id));
    ck_assert_str_eq(op_id, "op-7");
    OK(sd_bus_message_rewind(message, true));
    ck_assert(banger_message_skip_fields(message, wide_method.in));
    OK(sd_bus_message_read_basic(message, 's', &op_id));
    ck_assert_str_eq(op_id, "op-7");
    sd_bus_message_unref(message);
    ck_assert_msg(banger_request_validate(&wide_method, WIDE(request), &sample_settings, &error),
                  "%s", error == NULL ? "" : error->message);
}

/* @message is refused with BadParams and @text, by the decoder or by validation. */
static void
refuse(sd_bus_message *message, const char *text)
{
    WideRequest request = {0};
    g_autoptr(GError) error = NULL;
    const char *op_id;

    end_machine(message);
    if (decode(message, &request, &error)) {
        banger_fields_fill_absent(wide_method.in, &request);
        ck_assert_msg(
            !banger_request_validate(&wide_method, WIDE(&request), &sample_settings, &error),
            "taken in spite of \"%s\"", text);
    }
    ck_assert_str_eq(error->message, text);
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_BAD_PARAMS));
    clear(&request);
    /* The answer carries the op_id all the same. */
    OK(sd_bus_message_rewind(message, true));
    if (banger_message_skip_fields(message, wide_method.in)) {
        OK(sd_bus_message_read_basic(message, 's', &op_id));
        ck_assert_str_eq(op_id, "op-7");
    }
    sd_bus_message_unref(message);
}

START_TEST(signatures)
{
    g_autofree char *in = banger_fields_signature(wide_method.in);
    g_autofree char *out = banger_fields_signature(wide_method.out);
    g_autofree char *machine = banger_fields_signature(wide_method.in[0].members);

    ck_assert_str_eq(in, "a{sv}ha(sh)");
    ck_assert_str_eq(out, "a(suo)asodit");
    ck_assert_str_eq(machine, "ssqtbusasa(sqq)a{sa{sv}}a(sa{sv})a{sv}a{sv}");
}
END_TEST

START_TEST(defaults_and_presence)
{
    WideRequest request = {0};
    const WideMachine *machine = &request.machine;

    take(new_machine(), &request);
    ck_assert_str_eq(machine->name, "vm-1");
    ck_assert_int_eq(machine->guest_ip.family, 0);
    ck_assert_uint_eq(machine->cow_size, UINT64_C(1) << 40);
    ck_assert(machine->start);
    ck_assert_str_eq(machine->huge_pages, "None");
    ck_assert(!machine->has_mtu && machine->mtu == 0);
    ck_assert(!machine->has_egress && !machine->has_limiter && !machine->has_secrets);
    ck_assert_uint_eq(machine->egress->len, 0);
    ck_assert_uint_eq(machine->options->len, 0);
    clear(&request);
}
END_TEST

/* What is given wins over the default, also where it is "", 0 or false. */
START_TEST(given_is_not_absent)
{
    sd_bus_message *message = new_machine();
    WideRequest request = {0};

    OK(sd_bus_message_append(message, "{sv}", "start", "b", 0));
    OK(sd_bus_message_append(message, "{sv}", "cow_size", "t", UINT64_C(0)));
    OK(sd_bus_message_append(message, "{sv}", "huge_pages", "s", ""));
    OK(sd_bus_message_append(message, "{sv}", "mtu", "u", 1500));
    OK(sd_bus_message_append(message, "{sv}", "limiter", "a{sv}", 0));
    take(message, &request);
    ck_assert(!request.machine.start);
    ck_assert_uint_eq(request.machine.cow_size, 0);
    ck_assert_str_eq(request.machine.huge_pages, "");
    ck_assert(request.machine.has_mtu);
    ck_assert(request.machine.has_limiter && !request.machine.limiter.has_bandwidth);
    clear(&request);
}
END_TEST

/* A dictionary in a dictionary, in an array, and in a dictionary of dictionaries. */
static sd_bus_message *
new_full_machine(void)
{
    sd_bus_message *message = new_machine();

    OK(sd_bus_message_append(message, "{sv}", "guest_ip", "s", "FD00::0:2"));
    OK(sd_bus_message_append(message, "{sv}", "port", "q", 65535));
    OK(sd_bus_message_append(message, "{sv}", "cow_size", "t", UINT64_C(5000000000)));
    OK(sd_bus_message_append(message, "{sv}", "egress", "as", 2, "10.0.0.1", "FD00:0::1"));
    OK(sd_bus_message_append(message, "{sv}", "forwards", "a(sqq)", 2, "tcp", 8080, 80, "udp", 53,
                             53));
    OK(sd_bus_message_append(message, "{sv}", "options", "a{sa{sv}}", 2, "rootfs", 2, "cache", "s",
                             "Writeback", "limiter", "a{sv}", 1, "bandwidth", "(ttt)", UINT64_C(1),
                             UINT64_C(2), UINT64_C(3), "data", 0));
    OK(sd_bus_message_append(message, "{sv}", "interfaces", "a(sa{sv})", 1, "tap-fc-2", 1, "note",
                             "s", "a b"));
    OK(sd_bus_message_append(message, "{sv}", "limiter", "a{sv}", 2, "note", "s", "n", "bandwidth",
                             "(ttt)", UINT64_C(5), UINT64_C(0), UINT64_MAX));
    OK(sd_bus_message_append(message, "{sv}", "secrets", "a{sv}", 1, "note", "s", "hush"));
    return message;
}

START_TEST(nested_values)
{
    WideRequest request = {0};
    const WideMachine *machine = &request.machine;
    const WideOptions *options;

    take(new_full_machine(), &request);
    ck_assert_uint_eq(machine->port, 65535);
    ck_assert_uint_eq(machine->cow_size, UINT64_C(5000000000));
    ck_assert_uint_eq(machine->egress->len, 2);
    ck_assert_uint_eq(g_array_index(machine->egress, BangerAddress, 1).bytes[15], 1);
    ck_assert_uint_eq(g_array_index(machine->forwards, WideForward, 0).host_port, 8080);
    ck_assert_str_eq(g_array_index(machine->forwards, WideForward, 1).protocol, "udp");
    ck_assert_uint_eq(machine->options->len, 2);
    options = &g_array_index(machine->options, WideOptions, 0);
    ck_assert_str_eq(options->id, "rootfs");
    ck_assert_str_eq(options->cache, "Writeback");
    ck_assert(options->has_limiter && options->limiter.has_bandwidth);
    ck_assert_uint_eq(options->limiter.bandwidth.refill_ms, 3);
    /* Defaults apply inside too. */
    options = &g_array_index(machine->options, WideOptions, 1);
    ck_assert_str_eq(options->cache, "Unsafe");
    ck_assert(!options->has_limiter);
    ck_assert_str_eq(g_array_index(machine->interfaces, WideInterface, 0).tap, "tap-fc-2");
    ck_assert_uint_eq(machine->limiter.bandwidth.refill_ms, UINT64_MAX);
    clear(&request);
}
END_TEST

static void
append_detail(const BangerField *field, const char *text, void *user_data)
{
    g_string_append_printf(user_data, "%s: %s;", field->name, text);
}

START_TEST(details_of_all)
{
    WideRequest request = {0};
    g_autoptr(GString) text = g_string_new(NULL);

    take(new_full_machine(), &request);
    banger_request_for_each_detail(&wide_method, WIDE(&request), append_detail, text);
    ck_assert_str_eq(text->str,
                     "name: vm-1;guest_ip: fd00::2;port: 65535;cow_size: 5000000000;start: true;"
                     "mtu: ;huge_pages: None;egress: 10.0.0.1\nfd00::1;"
                     "forwards: tcp 8080 80\nudp 53 53;"
                     "options: rootfs cache=Writeback limiter=bandwidth=1 2 3\n"
                     "data cache=Unsafe;"
                     "interfaces: tap-fc-2 note=a b;"
                     "limiter: bandwidth=5 0 18446744073709551615\nnote=n;"
                     "secrets: true;files: /a/b;");
    clear(&request);
}
END_TEST

START_TEST(keys_of_all)
{
    WideRequest request = {0};
    g_auto(GStrv) keys = NULL;
    g_autofree char *all = NULL;

    take(new_full_machine(), &request);
    keys = banger_request_keys(&wide_method, WIDE(&request));
    all = g_strjoinv(" ", keys);
    ck_assert_str_eq(all, "vm:vm-1 link:tap-fc-2");
    clear(&request);
}
END_TEST

/* The request has descriptors of its own, of the same file, and closes them. */
START_TEST(descriptors)
{
    WideRequest request = {0};
    struct stat sent, received;
    int to, content;

    take(new_machine(), &request);
    ck_assert(request.to.is_open);
    to = request.to.fd;
    content = g_array_index(request.files, WideFile, 0).content.fd;
    ck_assert_int_ne(to, content);
    ck_assert_int_ne(fcntl(to, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(fstat(STDERR_FILENO, &sent), 0);
    ck_assert_int_eq(fstat(to, &received), 0);
    ck_assert_uint_eq(sent.st_ino, received.st_ino);
    clear(&request);
    ck_assert_int_eq(fcntl(to, F_GETFD), -1);
    ck_assert_int_eq(fcntl(content, F_GETFD), -1);
}
END_TEST

static const struct {
    const char *key, *type;
    unsigned int number;
    const char *message;
} scalars[] = {
    {"mtu", "u", 67, "machine: mtu: 67 is not from 68 to 65535"},
    {"mtu", "q", 1500, "machine: key \"mtu\" is of type \"q\", not \"u\""},
    {"port", "u", 1, "machine: key \"port\" is of type \"u\", not \"q\""},
    {"other", "u", 1, "machine: unknown key \"other\""},
};

START_TEST(wrong_scalars)
{
    sd_bus_message *message = new_machine();

    OK(sd_bus_message_append(message, "{sv}", scalars[_i].key, scalars[_i].type,
                             scalars[_i].number));
    refuse(message, scalars[_i].message);
}
END_TEST

START_TEST(wrong_lists)
{
    sd_bus_message *message = new_machine();

    OK(sd_bus_message_append(message, "{sv}", "egress", "as", 0));
    refuse(message, "machine: egress: 0 elements, not from 1 to 4");
    message = new_machine();
    OK(sd_bus_message_append(message, "{sv}", "egress", "as", 5, "10.0.0.1", "10.0.0.1", "10.0.0.1",
                             "10.0.0.1", "10.0.0.1"));
    refuse(message, "machine: egress: more than 4 elements");
    message = new_machine();
    OK(sd_bus_message_append(message, "{sv}", "egress", "as", 2, "10.0.0.1", "host"));
    refuse(message, "machine: egress: element 1: network: \"host\" is not an IPv4 or IPv6 address");
    message = new_machine();
    OK(sd_bus_message_append(message, "{sv}", "forwards", "a(sqq)", 1, "tcp", 0, 80));
    refuse(message, "machine: forwards: element 0: host_port: 0 is not from 1 to 65535");
}
END_TEST

START_TEST(wrong_dictionaries)
{
    sd_bus_message *message = new_machine();

    OK(sd_bus_message_append(message, "{sv}", "limiter", "a{sv}", 1, "ops", "s", "x"));
    refuse(message, "machine: limiter: unknown key \"ops\"");
    message = new_machine();
    OK(sd_bus_message_append(message, "{sv}", "limiter", "a{sv}", 2, "note", "s", "x", "note", "s",
                             "y"));
    refuse(message, "machine: limiter: key \"note\" occurs twice");
    message = new_machine();
    OK(sd_bus_message_append(message, "{sv}", "limiter", "a{sv}", 1, "bandwidth", "(ttt)",
                             UINT64_C(0), UINT64_C(0), UINT64_C(1)));
    refuse(message, "machine: limiter: bandwidth: size: 0 is not from 1 to 18446744073709551615");
    message = new_machine();
    OK(sd_bus_message_append(message, "{sv}", "options", "a{sa{sv}}", 2, "a", 0, " a", 0));
    refuse(message, "machine: options: key \"a\" occurs twice");
    message = new_machine();
    OK(sd_bus_message_append(message, "{sv}", "options", "a{sa{sv}}", 1, "a-b", 0));
    refuse(message, "machine: options: id: \"a-b\" is not a drive id: 1 to 64 of A-Z a-z 0-9 _");
    message = new_machine();
    OK(sd_bus_message_append(message, "{sv}", "interfaces", "a(sa{sv})", 1, "tap-fc-1", 1, "note",
                             "u", 7));
    refuse(message, "machine: interfaces: element 0: limiter: key \"note\" is of type \"u\", not "
                    "\"s\"");
}
END_TEST

START_TEST(replies)
{
    sd_bus_message *message = loose_message_new(bus);
    WideReply reply = {.object = g_strdup("/a"), .progress = 0.5, .status = -9, .size = UINT64_MAX};
    WideItem item = {g_strdup("vm-1"), 7, g_strdup("/b")};
    char *name = g_strdup("one");
    const char *id, *object, *first, *path;
    uint32_t leader;
    double progress;
    int32_t status;
    uint64_t size;

    banger_fields_fill_absent(wide_method.out, &reply);
    g_array_append_val(reply.machines, item);
    g_array_append_val(reply.names, name);
    OK(banger_message_encode(message, &wide_method, WIDE(&reply)));
    OK(sd_bus_message_seal(message, 1, 0));
    ck_assert_str_eq(sd_bus_message_get_signature(message, true), "a(suo)asodit");
    OK(sd_bus_message_read(message, "a(suo)asodit", 1, &id, &leader, &object, 1, &first, &path,
                           &progress, &status, &size));
    ck_assert_str_eq(id, "vm-1");
    ck_assert_uint_eq(leader, 7);
    ck_assert_str_eq(object, "/b");
    ck_assert_str_eq(first, "one");
    ck_assert_str_eq(path, "/a");
    ck_assert(progress > 0.49 && progress < 0.51);
    ck_assert_int_eq(status, -9);
    ck_assert_uint_eq(size, UINT64_MAX);
    sd_bus_message_unref(message);
    banger_fields_clear(wide_method.out, &reply);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fields");
    TCase *tcase = tcase_create("fields");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, signatures);
    tcase_add_test(tcase, defaults_and_presence);
    tcase_add_test(tcase, given_is_not_absent);
    tcase_add_test(tcase, nested_values);
    tcase_add_test(tcase, details_of_all);
    tcase_add_test(tcase, keys_of_all);
    tcase_add_test(tcase, descriptors);
    tcase_add_loop_test(tcase, wrong_scalars, 0, G_N_ELEMENTS(scalars));
    tcase_add_test(tcase, wrong_lists);
    tcase_add_test(tcase, wrong_dictionaries);
    tcase_add_test(tcase, replies);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/fields", suite);
}
