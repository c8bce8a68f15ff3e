/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files, machines and snapshots through the JSON socket, and answers that are never read. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "bus/json/json-client.h"
#include "bus/vmm/machine-fixture.h"
#include "model/bounds.h"
#include "util/settings.h"

/* What is large goes through the socket as it is, and machines live a whole life by it. */

#define DONE "{\"ok\":true,\"result\":{}}"

/* A sanitizer's own memory has no room for more. */
#ifdef __SANITIZE_ADDRESS__
#define UNREAD_SIZE (4u << 20)
#else
#define UNREAD_SIZE BANGER_GUEST_FILE_MAX
#endif

static const char *const impatient[] = {"--peer-timeout", "3", NULL};
static const char *const machines[] = {"json", NULL};
static pid_t bridge;

static void
set_up_host(void)
{
    machine_set_up(machines);
}

static void
set_up(void)
{
    bridge = client_start(NULL);
}

static void
set_up_impatient(void)
{
    bridge = client_start(impatient);
}

/* A system's own bridge, where these tests are a system's guests. */
static void
set_up_if_needed(void)
{
    bridge = client_listens() ? 0 : client_start(NULL);
}

static void
tear_down(void)
{
    if (bridge > 0)
        client_stop(bridge);
}

static char *
write_request(const char *image, const char *guest_path, const void *data, size_t length)
{
    g_autofree char *text = g_base64_encode(data, length);

    return g_strdup_printf("{\"version\":1,\"method\":\"priv.write_ext4_files\",\"params\":"
                           "{\"image_path\":\"%s\",\"files\":[{\"guest_path\":\"%s\",\"data\":"
                           "\"%s\",\"mode\":384}]},\"op_id\":\"op-write\"}\n",
                           image, guest_path, text);
}

static char *
read_request(const char *image, const char *guest_path)
{
    return g_strdup_printf("{\"version\":1,\"method\":\"priv.read_ext4_file\",\"params\":"
                           "{\"image_path\":\"%s\",\"guest_path\":\"%s\"},\"op_id\":\"op-read\"}\n",
                           image, guest_path);
}

/* As long as it may be: 16 MiB each way, 22 MiB of JSON. */
START_TEST(files)
{
    static const size_t lengths[] = {0, 1, 2, 3, 4096, BANGER_GUEST_FILE_MAX};
    g_autofree char *image = image_make("json.ext4", 64u << 20, "");
    g_autofree void *data = image_bytes(5, BANGER_GUEST_FILE_MAX);

    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autofree char *write = write_request(image, "/etc/some file", data, lengths[i]);
        g_autofree char *read = read_request(image, "/etc/some file");
        g_autofree char *text = g_base64_encode(data, lengths[i]);
        g_autofree char *expected =
            g_strdup_printf("{\"ok\":true,\"result\":{\"data\":\"%s\"}}", text);
        g_autofree char *answer = NULL;

        client_check(write, DONE);
        image_read_equals(image, "/etc/some file", data, lengths[i]);
        answer = client_ask(read);
        ck_assert_msg(strcmp(answer, expected) == 0, "%zu bytes: %.300s", lengths[i], answer);
    }
    image_check_clean(image);
}
END_TEST

START_TEST(file_too_large)
{
    g_autofree char *image = image_make("json.ext4", 64u << 20, "");
    g_autofree void *data = image_bytes(5, BANGER_GUEST_FILE_MAX + 1);
    g_autofree char *write = write_request(image, "/a", data, BANGER_GUEST_FILE_MAX + 1);
    g_autofree char *answer = client_ask(write);

    ck_assert_msg(g_str_has_prefix(answer, "{\"ok\":false,\"error\":{\"code\":\"bad_params\""),
                  "%s", answer);
}
END_TEST

/*
 * 64 answers of up to 22 MiB each that no one reads: most of them are refused room, the peer is
 * disconnected in the end, and another connection does not notice.
 */
