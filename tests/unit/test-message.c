/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages decoded into requests, and replies encoded; wrong signatures, sizes and texts. */
#include <glib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/message.h"
#include "lib/harness.h"
#include "model/bounds.h"
#include "model/validate.h"
#include "unit/requests.h"
#include "util/error.h"
#include "util/sd-auto.h"

/* A bus that is never spoken to: sd-bus makes messages only for one that was started. */
static sd_bus *
make_bus(void)
{
    sd_bus *bus = NULL;
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    ck_assert_int_ge(sd_bus_new(&bus), 0);
    ck_assert_int_ge(sd_bus_set_fd(bus, fds[0], fds[0]), 0);
    ck_assert_int_ge(sd_bus_start(bus), 0);
    (void)close(fds[1]);
    return bus;
}

static sd_bus *bus;

static void
set_up(void)
{
    bus = make_bus();
}

static void
tear_down(void)
{
    bus = sd_bus_close_unref(bus);
}

static sd_bus_message *
new_call(const BangerMethod *method)
{
    sd_bus_message *message = NULL;

    ck_assert_int_ge(sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME,
                                                    BANGER_OBJECT_PATH, BANGER_INTERFACE,
                                                    method->dbus_name),
                     0);
    return message;
}

static BangerRequest *
decode(sd_bus_message *message, const BangerMethod *method, GError **error)
{
    BangerRequest *request = NULL;
    bool ok;

    ck_assert_int_ge(sd_bus_message_seal(message, 1, 0), 0);
    ok = banger_message_decode(message, method, &sample_settings, &request, error);
    ck_assert_ptr_nonnull(request);
    if (error != NULL)
        ck_assert_msg(ok == (*error == NULL), "the result and the error disagree");
    return request;
}

START_TEST(scalars_are_owned)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_ENSURE_NAT);
    sd_bus_message *message = new_call(method);
    g_autofree char *address = NULL;
    g_autoptr(GError) error = NULL;
    BangerRequest *request;

    ck_assert_int_ge(sd_bus_message_append(message, "ssbs", "172.16.0.2", "tap-fc-1", 1, "op-1"),
                     0);
    request = decode(message, method, &error);
    sd_bus_message_unref(message);
    ck_assert_ptr_null(error);
    address = banger_address_format(&request->ensure_nat.guest_ip);
    ck_assert_str_eq(address, "172.16.0.2");
    ck_assert_str_eq(request->ensure_nat.tap, "tap-fc-1");
    ck_assert(request->ensure_nat.enable);
    ck_assert_str_eq(request->op_id, "op-1");
    ck_assert_uint_eq(request->size, strlen("172.16.0.2") + strlen("tap-fc-1"));
    banger_request_free(method, request);
}
END_TEST

START_TEST(arrays_of_files)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_WRITE_EXT4_FILES);
    g_autoptr(sd_bus_message) message = new_call(method);
    g_autoptr(GError) error = NULL;
    BangerRequest *request;
    const BangerExt4File *file;

    ck_assert_int_ge(sd_bus_message_append(message, "sa(sayu)s", "/var/lib/banger/a.ext4", 2,
                                           "/etc/a", 3, 1, 0, 255, 0644u, "/etc/b", 0, 0u, "op-1"),
                     0);
    request = decode(message, method, &error);
    ck_assert_ptr_null(error);
    ck_assert_uint_eq(request->write_ext4_files.files->len, 2);
    file = &g_array_index(request->write_ext4_files.files, BangerExt4File, 0);
    ck_assert_str_eq(file->guest_path, "/etc/a");
    ck_assert_uint_eq(g_bytes_get_size(file->data), 3);
    ck_assert_int_eq(memcmp(g_bytes_get_data(file->data, NULL), "\1\0\377", 3), 0);
    file = &g_array_index(request->write_ext4_files.files, BangerExt4File, 1);
    ck_assert_uint_eq(g_bytes_get_size(file->data), 0);
    ck_assert_uint_eq(file->mode, 0);
    banger_request_free(method, request);
}
END_TEST

