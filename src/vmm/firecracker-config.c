/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/firecracker-config.h"

#include <string.h>

#include "util/json-string.h"
#include "util/text.h"

#define FAULT_MAX 1024

/* Appends ,"@name": or {"@name": if it is the first member. */
static void
append_name(GString *body, const char *name)
{
    g_string_append_c(body, body->len == 0 ? '{' : ',');
    banger_json_append_string(body, name);
    g_string_append_c(body, ':');
}

static void
append_string(GString *body, const char *name, const char *value)
{
    append_name(body, name);
    banger_json_append_string(body, value);
}

static void
append_uint(GString *body, const char *name, uint32_t value)
{
    append_name(body, name);
    g_string_append_printf(body, "%u", value);
}

static void
append_uint64(GString *body, const char *name, uint64_t value)
{
    append_name(body, name);
    g_string_append_printf(body, "%" G_GUINT64_FORMAT, value);
}

/* Not at all if @value is "": then firecracker's default counts. */
static void
append_given(GString *body, const char *name, const char *value)
{
    if (value[0] != '\0')
        append_string(body, name, value);
}

static void
append_bool(GString *body, const char *name, bool value)
{
    append_name(body, name);
    g_string_append(body, value ? "true" : "false");
}

void
banger_firecracker_request_free(BangerFirecrackerRequest *request)
{
    g_free(request->path);
    g_free(request->body);
    g_free(request);
}

static GPtrArray *
new_requests(void)
{
    return g_ptr_array_new_with_free_func(
        (GDestroyNotify)(void (*)(void))banger_firecracker_request_free);
}

/* The request to put @body, which is freed, to @path, which is taken. */
static BangerFirecrackerRequest *
new_put(char *path, GString *body)
{
    BangerFirecrackerRequest *request = g_new0(BangerFirecrackerRequest, 1);

    g_string_append_c(body, '}');
    request->method = "PUT";
    request->path = path;
    request->body = g_string_free(body, FALSE);
    return request;
}

static void
add_request(GPtrArray *requests, char *path, GString *body)
{
    g_ptr_array_add(requests, new_put(path, body));
}

/* Adds the request to put the JSON text @body to @path. */
static void
add_text(GPtrArray *requests, const char *path, const char *body)
{
    BangerFirecrackerRequest *request = g_new0(BangerFirecrackerRequest, 1);

    request->method = "PUT";
    request->path = g_strdup(path);
    request->body = g_strdup(body);
    g_ptr_array_add(requests, request);
}

static void
append_bucket(GString *body, const char *name, const BangerTokenBucket *bucket)
{
    GString *inner = g_string_new(NULL);

    append_uint64(inner, "size", bucket->size);
    append_uint64(inner, "one_time_burst", bucket->one_time_burst);
    append_uint64(inner, "refill_time", bucket->refill_ms);
    append_name(body, name);
    g_string_append_printf(body, "%s}", inner->str);
    g_string_free(inner, TRUE);
}

static void
append_limiter(GString *body, const char *name, bool given, const BangerRateLimiter *limiter)
{
    GString *inner = g_string_new(NULL);

    if (given) {
        if (limiter->has_bandwidth)
            append_bucket(inner, "bandwidth", &limiter->bandwidth);
        if (limiter->has_ops)
            append_bucket(inner, "ops", &limiter->ops);
        append_name(body, name);
        g_string_append_printf(body, "%s}", inner->str);
    }
    g_string_free(inner, TRUE);
}

static void
add_logger(GPtrArray *requests, const BangerLaunchFirecrackerRequest *launch, const char *level)
{
    GString *logger = g_string_new(NULL);

    append_string(logger, "log_path", launch->log_path);
    append_string(logger, "level", level);
    append_bool(logger, "show_level", true);
    append_bool(logger, "show_log_origin", false);
    add_request(requests, g_strdup("/logger"), logger);
}

/*
 * At Info firecracker logs every body, the kernel's arguments among them: not before the last. A
 * machine that is loaded has no such body, and its logger cannot be changed afterwards.
 */
