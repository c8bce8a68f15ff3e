/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/resolve1.h"

#include <errno.h>

#include "util/error.h"
#include "util/sd-auto.h"

#define NAME "org.freedesktop.resolve1"
#define PATH "/org/freedesktop/resolve1"
#define INTERFACE "org.freedesktop.resolve1.Manager"

#define CALL_TIMEOUT_USEC 5000000L
#define NEW_LINK_TIMEOUT_USEC 1000000L
#define NEW_LINK_RETRY_USEC 25000L

typedef enum {
    OUTCOME_DONE,
    OUTCOME_UNAVAILABLE,  /* no resolved on this host */
    OUTCOME_NO_SUCH_LINK, /* also with an error set */
    OUTCOME_UNANSWERED,   /* also with an error set; it may be done yet */
    OUTCOME_FAILED,
} Outcome;

/*
 * The name has no owner, and the bus has nothing to start for it, or something that is switched
 * off.
 */
static bool
means_unavailable(const sd_bus_error *failure)
{
    static const char *const names[] = {
        SD_BUS_ERROR_SERVICE_UNKNOWN,
        SD_BUS_ERROR_NAME_HAS_NO_OWNER,
        "org.freedesktop.DBus.Error.Spawn.ServiceNotFound",
        "org.freedesktop.systemd1.NoSuchUnit",
        "org.freedesktop.systemd1.UnitMasked",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (sd_bus_error_has_name(failure, names[i]))
            return true;
    return false;
}

static Outcome
refuse_call(const char *member, const sd_bus_error *failure, int result, GError **error)
{
    const char *words = failure->message != NULL ? failure->message : g_strerror(-result);
    BangerErrorCode code = BANGER_ERROR_OPERATION_FAILED;
    Outcome outcome = OUTCOME_FAILED;

    if (means_unavailable(failure))
        return OUTCOME_UNAVAILABLE;
    if (sd_bus_error_has_name(failure, NAME ".NoSuchLink")) {
        code = BANGER_ERROR_NOT_FOUND;
        outcome = OUTCOME_NO_SUCH_LINK;
    } else if (sd_bus_error_has_name(failure, NAME ".LinkBusy"))
        code = BANGER_ERROR_BUSY;
    else if (result == -ETIMEDOUT || sd_bus_error_has_name(failure, SD_BUS_ERROR_NO_REPLY)) {
        code = BANGER_ERROR_TIMEOUT;
        outcome = OUTCOME_UNANSWERED;
    }
    (void)banger_set_error(error, code, "systemd-resolved: %s: %s", member, words);
    return outcome;
}

static sd_bus *
connect_bus(GError **error)
{
    g_autoptr(sd_bus) bus = NULL;
    int result = sd_bus_open_system_with_description(&bus, "banger-resolve1");

    if (result >= 0)
        result = sd_bus_set_method_call_timeout(bus, CALL_TIMEOUT_USEC);
    if (result >= 0)
        return g_steal_pointer(&bus);
    (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -result,
                           "cannot connect to the system bus");
    return NULL;
}

/* Sends @message, a call of @member. */
static Outcome
call_resolved(sd_bus *bus, sd_bus_message *message, const char *member, GError **error)
{
    g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;
    int result = sd_bus_call(bus, message, 0, &failure, NULL);

    return result < 0 ? refuse_call(member, &failure, result, error) : OUTCOME_DONE;
}

/* A call of the manager's @member about @link, its other arguments yet to come. Never NULL. */
static sd_bus_message *
new_call(sd_bus *bus, const char *member, int link)
{
    sd_bus_message *message = NULL;

    if (sd_bus_message_new_method_call(bus, &message, NAME, PATH, INTERFACE, member) < 0 ||
        sd_bus_message_append(message, "i", link) < 0)
        g_error("out of memory");
    return message;
}

static Outcome
set_dns_once(sd_bus *bus, int link, const BangerServer *server, GError **error)
{
    bool is_plain = server->port == 0;
    const char *member = is_plain ? "SetLinkDNS" : "SetLinkDNSEx";
    const char *type = is_plain ? "iay" : "iayqs";
    g_autoptr(sd_bus_message) message = new_call(bus, member, link);
    int result = sd_bus_message_open_container(message, 'a', is_plain ? "(iay)" : "(iayqs)");

    if (result >= 0)
        result = sd_bus_message_open_container(message, 'r', type);
    if (result >= 0)
        result = sd_bus_message_append(message, "i", server->address.family);
    if (result >= 0)
        result = sd_bus_message_append_array(message, 'y', server->address.bytes,
                                             banger_address_length(&server->address));
    if (result >= 0 && !is_plain)
        result = sd_bus_message_append(message, "qs", server->port, "");
    if (result >= 0)
        result = sd_bus_message_close_container(message);
    if (result >= 0)
        result = sd_bus_message_close_container(message);
    if (result < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -result,
                               "systemd-resolved: %s", member);
        return OUTCOME_FAILED;
    }
    return call_resolved(bus, message, member, error);
}