START_TEST(too_many_files)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_WRITE_EXT4_FILES);
    g_autoptr(sd_bus_message) message = new_call(method);
    g_autoptr(GError) error = NULL;
    BangerRequest *request;

    ck_assert_int_ge(sd_bus_message_append(message, "s", "/var/lib/banger/a.ext4"), 0);
    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "(sayu)"), 0);
    for (unsigned int i = 0; i <= BANGER_GUEST_FILES_MAX; i++)
        ck_assert_int_ge(sd_bus_message_append(message, "(sayu)", "/a", 0, 0u), 0);
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", "op-7"), 0);
    request = decode(message, method, &error);
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_BAD_PARAMS));
    ck_assert_msg(strstr(error->message, "files") != NULL, "%s", error->message);
    ck_assert_str_eq(request->op_id, "op-7"); /* the answer carries it all the same */
    banger_request_free(method, request);
}
END_TEST

START_TEST(too_many_bytes)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_WRITE_EXT4_FILES);
    g_autoptr(sd_bus_message) message = new_call(method);
    g_autoptr(GError) error = NULL;
    g_autofree void *data = g_malloc0(BANGER_MESSAGE_MAX / 2);
    BangerRequest *request;

    ck_assert_int_ge(sd_bus_message_append(message, "s", "/var/lib/banger/a.ext4"), 0);
    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "(sayu)"), 0);
    for (unsigned int i = 0; i < 3; i++) {
        ck_assert_int_ge(sd_bus_message_open_container(message, 'r', "sayu"), 0);
        ck_assert_int_ge(sd_bus_message_append(message, "s", "/a"), 0);
        ck_assert_int_ge(sd_bus_message_append_array(message, 'y', data, BANGER_MESSAGE_MAX / 2),
                         0);
        ck_assert_int_ge(sd_bus_message_append(message, "u", 0u), 0);
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    }
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", "op-7"), 0);
    request = decode(message, method, &error);
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_LIMITS_EXCEEDED));
    ck_assert_str_eq(request->op_id, "op-7");
    banger_request_free(method, request);
}
END_TEST

START_TEST(wrong_signature)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_CREATE_TAP);
    g_autoptr(sd_bus_message) message = new_call(method);
    g_autoptr(GError) error = NULL;
    BangerRequest *request;

    ck_assert_int_ge(sd_bus_message_append(message, "su", "br-fc", 1u), 0);
    request = decode(message, method, &error);
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_BAD_PARAMS));
    ck_assert_str_eq(error->message, "CreateTap(s bridge_name, s bridge_ip, s cidr, s tap_name, "
                                     "s op_id) was called with arguments of the signature \"su\"");
    ck_assert_str_eq(request->op_id, "");
    ck_assert_str_eq(request->create_tap.tap_name, "");
    banger_request_free(method, request);
}
END_TEST

/* All that LaunchFirecracker must have; the test's own key, if any, comes last. */
static sd_bus_message *
new_launch(const char *left_out)
{
    static const struct {
        const char *key, *value;
    } strings[] = {
        {"binary_path", "/usr/bin/firecracker"},
        {"vm_id", "vm-1"},
        {"socket_path", "/run/banger/api"},
        {"log_path", "/var/lib/banger/log"},
        {"metrics_path", "/var/lib/banger/metrics"},
        {"kernel_image_path", "/var/lib/banger/kernel"},
        {"kernel_args", "quiet"},
        {"tap_device", "tap-fc-1"},
    };
    static const char *const numbers[] = {"vcpu_count", "memory_mib"};
    sd_bus_message *message = new_call(banger_method(BANGER_METHOD_LAUNCH_FIRECRACKER));

    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "{sv}"), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
        if (g_strcmp0(left_out, strings[i].key) != 0)
            ck_assert_int_ge(
                sd_bus_message_append(message, "{sv}", strings[i].key, "s", strings[i].value), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
        if (g_strcmp0(left_out, numbers[i]) != 0)
            ck_assert_int_ge(sd_bus_message_append(message, "{sv}", numbers[i], "u", 7u), 0);
    if (g_strcmp0(left_out, "drives") != 0)
        ck_assert_int_ge(sd_bus_message_append(message, "{sv}", "drives", "a(ssbb)", 2, "root",
                                               "/dev/mapper/fc-rootfs-1", 0, 1, "data",
                                               "/var/lib/banger/data", 1, 0),
                         0);
    return message;
}