static void
add_observation(GPtrArray *requests, const BangerLaunchFirecrackerRequest *launch)
{
    GString *metrics = g_string_new(NULL);

    add_logger(requests, launch, launch->options.has_load_snapshot ? "Info" : "Warning");
    append_string(metrics, "metrics_path", launch->metrics_path);
    add_request(requests, g_strdup("/metrics"), metrics);
}

static void
add_machine(GPtrArray *requests, const BangerLaunchFirecrackerRequest *launch)
{
    GString *machine = g_string_new(NULL);
    GString *boot = g_string_new(NULL);

    append_uint(machine, "vcpu_count", launch->vcpu_count);
    append_uint(machine, "mem_size_mib", launch->memory_mib);
    append_bool(machine, "smt", launch->options.smt);
    append_given(machine, "cpu_template", launch->options.cpu_template);
    append_given(machine, "huge_pages", launch->options.huge_pages);
    if (launch->options.track_dirty_pages)
        append_bool(machine, "track_dirty_pages", true);
    add_request(requests, g_strdup("/machine-config"), machine);
    if (launch->options.cpu_config[0] != '\0')
        add_text(requests, "/cpu-config", launch->options.cpu_config);
    append_string(boot, "kernel_image_path", launch->kernel_image_path);
    if (launch->initrd_path[0] != '\0')
        append_string(boot, "initrd_path", launch->initrd_path);
    if (launch->kernel_args[0] != '\0')
        append_string(boot, "boot_args", launch->kernel_args);
    add_request(requests, g_strdup("/boot-source"), boot);
}

static void
add_drive(GPtrArray *requests, const BangerLaunchFirecrackerRequest *launch,
          const BangerDrive *drive)
{
    GString *body = g_string_new(NULL);

    append_string(body, "drive_id", drive->id);
    append_string(body, "path_on_host", drive->image.path);
    append_bool(body, "is_root_device", drive->is_root);
    append_bool(body, "is_read_only", drive->read_only);
    for (unsigned int i = 0; i < launch->options.drive_options->len; i++) {
        const BangerDriveOptions *options =
            &g_array_index(launch->options.drive_options, BangerDriveOptions, i);

        if (!g_str_equal(options->drive_id, drive->id))
            continue;
        append_given(body, "cache_type", options->cache_type);
        append_given(body, "io_engine", options->io_engine);
        append_given(body, "partuuid", options->partuuid);
        append_limiter(body, "rate_limiter", options->has_rate_limiter, &options->rate_limiter);
    }
    add_request(requests, g_strconcat("/drives/", drive->id, NULL), body);
}

/*
 * The Ethernet address of the interface @id of the VM @vm_id where none is asked for: the same one
 * at each start, so that neighbours need not learn another. Locally administered.
 */
static char *
derive_mac(const char *vm_id, const char *id)
{
    g_autofree char *name = g_strdup_printf("%s/%s", vm_id, id);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);

    return g_strdup_printf("06:%.2s:%.2s:%.2s:%.2s:%.2s", digest, digest + 2, digest + 4,
                           digest + 6, digest + 8);
}

static void
add_interface(GPtrArray *requests, const BangerLaunchFirecrackerRequest *launch, const char *id,
              const char *tap, const BangerInterfaceOptions *options)
{
    GString *body = g_string_new(NULL);
    g_autofree char *mac = options->guest_mac[0] != '\0' ? g_strdup(options->guest_mac)
                                                         : derive_mac(launch->vm_id, id);

    append_string(body, "iface_id", id);
    append_string(body, "host_dev_name", tap);
    append_string(body, "guest_mac", mac);
    if (options->has_mtu)
        append_uint(body, "mtu", options->mtu);
    append_limiter(body, "rx_rate_limiter", options->has_rx_rate_limiter,
                   &options->rx_rate_limiter);
    append_limiter(body, "tx_rate_limiter", options->has_tx_rate_limiter,
                   &options->tx_rate_limiter);
    add_request(requests, g_strconcat("/network-interfaces/", id, NULL), body);
}

