/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What polkit and the journal get of a request, and the keys that put calls in order. */
#include <glib.h>
#include <string.h>

#include "lib/harness.h"
#include "model/details.h"
#include "model/validate.h"
#include "unit/requests.h"

static void
append(const BangerField *field, const char *text, void *user_data)
{
    g_string_append_printf(user_data, "%s=%s\n", field->name, text);
}

/* The details of a sample request, "name=text" a line. */
static char *
details_of(BangerMethodId id)
{
    const BangerMethod *method = banger_method(id);
    BangerRequest *request = sample_request(method);
    GString *text = g_string_new("");

    banger_request_for_each_detail(method, request, append, text);
    banger_request_free(method, request);
    return g_string_free(text, FALSE);
}

START_TEST(details)
{
    g_autofree char *nat = details_of(BANGER_METHOD_ENSURE_NAT);
    g_autofree char *signal = details_of(BANGER_METHOD_SIGNAL_PROCESS);
    g_autofree char *write = details_of(BANGER_METHOD_WRITE_EXT4_FILES);
    g_autofree char *launch = details_of(BANGER_METHOD_LAUNCH_FIRECRACKER);

    ck_assert_str_eq(nat, "guest_ip=172.16.0.1\ntap=tap-fc-1\nenable=true\n");
    ck_assert_str_eq(signal, "pid=3\nsignal=TERM\n");
    /* An element a line, and never the contents. */
    ck_assert_str_eq(write, "image_path=/var/lib/banger/image\n"
                            "files=/etc/hostname1\n/etc/hostname2\n");
    ck_assert_ptr_nonnull(strstr(launch, "drives=drive1 true true /var/lib/banger/image1\n"
                                         "drive2 false false /var/lib/banger/image2\n"));
    ck_assert_ptr_nonnull(strstr(launch, "network=br-fc 172.16.0.1 24\n"));
    ck_assert_ptr_nonnull(strstr(launch, "kernel_args=true\n"));
    ck_assert_ptr_nonnull(strstr(launch, "vm_id=vm-1\n"));
    ck_assert_ptr_nonnull(strstr(launch, "vcpu_count=3\n"));
    ck_assert_ptr_nonnull(strstr(launch, "bridge_name=br-fc\n"));
    ck_assert_ptr_null(strstr(launch, "is_root="));
    ck_assert_ptr_null(strstr(launch, "any text"));
}
END_TEST

/* The keys of a sample request, validated, joined by spaces. */
static char *
keys_of(BangerMethodId id)
{
    const BangerMethod *method = banger_method(id);
    BangerRequest *request = sample_request(method);
    g_auto(GStrv) keys = NULL;

    ck_assert(banger_request_validate(method, request, &sample_settings, NULL));
    keys = banger_request_keys(method, request);
    banger_request_free(method, request);
    return g_strjoinv(" ", keys);
}

static const struct {
    BangerMethodId method;
    const char *keys;
} expected[] = {
    {BANGER_METHOD_ENSURE_BRIDGE, "link:br-fc"},
    {BANGER_METHOD_CREATE_TAP, "link:br-fc link:tap-fc-1"},
    {BANGER_METHOD_DELETE_TAP, "link:tap-fc-1"},
    {BANGER_METHOD_DELETE_BRIDGE, "link:br-fc"},
    {BANGER_METHOD_ENSURE_NAT, "link:tap-fc-1"},
    {BANGER_METHOD_CREATE_DM_SNAPSHOT,
     "+path:/var/lib/banger/base path:/var/lib/banger/cow dm:fc-rootfs-1"},
    /* A name and its path are one device. */
    {BANGER_METHOD_CLEANUP_DM_SNAPSHOT, "dm:fc-rootfs-1"},
    {BANGER_METHOD_REMOVE_DM_SNAPSHOT, "dm:fc-rootfs-1"},
    {BANGER_METHOD_FSCK_SNAPSHOT, "dm:fc-rootfs-1"},
    {BANGER_METHOD_CHECK_IMAGE, "path:/var/lib/banger/image"},
    {BANGER_METHOD_WRITE_EXT4_FILES, "path:/var/lib/banger/image"},
    {BANGER_METHOD_KILL_PROCESS, "pid:3"},
    {BANGER_METHOD_SIGNAL_PROCESS, "pid:3"},
    /* What only looks waits for no other call. */
    {BANGER_METHOD_PROCESS_RUNNING, ""},
    {BANGER_METHOD_RESOLVE_FIRECRACKER_BINARY, ""},
};

START_TEST(keys)
{
    g_autofree char *actual = keys_of(expected[_i].method);

    ck_assert_str_eq(actual, expected[_i].keys);
}
END_TEST

