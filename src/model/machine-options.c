/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/machine-options.h"

#include <string.h>
#include <sys/socket.h>

#include "util/error.h"

#define FIRST_INTERFACE "eth0"
#define CPU_TEMPLATE_MAX 32

/* Whether @text is "" or one of @words, which end with NULL. */
static bool
check_word(const char *key, const char *text, const char *const *words, GError **error)
{
    g_autofree char *all = NULL;

    if (text[0] == '\0' || g_strv_contains(words, text))
        return true;
    all = g_strjoinv(", ", (char **)(void *)words);
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: \"%s\" is none of %s", key, text,
                            all);
}

static bool
check_limiter(const char *key, bool given, const BangerRateLimiter *limiter, GError **error)
{
    return !given || limiter->has_bandwidth || limiter->has_ops ||
           banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "%s: neither bandwidth nor ops is given", key);
}

static bool
has_drive(const BangerLaunchFirecrackerRequest *launch, const char *id)
{
    for (unsigned int i = 0; i < launch->drives->len; i++)
        if (g_str_equal(g_array_index(launch->drives, BangerDrive, i).id, id))
            return true;
    return false;
}

static bool
check_drive_options(const BangerLaunchFirecrackerRequest *launch, GError **error)
{
    static const char *const cache_types[] = {"Unsafe", "Writeback", NULL};
    static const char *const io_engines[] = {"Sync", "Async", NULL};
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    const GArray *all = launch->options.drive_options;

    for (unsigned int i = 0; i < all->len; i++) {
        const BangerDriveOptions *options = &g_array_index(all, BangerDriveOptions, i);

        if (!has_drive(launch, options->drive_id) || !g_hash_table_add(seen, options->drive_id))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "drive_options: \"%s\" is not the id of a drive, or is there "
                                    "twice",
                                    options->drive_id);
        if (!check_word("drive_options: cache_type", options->cache_type, cache_types, error) ||
            !check_word("drive_options: io_engine", options->io_engine, io_engines, error) ||
            !check_limiter("drive_options: rate_limiter", options->has_rate_limiter,
                           &options->rate_limiter, error))
            return false;
    }
    return true;
}

static bool
check_interface(const BangerInterfaceOptions *options, GError **error)
{
    return check_limiter("rx_rate_limiter", options->has_rx_rate_limiter, &options->rx_rate_limiter,
                         error) &&
           check_limiter("tx_rate_limiter", options->has_tx_rate_limiter, &options->tx_rate_limiter,
                         error);
}

/* Checks the interfaces, and takes their ids into @ids. */
static bool
check_interfaces(const BangerLaunchFirecrackerRequest *launch, GHashTable *ids, GError **error)
{
    const GArray *all = launch->options.network_interfaces;
    g_autoptr(GHashTable) taps = g_hash_table_new(g_str_hash, g_str_equal);

    (void)g_hash_table_add(ids, (gpointer)FIRST_INTERFACE);
    (void)g_hash_table_add(taps, launch->tap_device);
    if (!check_interface(&launch->options.eth0, error))
        return false;
    for (unsigned int i = 0; i < all->len; i++) {
        const BangerInterface *interface = &g_array_index(all, BangerInterface, i);

        if (!g_hash_table_add(ids, interface->iface_id))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "network_interfaces: the id \"%s\" occurs twice; the first "
                                    "interface's is " FIRST_INTERFACE,
                                    interface->iface_id);
        if (!g_hash_table_add(taps, interface->tap_device))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "network_interfaces: the TAP \"%s\" occurs twice",
                                    interface->tap_device);
        if (!check_interface(&interface->options, error)) {
            g_prefix_error(error, "network_interfaces: %s: ", interface->iface_id);
            return false;
        }
    }
    return true;
}

static bool
check_mmds(const BangerMmds *mmds, GHashTable *ids, GError **error)
{
    static const char *const versions[] = {"V1", "V2", NULL};

    if (!check_word("mmds: version", mmds->version, versions, error))
        return false;
    if (mmds->ipv4_address.family == AF_INET6)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "mmds: ipv4_address: not an IPv4 address");
    for (unsigned int i = 0; i < mmds->interfaces->len; i++) {
        const char *id = g_array_index(mmds->interfaces, char *, i);

        if (!g_hash_table_contains(ids, id))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "mmds: interfaces: \"%s\" is not the id of an interface", id);
    }
    return true;
}