static BangerRequest *
end_launch(sd_bus_message *message, GError **error)
{
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", "op-7"), 0);
    return decode(message, banger_method(BANGER_METHOD_LAUNCH_FIRECRACKER), error);
}

static void
free_launch(BangerRequest *request)
{
    banger_request_free(banger_method(BANGER_METHOD_LAUNCH_FIRECRACKER), request);
}

/* A text that is not of its kind is refused by the name of its place. */
START_TEST(wrong_texts)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_WRITE_EXT4_FILES);
    g_autoptr(sd_bus_message) files = new_call(method);
    g_autoptr(sd_bus_message) launch = new_launch("vm_id");
    g_autoptr(sd_bus_message) network = new_launch(NULL);
    g_autoptr(GError) error = NULL;
    BangerRequest *request;

    ck_assert_int_ge(sd_bus_message_append(files, "sa(sayu)s", "/var/lib/banger/a.ext4", 2,
                                           "/etc/a", 0, 0u, "/etc/../b", 0, 0u, "op-7"),
                     0);
    request = decode(files, method, &error);
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_BAD_PARAMS));
    ck_assert_msg(g_str_has_prefix(error->message, "files: element 1: guest_path: "), "%s",
                  error->message);
    ck_assert_str_eq(request->op_id, "op-7");
    banger_request_free(method, request);

    g_clear_error(&error);
    ck_assert_int_ge(sd_bus_message_append(launch, "{sv}", "vm_id", "s", "a/b"), 0);
    request = end_launch(launch, &error);
    ck_assert_msg(g_str_has_prefix(error->message, "machine: vm_id: "), "%s", error->message);
    ck_assert_str_eq(request->op_id, "op-7");
    free_launch(request);

    g_clear_error(&error);
    ck_assert_int_ge(
        sd_bus_message_append(network, "{sv}", "network", "(sss)", "br-fc", "host", "24"), 0);
    request = end_launch(network, &error);
    ck_assert_msg(g_str_has_prefix(error->message, "machine: network: bridge_ip: "), "%s",
                  error->message);
    free_launch(request);
}
END_TEST

START_TEST(machine_with_everything)
{
    g_autoptr(sd_bus_message) message = new_launch(NULL);
    g_autoptr(GError) error = NULL;
    BangerRequest *request;
    const BangerLaunchFirecrackerRequest *launch;

    ck_assert_int_ge(
        sd_bus_message_append(message, "{sv}", "network", "(sss)", "br-fc", "172.16.0.1", "24"), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "{sv}", "vsock_cid", "u", 3u), 0);
    request = end_launch(message, &error);
    ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
    launch = &request->launch_firecracker;
    ck_assert_str_eq(launch->vm_id, "vm-1");
    ck_assert_str_eq(launch->initrd_path, "");
    ck_assert_int_eq(launch->network.bridge_ip.family, AF_INET);
    ck_assert_uint_eq(launch->network.cidr.length, 24);
    ck_assert_uint_eq(launch->vsock_cid, 3);
    ck_assert_uint_eq(launch->memory_mib, 7);
    ck_assert_uint_eq(launch->drives->len, 2);
    ck_assert(g_array_index(launch->drives, BangerDrive, 0).is_root);
    ck_assert(!g_array_index(launch->drives, BangerDrive, 0).read_only);
    ck_assert(g_array_index(launch->drives, BangerDrive, 1).read_only);
    free_launch(request);
}
END_TEST

