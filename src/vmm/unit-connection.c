/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/unit-connection.h"

#include <glib.h>
#include <poll.h>
#include <stdbool.h>

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER SYSTEMD ".Manager"
#define SPARE_MAX 8

static GMutex lock;
static GPtrArray *spare; /* of BangerUnitConnection * */

static void
connection_free(BangerUnitConnection *connection)
{
    sd_bus_flush_close_unref(connection->bus);
    g_free(connection->manager);
    g_free(connection);
}

static BangerUnitConnection *
take_spare(void)
{
    BangerUnitConnection *connection = NULL;

    g_mutex_lock(&lock);
    if (spare != NULL && spare->len > 0)
        connection = g_ptr_array_steal_index_fast(spare, spare->len - 1);
    g_mutex_unlock(&lock);
    return connection;
}

/* Whether the bus has not closed the connection: poll(2) reports that unasked. */
static bool
is_open(const BangerUnitConnection *connection)
{
    struct pollfd pollfd = {.fd = sd_bus_get_fd(connection->bus)};

    return pollfd.fd >= 0 && poll(&pollfd, 1, 0) == 0;
}

/* Which manager it is: its name on the bus, and the number that "257.9-1~deb13u1" begins with. */
static int
ask_for_manager(BangerUnitConnection *connection, sd_bus_error *bus_error)
{
    g_autoptr(sd_bus_message) reply = NULL;
    const char *version;
    int r = sd_bus_call_method(connection->bus, SYSTEMD, "/org/freedesktop/systemd1",
                               "org.freedesktop.DBus.Properties", "Get", bus_error, &reply, "ss",
                               MANAGER, "Version");

    if (r < 0)
        return r;
    r = sd_bus_message_read(reply, "v", "s", &version);
    if (r < 0)
        return r;
    connection->version = (unsigned int)g_ascii_strtoull(version, NULL, 10);
    connection->manager = g_strdup(sd_bus_message_get_sender(reply));
    return 0;
}

static int
connect_to_manager(BangerUnitConnection *connection, uint64_t timeout_usec, sd_bus_error *bus_error)
{
    int r = sd_bus_open_system_with_description(&connection->bus, "banger-launch");

    if (r < 0)
        return r;
    r = sd_bus_set_method_call_timeout(connection->bus, timeout_usec);
    if (r < 0)
        return r;
    r = sd_bus_call_method(connection->bus, SYSTEMD, "/org/freedesktop/systemd1", MANAGER,
                           "Subscribe", bus_error, NULL, NULL);
    if (r < 0)
        return r;
    return ask_for_manager(connection, bus_error);
}

int
banger_unit_connection_take(uint64_t timeout_usec, BangerUnitConnection **ret_connection,
                            sd_bus_error *bus_error)
{
    BangerUnitConnection *connection;
    int r;

    while ((connection = take_spare()) != NULL) {
        if (is_open(connection) &&
            sd_bus_set_method_call_timeout(connection->bus, timeout_usec) >= 0) {
            *ret_connection = connection;
            return 0;
        }
        connection_free(connection);
    }
    connection = g_new0(BangerUnitConnection, 1);
    r = connect_to_manager(connection, timeout_usec, bus_error);
    if (r < 0)
        connection_free(connection);
    else
        *ret_connection = connection;
    return r;
}

void
banger_unit_connection_keep(BangerUnitConnection *connection)
{
    g_mutex_lock(&lock);
    if (spare == NULL)
        spare = g_ptr_array_new();
    if (spare->len < SPARE_MAX)
        g_ptr_array_add(spare, g_steal_pointer(&connection));
    g_mutex_unlock(&lock);
    if (connection != NULL)
        connection_free(connection);
}

void
banger_unit_connection_drop(BangerUnitConnection *connection)
{
    for (; connection != NULL; connection = take_spare())
        connection_free(connection);
}
