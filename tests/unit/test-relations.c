/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Validation: members of a request that depend on each other. */
#include <glib.h>
#include <string.h>

#include "lib/harness.h"
#include "model/bounds.h"
#include "model/validate.h"
#include "unit/requests.h"
#include "util/error.h"

/* What members say together: each row puts one or two values into a sample request. */
static const struct {
    BangerMethodId method;
    const char *first, *first_value;
    const char *second, *second_value;
    const char *prefix; /* NULL: valid */
} relations[] = {
#define BRIDGE(ip, network, result)                                                                \
    {                                                                                              \
        BANGER_METHOD_ENSURE_BRIDGE, "bridge_ip", ip, "cidr", network, result                      \
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
    {BANGER_METHOD_CREATE_TAP, "bridge_name", "tap-fc-1", "tap_name", "tap-fc-1", "tap_name: "},
    {BANGER_METHOD_ENSURE_NAT, "guest_ip", "127.0.0.1", "tap", "tap-fc-1", "guest_ip: "},
    {BANGER_METHOD_CREATE_DM_SNAPSHOT, "rootfs_path", "/var/lib/banger/a", "cow_path",
     "/var/lib/banger/a", "cow_path: "},
    {BANGER_METHOD_CLEANUP_DM_SNAPSHOT, "dm_name", "fc-rootfs-1", "dm_dev",
     "/dev/mapper/fc-rootfs-2", "dm_dev: "},
    {BANGER_METHOD_CLEANUP_DM_SNAPSHOT, "dm_name", "", "dm_dev", "/dev/mapper/fc-rootfs-2", NULL},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, "log_path", "/var/lib/banger/a", "metrics_path",
     "/var/lib/banger/a", "metrics_path: "},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, "log_path", "/var/lib/banger/a", "kernel_image_path",
     "/var/lib/banger/a", "log_path: "},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, "metrics_path", "/var/lib/banger/a", "initrd_path",
     "/var/lib/banger/a", "metrics_path: "},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, "socket_path", "/run/banger/a", "vsock_path",
     "/run/banger/a", "vsock_path: "},
    /* 97 bytes: "_4294967295" after them, and the NUL, do not fit into an address. */
    {BANGER_METHOD_LAUNCH_FIRECRACKER, "vsock_path",
     "/run/banger/"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "vm_id", "vm-1", "vsock_path: "},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, "bridge_ip", "", "cidr", "", "network: "},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, "cidr", "33", "bridge_name", "br-fc", "network: "},
    {BANGER_METHOD_LAUNCH_FIRECRACKER, "vsock_path", "", "vm_id", "vm-1", "vsock_cid: "},
};

START_TEST(members_together)
{
    const BangerMethod *method = banger_method(relations[_i].method);
    BangerRequest *request = sample_request(method);
    g_autoptr(GError) error = NULL;

    ck_assert(set_text(method, request, relations[_i].first, relations[_i].first_value, NULL));
    ck_assert(set_text(method, request, relations[_i].second, relations[_i].second_value, NULL));
    if (relations[_i].prefix != NULL)
        check_request_refused(method, request, relations[_i].prefix);
    else
        ck_assert_msg(banger_request_validate(method, request, &sample_settings, &error), "%s",
                      error == NULL ? "" : error->message);
    banger_request_free(method, request);
}
END_TEST

/* What the optional keys of a machine may not be together. */
static const struct {
    const char *name, *text, *words;
} wrong_options[] = {
    {"huge_pages", "4M", "huge_pages: \"4M\" is none of None, 2M"},
    {"cpu_template", "T2 S", "cpu_template: "},
    {"version", "V3", "mmds: version: "},
    {"ipv4_address", "fe80::1", "mmds: ipv4_address: "},
    /* of the sample's second interface or drive */
    {"tap_device", "tap-fc-12", "network_interfaces: the TAP \"tap-fc-12\" occurs twice"},
};

START_TEST(machine_options)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_LAUNCH_FIRECRACKER);
    BangerRequest *request = sample_request(method);
    g_autoptr(GError) error = NULL;

    ck_assert(set_text(method, request, wrong_options[_i].name, wrong_options[_i].text, NULL));
    ck_assert(!banger_request_validate(method, request, &sample_settings, &error));
    ck_assert_msg(g_str_has_prefix(error->message, wrong_options[_i].words), "%s", error->message);
    banger_request_free(method, request);
}
END_TEST

