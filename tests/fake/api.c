/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake/fake.h"

#define VNET_HEADER_SIZE 12

typedef struct {
    const char *name;
    enum json_type type;
    bool required;
} Member;

#define END                                                                                        \
    {                                                                                              \
        NULL                                                                                       \
    }

static const Member logger_members[] = {
    {"log_path", json_type_string},    {"level", json_type_string},
    {"show_level", json_type_boolean}, {"show_log_origin", json_type_boolean},
    {"module", json_type_string},      END,
};
static const Member metrics_members[] = {{"metrics_path", json_type_string, true}, END};
static const Member machine_members[] = {
    {"vcpu_count", json_type_int, true},
    {"mem_size_mib", json_type_int, true},
    {"smt", json_type_boolean},
    {"cpu_template", json_type_string},
    {"track_dirty_pages", json_type_boolean},
    {"huge_pages", json_type_string},
    END,
};
static const Member boot_members[] = {
    {"kernel_image_path", json_type_string, true},
    {"initrd_path", json_type_string},
    {"boot_args", json_type_string},
    END,
};
static const Member drive_members[] = {
    {"drive_id", json_type_string, true}, {"is_root_device", json_type_boolean, true},
    {"path_on_host", json_type_string},   {"is_read_only", json_type_boolean},
    {"partuuid", json_type_string},       {"cache_type", json_type_string},
    {"io_engine", json_type_string},      {"rate_limiter", json_type_object},
    {"socket", json_type_string},         END,
};
static const Member interface_members[] = {
    {"iface_id", json_type_string, true},
    {"host_dev_name", json_type_string, true},
    {"guest_mac", json_type_string},
    {"rx_rate_limiter", json_type_object},
    {"tx_rate_limiter", json_type_object},
    {"mtu", json_type_int},
    END,
};
static const Member mmds_members[] = {
    {"network_interfaces", json_type_array, true},
    {"version", json_type_string},
    {"ipv4_address", json_type_string},
    {"imds_compat", json_type_boolean},
    END,
};
static const Member balloon_members[] = {
    {"amount_mib", json_type_int, true},         {"deflate_on_oom", json_type_boolean, true},
    {"stats_polling_interval_s", json_type_int}, {"free_page_hinting", json_type_boolean},
    {"free_page_reporting", json_type_boolean},  END,
};
static const Member entropy_members[] = {{"rate_limiter", json_type_object}, END};
static const Member vsock_members[] = {
    {"guest_cid", json_type_int, true},
    {"uds_path", json_type_string, true},
    {"vsock_id", json_type_string},
    END,
};
static const Member create_members[] = {
    {"snapshot_path", json_type_string, true},
    {"mem_file_path", json_type_string, true},
    {"snapshot_type", json_type_string},
    END,
};
static const Member load_members[] = {
    {"snapshot_path", json_type_string, true},    {"mem_backend", json_type_object},
    {"mem_file_path", json_type_string},          {"track_dirty_pages", json_type_boolean},
    {"enable_diff_snapshots", json_type_boolean}, {"resume_vm", json_type_boolean},
    {"network_overrides", json_type_array},       {"vsock_override", json_type_object},
    {"clock_realtime", json_type_boolean},        END,
};
static const Member vm_members[] = {{"state", json_type_string, true}, END};
static const Member action_members[] = {{"action_type", json_type_string, true}, END};

char *
fake_api_fault(const char *format, ...)
{
    json_object *object = json_object_new_object();
    g_autofree char *message = NULL;
    char *body;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    json_object_object_add(object, "fault_message", json_object_new_string(message));
    body = g_strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
    json_object_put(object);
    return body;
}

static const char *
string_of(json_object *object, const char *name)
{
    return json_object_get_string(json_object_object_get(object, name));
}

/* What is wrong with the members of @object, or NULL. The texts are serde's, as firecracker's. */
static char *
check_members(json_object *object, const Member *members)
{
    if (!json_object_is_type(object, json_type_object))
        return fake_api_fault("An error occurred when deserializing the json body of a request: "
                              "invalid type: expected a struct.");
    json_object_object_foreach (object, name, value) {
        const Member *member = members;

        while (member->name != NULL && !g_str_equal(member->name, name))
            member++;
        if (member->name == NULL)
            return fake_api_fault("An error occurred when deserializing the json body of a "
                                  "request: unknown field `%s`.",
                                  name);
        if (!json_object_is_type(value, member->type))
            return fake_api_fault("An error occurred when deserializing the json body of a "
                                  "request: invalid type for `%s`.",
                                  name);
    }
    for (const Member *member = members; member->name != NULL; member++)
        if (member->required && json_object_object_get(object, member->name) == NULL)
            return fake_api_fault("An error occurred when deserializing the json body of a "
                                  "request: missing field `%s`.",
                                  member->name);
    return NULL;
}