START_TEST(answers_that_nobody_reads)
{
    g_autofree char *image = image_make("json.ext4", 64u << 20, "");
    g_autofree void *data = image_bytes(5, UNREAD_SIZE);
    ImageFile file = {"/a", data, UNREAD_SIZE, 0644};
    g_autoptr(GString) requests = g_string_new(NULL);
    struct pollfd poll_fd = {.events = 0};

    image_write_ok(image, &file, 1);
    for (int i = 0; i < 64; i++)
        g_string_append_printf(requests,
                               "{\"jsonrpc\":\"2.0\",\"method\":\"priv.read_ext4_file\",\"params\":"
                               "[\"%s\",\"/a\"],\"id\":%d}",
                               image, i);
    poll_fd.fd = client_connect(0);
    client_send(poll_fd.fd, requests->str);
    for (int i = 0; i < 5; i++)
        client_check("{\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":"
                     "\"tap-fc-none\"}}",
                     DONE);
    ck_assert_msg(poll(&poll_fd, 1, (int)(rig_timeout_usec() / 1000)) == 1 &&
                      (poll_fd.revents & POLLHUP) != 0,
                  "the bridge does not hang up");
    ck_assert_uint_lt(client_memory_peak(bridge), CLIENT_MEMORY_FACTOR * (256u << 20));
    (void)close(poll_fd.fd);
}
END_TEST

/* The numeric member of an answer such as {"ok":true,"result":{"pid":7}}. */
static unsigned int
ask_pid(const char *request)
{
    g_autofree char *answer = client_ask(request);
    unsigned int pid;
    char end;

    ck_assert_msg(sscanf(answer, "{\"ok\":true,\"result\":{\"pid\":%u}%c", &pid, &end) == 2 &&
                      end == '}',
                  "%s", answer);
    return pid;
}

static bool
is_not_running(void *data)
{
    g_autofree char *request =
        g_strdup_printf("{\"method\":\"priv.process_running\",\"params\":{\"pid\":%u,\"api_sock\":"
                        "\"" MACHINE_RUN "json.sock\"}}\n",
                        *(unsigned int *)data);
    g_autofree char *answer = client_ask(request);

    return strcmp(answer, "{\"ok\":true,\"result\":{\"running\":false}}") == 0;
}

/* With every member that the older clients send, the empty ones included. */
START_TEST(life_of_a_machine)
{
    static const char launch[] =
        "{\"version\":1,\"method\":\"priv.launch_firecracker\",\"params\":{"
        "\"binary_path\":\"" MACHINE_BINARY "\",\"vm_id\":\"json\",\"socket_path\":\"" MACHINE_RUN
        "json.sock\",\"log_path\":\"" MACHINE_STATE "json.log\",\"metrics_path\":\"" MACHINE_STATE
        "json.metrics\",\"kernel_image_path\":\"" MACHINE_STATE "kernel\",\"kernel_args\":"
        "\"console=ttyS0\",\"drives\":[{\"id\":\"rootfs\",\"path\":\"" MACHINE_STATE
        "rootfs\",\"read_only\":false,\"is_root\":true}],\"tap_device\":\"tap-fc-json\","
        "\"vsock_path\":\"\",\"vsock_cid\":0,\"vcpu_count\":2,\"memory_mib\":256,\"network\":{"
        "\"bridge_name\":\"\",\"bridge_ip\":\"\",\"cidr\":\"\"}},\"op_id\":\"op-launch\"}\n";
    unsigned int pid = ask_pid(launch);
    g_autofree char *running = g_strdup_printf(
        "{\"method\":\"priv.process_running\",\"params\":{\"pid\":%u,\"api_sock\":\"" MACHINE_RUN
        "json.sock\"}}\n",
        pid);
    g_autofree char *stop = g_strdup_printf(
        "{\"method\":\"priv.signal_process\",\"params\":{\"pid\":%u,\"signal\":\"CONT\"}}\n", pid);
    g_autofree char *end =
        g_strdup_printf("{\"method\":\"priv.kill_process\",\"params\":{\"pid\":%u}}\n", pid);

    ck_assert_uint_eq(ask_pid("{\"method\":\"priv.find_firecracker_pid\",\"params\":{\"api_sock\":"
                              "\"" MACHINE_RUN "json.sock\"}}\n"),
                      pid);
    client_check("{\"method\":\"priv.ensure_socket_access\",\"params\":{\"socket_path\":"
                 "\"" MACHINE_RUN "json.sock\",\"label\":\"api\"}}\n",
                 DONE);
    client_check(running, "{\"ok\":true,\"result\":{\"running\":true}}");
    client_check(stop, DONE);
    client_check(end, DONE);
    rig_wait_for(is_not_running, &pid, "the machine does not end");
}
END_TEST