static const char *const mandatory[] = {
    "binary_path", "vm_id",      "socket_path", "log_path",   "metrics_path", "kernel_image_path",
    "kernel_args", "tap_device", "vcpu_count",  "memory_mib", "drives",
};

START_TEST(machine_with_a_key_missing)
{
    g_autoptr(sd_bus_message) message = new_launch(mandatory[_i]);
    g_autoptr(GError) error = NULL;
    g_autofree char *quoted = g_strdup_printf("\"%s\" is missing", mandatory[_i]);
    BangerRequest *request = end_launch(message, &error);

    /* Three of them are not for a machine that is loaded: that is looked at with the others. */
    if (error == NULL)
        (void)banger_request_validate(banger_method(BANGER_METHOD_LAUNCH_FIRECRACKER), request,
                                      &sample_settings, &error);
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_BAD_PARAMS));
    ck_assert_msg(strstr(error->message, quoted) != NULL, "%s", error->message);
    ck_assert_str_eq(request->op_id, "op-7");
    free_launch(request);
}
END_TEST

static const struct {
    const char *key;
    const char *type;
    const char *named;
} odd_entries[] = {
    {"jailer", "s", "unknown key \"jailer\""},
    {"Vm_id", "s", "unknown key \"Vm_id\""},
    {"", "s", "unknown key \"\""},
    {"initrd_path", "u", "of type \"u\", not \"s\""},
    {"vsock_cid", "s", "of type \"s\", not \"u\""},
    {"network", "s", "of type \"s\", not \"(sss)\""},
    {"vm_id", "s", "occurs twice"},
};

START_TEST(machine_with_an_odd_key)
{
    g_autoptr(sd_bus_message) message = new_launch(NULL);
    g_autoptr(GError) error = NULL;
    BangerRequest *request;

    if (g_str_equal(odd_entries[_i].type, "u"))
        ck_assert_int_ge(sd_bus_message_append(message, "{sv}", odd_entries[_i].key, "u", 1u), 0);
    else
        ck_assert_int_ge(sd_bus_message_append(message, "{sv}", odd_entries[_i].key, "s", "x"), 0);
    request = end_launch(message, &error);
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_BAD_PARAMS));
    ck_assert_msg(strstr(error->message, odd_entries[_i].named) != NULL, "%s", error->message);
    ck_assert_str_eq(request->op_id, "op-7");
    free_launch(request);
}
END_TEST

START_TEST(replies)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_READ_EXT4_FILE);
    g_autoptr(sd_bus_message) message = new_call(method);
    BangerReply reply = {.read_ext4_file = {.data = g_bytes_new("a\0b", 3)}};
    const void *data;
    size_t size;

    ck_assert_int_ge(banger_message_encode(message, method, &reply), 0);
    ck_assert_int_ge(sd_bus_message_seal(message, 1, 0), 0);
    ck_assert_int_gt(sd_bus_message_read_array(message, 'y', &data, &size), 0);
    ck_assert_uint_eq(size, 3);
    ck_assert_int_eq(memcmp(data, "a\0b", 3), 0);
    banger_reply_clear(method, &reply);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("message");
    TCase *tcase = tcase_create("message");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, scalars_are_owned);
    tcase_add_test(tcase, arrays_of_files);
    tcase_add_test(tcase, wrong_texts);
    tcase_add_test(tcase, too_many_files);
    tcase_add_test(tcase, too_many_bytes);
    tcase_add_test(tcase, wrong_signature);
    tcase_add_test(tcase, machine_with_everything);
    tcase_add_loop_test(tcase, machine_with_a_key_missing, 0, G_N_ELEMENTS(mandatory));
    tcase_add_loop_test(tcase, machine_with_an_odd_key, 0, G_N_ELEMENTS(odd_entries));
    tcase_add_test(tcase, replies);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/message", suite);
}