/* Opens @path and keeps it open. The fault if that fails. */
static char *
open_for_good(const char *what, const char *path, int flags)
{
    if (open(path, flags | O_CLOEXEC) < 0)
        return fake_api_fault("%s: cannot open %s: %s", what, path, g_strerror(errno));
    return NULL;
}

static char *
put_logger(FakeState *state, json_object *object)
{
    static const char *const logging[] = {"Info", "Debug", "Trace", NULL};
    static const char *const levels[] = {"Off",  "Error", "Warning", "Warn",
                                         "Info", "Debug", "Trace",   NULL};
    const char *path = string_of(object, "log_path");
    const char *level = string_of(object, "level");
    int fd;

    if (level != NULL && !g_strv_contains(levels, level))
        return fake_api_fault("unknown variant `%s` for level", level);
    state->logs_bodies = level == NULL || g_strv_contains(logging, level);
    if (path == NULL)
        return NULL;
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return fake_api_fault("Failed to initialize logger: Failed to open target file: %s",
                              g_strerror(errno));
    state->log_fd = fd;
    return NULL;
}

static char *
put_machine(json_object *object)
{
    int64_t vcpus = json_object_get_int64(json_object_object_get(object, "vcpu_count"));
    int64_t memory = json_object_get_int64(json_object_object_get(object, "mem_size_mib"));

    if (vcpus < 1 || vcpus > 32)
        return fake_api_fault("The number of vCPUs must be greater than 0, less than 32 and must "
                              "be 1 or an even number if SMT is enabled.");
    return memory < 1 ? fake_api_fault("The memory size (MiB) is invalid.") : NULL;
}

static char *
put_boot_source(FakeState *state, json_object *object)
{
    const char *initrd = string_of(object, "initrd_path");
    char *fault = open_for_good("The kernel file cannot be opened",
                                string_of(object, "kernel_image_path"), O_RDONLY);

    if (fault == NULL && initrd != NULL)
        fault = open_for_good("The initrd file cannot be opened", initrd, O_RDONLY);
    state->has_kernel = fault == NULL;
    state->kernel = g_strdup(string_of(object, "kernel_image_path"));
    return fault;
}

static char *
put_drive(FakeState *state, const char *id, json_object *object)
{
    bool root = json_object_get_boolean(json_object_object_get(object, "is_root_device"));
    bool read_only = json_object_get_boolean(json_object_object_get(object, "is_read_only"));
    const char *path = string_of(object, "path_on_host");
    char *fault;

    if (!g_str_equal(id, string_of(object, "drive_id")))
        return fake_api_fault("The id from the path [%s] does not match the id from the body!", id);
    if (root && state->has_root)
        return fake_api_fault("A root block device already exists!");
    if (path == NULL)
        return fake_api_fault("Unable to create the block device: no path_on_host");
    fault = open_for_good("Unable to create the block device", path, read_only ? O_RDONLY : O_RDWR);
    state->has_root |= root && fault == NULL;
    return fault;
}

static char *
put_interface(const char *id, json_object *object)
{
    const char *name = string_of(object, "host_dev_name");
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int header_size = VNET_HEADER_SIZE;
    int fd;

    if (!g_str_equal(id, string_of(object, "iface_id")))
        return fake_api_fault("The id from the path [%s] does not match the id from the body!", id);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fake_api_fault("Cannot open /dev/net/tun: %s", g_strerror(errno));
    (void)g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
    if (ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header_size) < 0)
        return fake_api_fault("Cannot create the network device: Open tap device failed: Error "
                              "while creating ifreq structure: %s. Invalid TUN/TAP Backend "
                              "provided by %s.",
                              g_strerror(errno), name);
    return NULL;
}

static char *
put_vsock(json_object *object)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (json_object_get_int64(json_object_object_get(object, "guest_cid")) < 3)
        return fake_api_fault("The guest CID is out of range");
    (void)g_strlcpy(address.sun_path, string_of(object, "uds_path"), sizeof address.sun_path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 16) < 0)
        return fake_api_fault("Cannot create backend for vsock device: UnixBind: %s",
                              g_strerror(errno));
    return NULL;
}

static char *
put_action(FakeState *state, json_object *object)
{
    const char *action = string_of(object, "action_type");

    if (g_str_equal(action, "FlushMetrics") || g_str_equal(action, "SendCtrlAltDel"))
        return state->started ? NULL
                              : fake_api_fault("The requested operation is not supported before "
                                               "starting the microVM.");
    if (!g_str_equal(action, "InstanceStart"))
        return fake_api_fault("unknown variant `%s` for action_type", action);
    if (!state->has_kernel)
        return fake_api_fault("Cannot start microvm without kernel configuration.");
    state->started = true;
    return NULL;
}

/* The id at the end of @path if it is @prefix and one valid id, else NULL. */
static const char *
id_of(const char *path, const char *prefix)
{
    const char *id;

    if (!g_str_has_prefix(path, prefix))
        return NULL;
    id = path + strlen(prefix);
    for (const char *c = id; *c != '\0'; c++)
        if (!g_ascii_isalnum(*c) && *c != '_')
            return NULL;
    return id[0] != '\0' ? id : NULL;
}