/* A VM, its API socket, its TAP and the drives that it writes are what a launch works on alone. */
START_TEST(keys_of_a_launch)
{
    g_autofree char *actual = keys_of(BANGER_METHOD_LAUNCH_FIRECRACKER);
    g_auto(GStrv) words = g_strsplit(actual, " ", -1);
    const char *const *all = (const char *const *)words;

    ck_assert(g_strv_contains(all, "vm:vm-1"));
    ck_assert(g_strv_contains(all, "path:/run/banger/api"));
    ck_assert(g_strv_contains(all, "path:/run/banger/vsock"));
    ck_assert(g_strv_contains(all, "link:tap-fc-1"));
    ck_assert(g_strv_contains(all, "+path:/var/lib/banger/image1"));
    ck_assert(g_strv_contains(all, "path:/var/lib/banger/image2"));
}
END_TEST

/* A drive that is only read is shared: a thousand machines have one. */
START_TEST(keys_of_drives)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_LAUNCH_FIRECRACKER);
    BangerRequest *request = sample_request(method);
    GArray *drives = request->launch_firecracker.drives;

    for (unsigned int read_only = 0; read_only <= 1; read_only++) {
        const BangerDrive *drive = &g_array_index(drives, BangerDrive, 0);
        g_autofree char *alone = g_strconcat("path:", drive->image.path, NULL);
        g_autofree char *shared = g_strconcat("+", alone, NULL);
        g_auto(GStrv) words = NULL;

        g_array_index(drives, BangerDrive, 0).read_only = read_only;
        words = banger_request_keys(method, request);
        ck_assert_int_eq(g_strv_contains((const char *const *)words, alone), !read_only);
        ck_assert_int_eq(g_strv_contains((const char *const *)words, shared), read_only);
    }
    banger_request_free(method, request);
}
END_TEST

/*
 * Machines are made side by side on one bridge and of one base image, and DestroyMachine waits for
 * the same objects as CreateMachine.
 */
START_TEST(keys_of_a_machine)
{
    static const BangerMethodId methods[] = {BANGER_METHOD_CREATE_MACHINE,
                                             BANGER_METHOD_DESTROY_MACHINE};
    const BangerMethod *method = banger_method(methods[_i]);
    BangerRequest *request = sample_request(method);
    g_auto(GStrv) words = banger_request_keys(method, request);
    const char *const *all = (const char *const *)words;

    banger_request_free(method, request);
    ck_assert(g_strv_contains(all, "vm:vm-1"));
    ck_assert(g_strv_contains(all, "path:/run/banger/api"));
    ck_assert(g_strv_contains(all, "link:tap-fc-1"));
    ck_assert(g_strv_contains(all, "dm:fc-rootfs-1"));
    ck_assert(g_strv_contains(all, "path:/var/lib/banger/cow"));
    ck_assert(g_strv_contains(all, "+link:br-fc"));
    ck_assert(g_strv_contains(all, "+path:/var/lib/banger/base"));
}
END_TEST

/* Who has an object alone does not share it besides. */
START_TEST(key_that_is_shared_too)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_CREATE_DM_SNAPSHOT);
    BangerRequest *request = sample_request(method);
    g_auto(GStrv) all = NULL;

    ck_assert(set_text(method, request, "rootfs_path", "/var/lib/banger/cow", NULL));
    all = banger_request_keys(method, request);
    ck_assert_uint_eq(g_strv_length(all), 2);
    ck_assert_str_eq(all[0], "path:/var/lib/banger/cow");
    ck_assert_str_eq(all[1], "dm:fc-rootfs-1");
    banger_request_free(method, request);
}
END_TEST

/* An image that is a device has the device's key. */
START_TEST(key_of_a_device)
{
    const BangerMethod *method = banger_method(BANGER_METHOD_READ_EXT4_FILE);
    BangerRequest *request = sample_request(method);
    g_auto(GStrv) all = NULL;

    ck_assert(set_text(method, request, "image_path", "/dev/mapper/fc-rootfs-1", NULL));
    all = banger_request_keys(method, request);
    ck_assert_uint_eq(g_strv_length(all), 1);
    ck_assert_str_eq(all[0], "dm:fc-rootfs-1");
    banger_request_free(method, request);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("details");
    TCase *tcase = tcase_create("details");

    tcase_add_test(tcase, details);
    tcase_add_loop_test(tcase, keys, 0, G_N_ELEMENTS(expected));
    tcase_add_test(tcase, keys_of_a_launch);
    tcase_add_test(tcase, keys_of_drives);
    tcase_add_loop_test(tcase, keys_of_a_machine, 0, 2);
    tcase_add_test(tcase, key_that_is_shared_too);
    tcase_add_test(tcase, key_of_a_device);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/details", suite);
}
