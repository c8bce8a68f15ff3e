/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/commands.h"
#include "bangerctl/text-domain.h"

ClientStatus
command_bridges(const CommandContext *context, char **arguments)
{
    static const char *const columns[] = {"Name", "Addresses", "Ports", "Resolver", NULL};

    (void)arguments;
    return command_list_objects(context, "Bridge", columns);
}

ClientStatus
command_taps(const CommandContext *context, char **arguments)
{
    static const char *const columns[] = {"Name",     "Bridge", "Attached", "Machine",
                                          "GuestIps", "Nat",    NULL};

    (void)arguments;
    return command_list_objects(context, "Tap", columns);
}

/* Whether @text is "on" or "off"; CLIENT_USAGE, with a message, if it is neither. */
static ClientStatus
parse_switch(const char *text, int *ret_on)
{
    if (!g_str_equal(text, "on") && !g_str_equal(text, "off"))
        return command_refuse_usage(_("\"%s\" is neither \"on\" nor \"off\""), text);
    *ret_on = g_str_equal(text, "on");
    return CLIENT_OK;
}

static ClientStatus
parse_port(const char *text, uint16_t *ret_port)
{
    guint64 port;

    if (!g_ascii_string_to_unsigned(text, 10, 1, UINT16_MAX, &port, NULL))
        return command_refuse_usage(_("\"%s\" is no port: a number from 1 to 65535"), text);
    *ret_port = (uint16_t)port;
    return CLIENT_OK;
}

ClientStatus
command_nat(const CommandContext *context, char **arguments)
{
    sd_bus_message *message;
    int on = 0;
    ClientStatus status = parse_switch(arguments[2], &on);

    if (status != CLIENT_OK)
        return status;
    message = client_message(context->bus, "EnsureNAT");
    if (sd_bus_message_append(message, "ssbs", arguments[0], arguments[1], on, "") < 0)
        g_error("out of memory");
    return client_call(context->bus, message, NULL);
}

ClientStatus
command_forward(const CommandContext *context, char **arguments)
{
    sd_bus_message *message;
    uint16_t host_port = 0, guest_port = 0;
    int on = 0;
    ClientStatus status = parse_port(arguments[1], &host_port);

    if (status == CLIENT_OK)
        status = parse_port(arguments[3], &guest_port);
    if (status == CLIENT_OK)
        status = parse_switch(arguments[4], &on);
    if (status != CLIENT_OK)
        return status;
    message = client_message(context->bus, "EnsurePortForward");
    if (sd_bus_message_append(message, "sqsqbs", arguments[0], host_port, arguments[2], guest_port,
                              on, "") < 0)
        g_error("out of memory");
    return client_call(context->bus, message, NULL);
}