/* resolved learns of a new link from the kernel, in its own time. */
static Outcome
set_dns(sd_bus *bus, int link, const BangerServer *server, GError **error)
{
    gint64 end_usec = g_get_monotonic_time() + NEW_LINK_TIMEOUT_USEC;

    for (;;) {
        g_autoptr(GError) refusal = NULL;
        Outcome outcome = set_dns_once(bus, link, server, &refusal);

        if (outcome != OUTCOME_NO_SUCH_LINK || g_get_monotonic_time() >= end_usec) {
            if (refusal != NULL)
                g_propagate_error(error, g_steal_pointer(&refusal));
            return outcome;
        }
        g_usleep(NEW_LINK_RETRY_USEC);
    }
}

static Outcome
set_domain(sd_bus *bus, int link, const char *domain, GError **error)
{
    g_autoptr(sd_bus_message) message = new_call(bus, "SetLinkDomains", link);

    /* true: for routing only, what resolvectl(1) writes as "~domain". */
    if (sd_bus_message_append(message, "a(sb)", 1, domain, true) < 0)
        g_error("out of memory");
    return call_resolved(bus, message, "SetLinkDomains", error);
}

static Outcome
set_default_route(sd_bus *bus, int link, GError **error)
{
    g_autoptr(sd_bus_message) message = new_call(bus, "SetLinkDefaultRoute", link);

    if (sd_bus_message_append(message, "b", false) < 0)
        g_error("out of memory");
    return call_resolved(bus, message, "SetLinkDefaultRoute", error);
}

/*
 * What decides whether the server is believed and asked at all, whatever resolved.conf(5) says: it
 * signs nothing and speaks no TLS. And guests do not answer the host's own questions by multicast.
 */
static const char *const modes[] = {
    "SetLinkDNSSEC",
    "SetLinkDNSOverTLS",
    "SetLinkLLMNR",
    "SetLinkMulticastDNS",
};

static Outcome
set_modes(sd_bus *bus, int link, GError **error)
{
    Outcome outcome = OUTCOME_DONE;

    for (size_t i = 0; outcome == OUTCOME_DONE && i < G_N_ELEMENTS(modes); i++) {
        g_autoptr(sd_bus_message) message = new_call(bus, modes[i], link);

        if (sd_bus_message_append(message, "s", "no") < 0)
            g_error("out of memory");
        outcome = call_resolved(bus, message, modes[i], error);
    }
    return outcome;
}

static Outcome
revert_link(sd_bus *bus, int link, GError **error)
{
    g_autoptr(sd_bus_message) message = new_call(bus, "RevertLink", link);

    return call_resolved(bus, message, "RevertLink", error);
}

bool
banger_resolve1_probe(bool *ret_available, GError **error)
{
    g_autoptr(sd_bus) bus = connect_bus(error);
    g_auto(sd_bus_error) failure = SD_BUS_ERROR_NULL;
    int result;
    Outcome outcome = OUTCOME_DONE;

    if (bus == NULL)
        return false;
    result = sd_bus_call_method(bus, NAME, PATH, "org.freedesktop.DBus.Peer", "Ping", &failure,
                                NULL, NULL);
    if (result < 0)
        outcome = refuse_call("Ping", &failure, result, error);
    *ret_available = outcome == OUTCOME_DONE;
    return outcome == OUTCOME_DONE || outcome == OUTCOME_UNAVAILABLE;
}

bool
banger_resolve1_route(int link, const BangerServer *server, const char *domain, bool *ret_available,
                      GError **error)
{
    g_autoptr(sd_bus) bus = connect_bus(error);
    Outcome outcome;
    bool begun;

    if (bus == NULL)
        return false;
    outcome = set_dns(bus, link, server, error);
    begun = outcome == OUTCOME_DONE || outcome == OUTCOME_UNANSWERED;
    if (outcome == OUTCOME_DONE) {
        outcome = set_domain(bus, link, domain, error);
        if (outcome == OUTCOME_DONE)
            outcome = set_default_route(bus, link, error);
        if (outcome == OUTCOME_DONE)
            outcome = set_modes(bus, link, error);
        if (outcome == OUTCOME_UNAVAILABLE) {
            /* It was there for the first call. */
            (void)banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                   "systemd-resolved went away meanwhile");
            outcome = OUTCOME_FAILED;
        }
    }
    /*
     * A server without its domain would be asked for all names. resolved answers in order, so this
     * also takes back what it comes round to only now.
     */
    if (begun && outcome != OUTCOME_DONE)
        (void)revert_link(bus, link, NULL);
    if (outcome != OUTCOME_DONE && outcome != OUTCOME_UNAVAILABLE)
        return false;
    *ret_available = outcome == OUTCOME_DONE;
    return true;
}

bool
banger_resolve1_revert(int link, bool *ret_available, GError **error)
{
    g_autoptr(sd_bus) bus = connect_bus(error);
    g_autoptr(GError) refusal = NULL;
    Outcome outcome;

    if (bus == NULL)
        return false;
    outcome = revert_link(bus, link, &refusal);
    if (outcome == OUTCOME_FAILED || outcome == OUTCOME_UNANSWERED) {
        g_propagate_error(error, g_steal_pointer(&refusal));
        return false;
    }
    *ret_available = outcome != OUTCOME_UNAVAILABLE;
    return true;
}