/* The metadata service, which refers to interfaces that there are. */
static void
add_mmds(GPtrArray *requests, const BangerMmds *mmds)
{
    GString *config = g_string_new(NULL);

    append_given(config, "version", mmds->version);
    if (mmds->ipv4_address.family != 0) {
        g_autofree char *address = banger_address_format(&mmds->ipv4_address);

        append_string(config, "ipv4_address", address);
    }
    append_name(config, "network_interfaces");
    for (unsigned int i = 0; i < mmds->interfaces->len; i++) {
        g_string_append_c(config, i == 0 ? '[' : ',');
        banger_json_append_string(config, g_array_index(mmds->interfaces, char *, i));
    }
    g_string_append_c(config, ']');
    add_request(requests, g_strdup("/mmds/config"), config);
    if (mmds->data[0] != '\0')
        add_text(requests, "/mmds", mmds->data);
}

static void
add_balloon(GPtrArray *requests, const BangerBalloon *balloon)
{
    GString *body = g_string_new(NULL);

    append_uint(body, "amount_mib", balloon->amount_mib);
    append_bool(body, "deflate_on_oom", balloon->deflate_on_oom);
    append_uint(body, "stats_polling_interval_s", balloon->stats_polling_interval_s);
    if (balloon->free_page_hinting)
        append_bool(body, "free_page_hinting", true);
    if (balloon->free_page_reporting)
        append_bool(body, "free_page_reporting", true);
    add_request(requests, g_strdup("/balloon"), body);
}

static void
add_devices(GPtrArray *requests, const BangerLaunchFirecrackerRequest *launch)
{
    const BangerMachineOptions *options = &launch->options;

    for (unsigned int i = 0; i < launch->drives->len; i++)
        add_drive(requests, launch, &g_array_index(launch->drives, BangerDrive, i));
    add_interface(requests, launch, "eth0", launch->tap_device, &options->eth0);
    for (unsigned int i = 0; i < options->network_interfaces->len; i++) {
        const BangerInterface *interface =
            &g_array_index(options->network_interfaces, BangerInterface, i);

        add_interface(requests, launch, interface->iface_id, interface->tap_device,
                      &interface->options);
    }
    if (options->has_mmds)
        add_mmds(requests, &options->mmds);
    if (launch->vsock_path[0] != '\0') {
        GString *vsock = g_string_new(NULL);

        append_uint(vsock, "guest_cid", launch->vsock_cid);
        append_string(vsock, "uds_path", launch->vsock_path);
        add_request(requests, g_strdup("/vsock"), vsock);
    }
    if (options->entropy)
        add_text(requests, "/entropy", "{}");
    if (options->has_balloon)
        add_balloon(requests, &options->balloon);
}

static void
append_network_overrides(GString *body, const GArray *overrides)
{
    append_name(body, "network_overrides");
    g_string_append_c(body, '[');
    for (unsigned int i = 0; i < overrides->len; i++) {
        const BangerNetworkOverride *one = &g_array_index(overrides, BangerNetworkOverride, i);
        GString *inner = g_string_new(NULL);

        append_string(inner, "iface_id", one->iface_id);
        append_string(inner, "host_dev_name", one->tap_device);
        g_string_append_printf(body, "%s%s}", i > 0 ? "," : "", inner->str);
        g_string_free(inner, TRUE);
    }
    g_string_append_c(body, ']');
}

static BangerFirecrackerRequest *
load_snapshot(const BangerLaunchFirecrackerRequest *launch, bool overrides_vsock)
{
    const BangerLoadSnapshot *load = &launch->options.load_snapshot;
    GString *body = g_string_new(NULL);
    GString *inner = g_string_new(NULL);

    append_string(body, "snapshot_path", load->snapshot_path);
    append_string(inner, "backend_path", load->mem_file_path);
    append_string(inner, "backend_type", "File");
    append_name(body, "mem_backend");
    g_string_append_printf(body, "%s}", inner->str);
    g_string_truncate(inner, 0);
    if (launch->options.track_dirty_pages)
        append_bool(body, "track_dirty_pages", true);
    if (load->network_overrides->len > 0)
        append_network_overrides(body, load->network_overrides);
    if (overrides_vsock) {
        append_string(inner, "uds_path", launch->vsock_path);
        append_name(body, "vsock_override");
        g_string_append_printf(body, "%s}", inner->str);
    }
    g_string_free(inner, TRUE);
    return new_put(g_strdup("/snapshot/load"), body);
}