/* Those that are elements, and numbers. */
START_TEST(machine_option_elements)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_LAUNCH_FIRECRACKER);
    BangerRequest *request = sample_request(method);
    BangerMachineOptions *options = &request->launch_firecracker.options;
    BangerDriveOptions *drive = &g_array_index(options->drive_options, BangerDriveOptions, 1);
    BangerInterface *interface = &g_array_index(options->network_interfaces, BangerInterface, 1);
    g_autofree char *drive_id = drive->drive_id;
    g_autofree char *iface_id = interface->iface_id;

    ck_assert(banger_request_validate(method, request, &sample_settings, NULL));
    drive->drive_id = (char *)"drive1";
    ck_assert(!banger_request_validate(method, request, &sample_settings, NULL));
    drive->drive_id = drive_id;
    interface->iface_id = (char *)"eth0";
    ck_assert(!banger_request_validate(method, request, &sample_settings, NULL));
    interface->iface_id = iface_id;
    interface->options.rx_rate_limiter.has_bandwidth = false;
    interface->options.rx_rate_limiter.has_ops = false;
    ck_assert(!banger_request_validate(method, request, &sample_settings, NULL));
    interface->options.rx_rate_limiter.has_ops = true;
    options->balloon.amount_mib = request->launch_firecracker.memory_mib + 1;
    ck_assert(!banger_request_validate(method, request, &sample_settings, NULL));
    options->balloon.amount_mib = request->launch_firecracker.memory_mib;
    ck_assert(banger_request_validate(method, request, &sample_settings, NULL));
    drive->drive_id = g_steal_pointer(&drive_id);
    interface->iface_id = g_steal_pointer(&iface_id);
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
    check_request_refused(method, request, "drives: ");
    banger_request_free(method, request);
    /* The same id twice. */
    request = sample_request(method);
    drives = (BangerDrive *)(void *)request->launch_firecracker.drives->data;
    g_free(drives[1].id);
    drives[1].id = g_strdup(drives[0].id);
    check_request_refused(method, request, "drives: ");
    banger_request_free(method, request);
    /* A device that is not the root drive. */
    request = sample_request(method);
    drives = (BangerDrive *)(void *)request->launch_firecracker.drives->data;
    drives[1].image.dm_name = drives[1].image.path;
    drives[1].is_root = false;
    check_request_refused(method, request, "drives: ");
    banger_request_free(method, request);
    /* Too many. */
    request = sample_request(method);
    g_array_set_size(request->launch_firecracker.drives, BANGER_DRIVES_MAX + 1);
    banger_fields_fill_absent(method->in, request);
    check_request_refused(method, request, "machine: drives: ");
    banger_request_free(method, request);
}
END_TEST

/* A detail that polkit would be asked about has a limit. */
START_TEST(long_details)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_WRITE_EXT4_FILES);
    BangerRequest *request = sample_request(method);
    GArray *files = request->write_ext4_files.files;
    const size_t length = BANGER_DETAIL_MAX / 32;

    g_array_set_size(files, 32);
    for (guint i = 0; i < files->len; i++) {
        BangerExt4File *file = &g_array_index(files, BangerExt4File, i);

        g_free(file->guest_path);
        file->guest_path = g_strnfill(length - 1, '/'); /* and a line feed */
        if (file->data == NULL)
            file->data = g_bytes_new_static("", 0);
    }
    ck_assert(banger_request_validate(method, request, &sample_settings, NULL));
    for (guint i = 0; i < 2; i++) {
        BangerExt4File *file = &g_array_index(files, BangerExt4File, i);

        g_free(file->guest_path);
        file->guest_path = g_strnfill(length, '/');
    }
    check_request_refused(method, request, "files: ");
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
        check_request_refused(method, request, "vsock_cid: ");
        banger_request_free(method, request);
    }
}
END_TEST
int
main(void)
{
    Suite *suite = suite_create("relations");
    TCase *tcase = tcase_create("relations");

    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, members_together, 0, G_N_ELEMENTS(relations));
    tcase_add_loop_test(tcase, machine_options, 0, G_N_ELEMENTS(wrong_options));
    tcase_add_test(tcase, machine_option_elements);
    tcase_add_test(tcase, drives_together);
    tcase_add_test(tcase, vsock_cids);
    tcase_add_test(tcase, long_details);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/relations", suite);
}