static bool
check_cpu_template(const char *text, GError **error)
{
    size_t length = strlen(text);

    return (length <= CPU_TEMPLATE_MAX &&
            strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_") == length) ||
           banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "cpu_template: \"%.64s\" is not the name of a template, such as T2S",
                            text);
}

/* Whether @launch has all that a machine must have which boots. */
static bool
check_boot(const BangerLaunchFirecrackerRequest *launch, GError **error)
{
    const char *missing = NULL;

    if (!launch->has_kernel_image_path)
        missing = "kernel_image_path";
    else if (!launch->has_kernel_args)
        missing = "kernel_args";
    else if (!launch->has_drives)
        missing = "drives";
    if (missing != NULL)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "machine: key \"%s\" is missing",
                                missing);
    return launch->kernel_image_path[0] != '\0' ||
           banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "kernel_image_path: path \"\" is not absolute");
}

/* Whether @launch, which loads a machine, has nothing of what only one that boots is asked for. */
static bool
check_not_booted(const BangerLaunchFirecrackerRequest *launch, GError **error)
{
    const BangerMachineOptions *options = &launch->options;
    const struct {
        const char *key;
        bool given;
    } keys[] = {
        {"kernel_image_path", launch->kernel_image_path[0] != '\0'},
        {"initrd_path", launch->initrd_path[0] != '\0'},
        {"kernel_args", launch->kernel_args[0] != '\0'},
        {"guest_mac", options->eth0.guest_mac[0] != '\0'},
        {"mtu", options->eth0.has_mtu},
        {"rx_rate_limiter", options->eth0.has_rx_rate_limiter},
        {"tx_rate_limiter", options->eth0.has_tx_rate_limiter},
        {"network_interfaces", options->network_interfaces->len > 0},
        {"drive_options", options->drive_options->len > 0},
        {"mmds", options->has_mmds},
        {"balloon", options->has_balloon},
        {"huge_pages", options->huge_pages[0] != '\0'},
        {"cpu_template", options->cpu_template[0] != '\0'},
        {"cpu_config", options->cpu_config[0] != '\0'},
        {"entropy", options->entropy},
        {"smt", options->smt},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        if (keys[i].given)
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "%s: a machine that is loaded has what its snapshot says",
                                    keys[i].key);
    return true;
}

static bool
check_load(const BangerLaunchFirecrackerRequest *launch, GError **error)
{
    const BangerLoadSnapshot *load = &launch->options.load_snapshot;
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) taps = g_hash_table_new(g_str_hash, g_str_equal);

    if (!check_not_booted(launch, error))
        return false;
    if (g_str_equal(load->snapshot_path, load->mem_file_path))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "load_snapshot: mem_file_path: \"%s\" is the snapshot_path too",
                                load->mem_file_path);
    for (unsigned int i = 0; i < load->network_overrides->len; i++) {
        const BangerNetworkOverride *one =
            &g_array_index(load->network_overrides, BangerNetworkOverride, i);
        bool is_first = g_str_equal(one->iface_id, FIRST_INTERFACE);

        if (!g_hash_table_add(ids, one->iface_id) || !g_hash_table_add(taps, one->tap_device))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "load_snapshot: network_overrides: \"%s\" or \"%s\" occurs "
                                    "twice",
                                    one->iface_id, one->tap_device);
        if (is_first != g_str_equal(one->tap_device, launch->tap_device))
            return banger_set_error(
                error, BANGER_ERROR_BAD_PARAMS,
                "load_snapshot: network_overrides: the TAP of \"%s\" is \"%s\", "
                "where tap_device, which is that of " FIRST_INTERFACE ", is \"%s\"",
                one->iface_id, one->tap_device, launch->tap_device);
    }
    return true;
}

bool
banger_relations_machine_options(const BangerLaunchFirecrackerRequest *launch, GError **error)
{
    static const char *const huge_pages[] = {"None", "2M", NULL};
    const BangerMachineOptions *options = &launch->options;
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);

    if (!(options->has_load_snapshot ? check_load(launch, error) : check_boot(launch, error)) ||
        !check_drive_options(launch, error) || !check_interfaces(launch, ids, error) ||
        (options->has_mmds && !check_mmds(&options->mmds, ids, error)) ||
        !check_word("huge_pages", options->huge_pages, huge_pages, error) ||
        !check_cpu_template(options->cpu_template, error))
        return false;
    if (options->has_balloon && options->balloon.amount_mib > launch->memory_mib)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "balloon: amount_mib: %u MiB are more than the machine has",
                                options->balloon.amount_mib);
    return true;
}