START_TEST(resolved_binary)
{
    client_check("{\"method\":\"priv.resolve_firecracker_binary\",\"params\":{\"requested\":\"\"}}",
                 "{\"ok\":true,\"result\":{\"path\":\"" MACHINE_BINARY "\"}}");
}
END_TEST

/* One life of a snapshot; the loop devices' numbers are the kernel's choice. */
START_TEST(life_of_a_snapshot)
{
    g_autofree char *base = NULL;
    g_autofree char *cow = NULL;
    g_autofree char *create = NULL;
    g_autofree char *answer = NULL;
    g_autofree char *expected = NULL;
    g_autofree char *cleanup = NULL;
    unsigned int base_loop, cow_loop;

    if (!image_have_dm())
        return;
    base = image_make("json-base.ext4", 16u << 20, "");
    cow = image_path_of("json.cow");
    image_make_file(cow, 16u << 20);
    create = g_strdup_printf("{\"method\":\"priv.create_dm_snapshot\",\"params\":{\"rootfs_path\":"
                             "\"%s\",\"cow_path\":\"%s\",\"dm_name\":\"fc-rootfs-json\"}}",
                             base, cow);
    answer = client_ask(create);
    ck_assert_msg(sscanf(answer,
                         "{\"ok\":true,\"result\":{\"base_loop\":\"/dev/loop%u\",\"cow_loop\":"
                         "\"/dev/loop%u\"",
                         &base_loop, &cow_loop) == 2,
                  "%s", answer);
    expected =
        g_strdup_printf("{\"ok\":true,\"result\":{\"base_loop\":\"/dev/loop%u\",\"cow_loop\":"
                        "\"/dev/loop%u\",\"dm_name\":\"fc-rootfs-json\",\"dm_dev\":"
                        "\"/dev/mapper/fc-rootfs-json\"}}",
                        base_loop, cow_loop);
    ck_assert_str_eq(answer, expected);
    client_check("{\"method\":\"priv.fsck_snapshot\",\"params\":{\"dm_dev\":"
                 "\"/dev/mapper/fc-rootfs-json\"}}",
                 "{\"ok\":true,\"result\":{\"corrected\":false}}");
    cleanup = g_strndup(expected + strlen("{\"ok\":true,\"result\":"),
                        strlen(expected) - strlen("{\"ok\":true,\"result\":}"));
    g_free(create);
    create = g_strdup_printf("{\"method\":\"priv.cleanup_dm_snapshot\",\"params\":%s}", cleanup);
    client_check(create, DONE);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/bridge-data", argv, NULL);
    suite = suite_create("bridge-data");
    tcase = tcase_create("data");
    tcase_set_timeout(tcase, 240);
    tcase_add_unchecked_fixture(tcase, set_up_host, NULL);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, files);
    tcase_add_test(tcase, file_too_large);
    tcase_add_test(tcase, life_of_a_machine);
    tcase_add_test(tcase, resolved_binary);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("snapshot"); /* the VM tier runs this one */
    tcase_set_timeout(tcase, 240);
    tcase_add_checked_fixture(tcase, set_up_if_needed, tear_down);
    tcase_add_test(tcase, life_of_a_snapshot);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("unread");
    tcase_set_timeout(tcase, 240);
    tcase_add_checked_fixture(tcase, set_up_impatient, tear_down);
    tcase_add_test(tcase, answers_that_nobody_reads);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/bridge-data", suite);
}