static const Member *
members_of(const char *path)
{
    static const struct {
        const char *path;
        const Member *members;
    } table[] = {
        {"/logger", logger_members},
        {"/metrics", metrics_members},
        {"/machine-config", machine_members},
        {"/boot-source", boot_members},
        {"/vsock", vsock_members},
        {"/actions", action_members},
        {"/mmds/config", mmds_members},
        {"/balloon", balloon_members},
        {"/entropy", entropy_members},
        {"/snapshot/create", create_members},
        {"/snapshot/load", load_members},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        if (g_str_equal(table[i].path, path))
            return table[i].members;
    if (id_of(path, "/drives/") != NULL)
        return drive_members;
    return id_of(path, "/network-interfaces/") != NULL ? interface_members : NULL;
}

/* Whether the body put to @path is the user's to choose: any JSON object. */
static bool
is_opaque(const char *path)
{
    return g_str_equal(path, "/mmds") || g_str_equal(path, "/cpu-config");
}

/* PATCH /vm */
static char *
patch_vm(FakeState *state, json_object *object)
{
    const char *wanted = string_of(object, "state");

    if (!state->started)
        return fake_api_fault("The requested operation is not supported before starting the "
                              "microVM.");
    if (!g_str_equal(wanted, "Paused") && !g_str_equal(wanted, "Resumed"))
        return fake_api_fault("unknown variant `%s`, expected `Paused` or `Resumed`", wanted);
    state->paused = g_str_equal(wanted, "Paused");
    return NULL;
}

char *
fake_api_put(FakeState *state, const char *path, json_object *object)
{
    if (g_str_equal(path, "/snapshot/create"))
        return fake_snapshot_create(state, object);
    if (state->started && !g_str_equal(path, "/actions"))
        return fake_api_fault("The requested operation is not supported after starting the "
                              "microVM.");
    if (g_str_equal(path, "/snapshot/load"))
        return fake_snapshot_load(state, object);
    fake_snapshot_note(state, path, object);
    if (g_str_equal(path, "/logger"))
        return put_logger(state, object);
    if (g_str_equal(path, "/metrics"))
        return open_for_good("Failed to initialize metrics", string_of(object, "metrics_path"),
                             O_WRONLY | O_APPEND);
    if (g_str_equal(path, "/machine-config"))
        return put_machine(object);
    if (g_str_equal(path, "/boot-source"))
        return put_boot_source(state, object);
    if (g_str_equal(path, "/vsock"))
        return put_vsock(object);
    if (g_str_equal(path, "/actions")) {
        if (state->started && g_str_equal(string_of(object, "action_type"), "InstanceStart"))
            return fake_api_fault("The requested operation is not supported after starting the "
                                  "microVM.");
        return put_action(state, object);
    }
    if (members_of(path) == mmds_members || members_of(path) == balloon_members ||
        members_of(path) == entropy_members || is_opaque(path))
        return NULL;
    if (g_str_has_prefix(path, "/drives/"))
        return put_drive(state, id_of(path, "/drives/"), object);
    return put_interface(id_of(path, "/network-interfaces/"), object);
}

int
fake_api_handle(FakeState *state, const char *method, const char *path, const char *body,
                char **ret_body)
{
    bool is_patch = g_str_equal(method, "PATCH") && g_str_equal(path, "/vm");
    const Member *members = is_patch ? vm_members : members_of(path);
    json_object *object;

    if (g_str_equal(method, "GET") && g_str_equal(path, "/")) {
        *ret_body = g_strdup_printf("{\"id\":\"%s\",\"state\":\"%s\",\"vmm_version\":\"1.7.0\","
                                    "\"app_name\":\"Firecracker (test double)\"}",
                                    state->id,
                                    state->paused    ? "Paused"
                                    : state->started ? "Running"
                                                     : "Not started");
        return 200;
    }
    if ((!g_str_equal(method, "PUT") && !is_patch) || (members == NULL && !is_opaque(path))) {
        *ret_body = fake_api_fault("Invalid request method and/or path: %s %s.", method, path);
        return 400;
    }
    if (state->logs_bodies && state->log_fd >= 0)
        (void)dprintf(state->log_fd,
                      "[fake-firecracker:INFO] The API server received a Put request on \"%s\" "
                      "with body %s.\n",
                      path, body);
    object = json_tokener_parse(body);
    if (is_opaque(path))
        *ret_body = json_object_is_type(object, json_type_object)
                        ? NULL
                        : fake_api_fault("The body is not a JSON object.");
    else
        *ret_body = check_members(object, members);
    if (*ret_body == NULL)
        *ret_body = is_patch ? patch_vm(state, object) : fake_api_put(state, path, object);
    json_object_put(object);
    return *ret_body == NULL ? 204 : 400;
}