BangerFirecrackerRequest *
banger_firecracker_load_without_override(const BangerLaunchFirecrackerRequest *launch)
{
    return launch->options.has_load_snapshot ? load_snapshot(launch, false) : NULL;
}

BangerFirecrackerRequest *
banger_firecracker_set_running(bool running)
{
    GString *body = g_string_new(NULL);
    BangerFirecrackerRequest *request;

    append_string(body, "state", running ? "Resumed" : "Paused");
    request = new_put(g_strdup("/vm"), body);
    request->method = "PATCH";
    return request;
}

BangerFirecrackerRequest *
banger_firecracker_create_snapshot(const char *type, const char *snapshot_path,
                                   const char *mem_file_path)
{
    GString *body = g_string_new(NULL);

    append_string(body, "snapshot_type", type);
    append_string(body, "snapshot_path", snapshot_path);
    append_string(body, "mem_file_path", mem_file_path);
    return new_put(g_strdup("/snapshot/create"), body);
}

GPtrArray *
banger_firecracker_configuration(const BangerLaunchFirecrackerRequest *launch)
{
    GPtrArray *requests = new_requests();

    add_observation(requests, launch);
    if (launch->options.has_load_snapshot) {
        g_ptr_array_add(requests, load_snapshot(launch, launch->vsock_path[0] != '\0'));
        return requests;
    }
    add_machine(requests, launch);
    add_devices(requests, launch);
    return requests;
}

GPtrArray *
banger_firecracker_start(const BangerLaunchFirecrackerRequest *launch)
{
    GPtrArray *requests = new_requests();

    if (launch->options.has_load_snapshot) {
        if (launch->options.start && launch->options.load_snapshot.resume)
            g_ptr_array_add(requests, banger_firecracker_set_running(true));
        return requests;
    }
    add_logger(requests, launch, "Info");
    if (launch->options.start)
        add_text(requests, "/actions", "{\"action_type\":\"InstanceStart\"}");
    return requests;
}

/* Where @wanted begins in the @length bytes of @text, or NULL. */
static const char *
find_text(const char *text, size_t length, const char *wanted)
{
    return memmem(text, length, wanted, strlen(wanted));
}

/* The character that "\@escape" stands for; a blank for those that are not worth showing. */
static char
unescape_character(char escape)
{
    if (escape == '"' || escape == '\\' || escape == '/')
        return escape;
    return ' ';
}

/* The text of the member @key, with its quotes, in the answer @body; NULL if there is none. */
static char *
find_member(const char *body, size_t length, const char *key)
{
    const char *end = body + length;
    const char *at = find_text(body, length, key);
    g_autoptr(GString) message = g_string_new(NULL);

    if (at == NULL)
        return NULL;
    at += strlen(key);
    while (at < end && (g_ascii_isspace(*at) || *at == ':'))
        at++;
    if (at == end || *at != '"')
        return NULL;
    for (at++; at < end && *at != '"' && message->len < FAULT_MAX; at++) {
        if (*at == '\\' && at + 1 < end)
            g_string_append_c(message, unescape_character(*++at));
        else
            g_string_append_c(message, *at);
    }
    return banger_text_make_printable(message->str, (gssize)message->len);
}

char *
banger_firecracker_fault_message(const char *body, size_t length)
{
    return find_member(body, length, "\"fault_message\"");
}

bool
banger_firecracker_is_paused(const char *body, size_t length)
{
    g_autofree char *state = find_member(body, length, "\"state\"");

    return g_strcmp0(state, "Paused") == 0;
}

bool
banger_firecracker_is_unstarted(const char *body, size_t length)
{
    g_autofree char *state = find_member(body, length, "\"state\"");

    return g_strcmp0(state, "Not started") == 0;
}
