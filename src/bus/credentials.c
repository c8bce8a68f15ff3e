/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/credentials.h"

#include <errno.h>
#include <glib.h>

#include "util/sd-auto.h"

#define BUS "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
/*
 * Not GetConnectionCredentials, whose answer may have a descriptor of the process: nothing here
 * needs it, a helper without a descriptor left would lose its connection by it, and dbus-broker
 * ends a connection that takes none.
 */
#define GET_PID "GetConnectionUnixProcessID"
#define GET_UID "GetConnectionUnixUser"
#define ANSWER_TIMEOUT_USEC (UINT64_C(25) * G_USEC_PER_SEC)
#define ANSWER_NOW_TIMEOUT_USEC (UINT64_C(500000)) /* of each of the two questions */
#define GONE_MAX 256u                              /* names that are gone and still known */

struct BangerCredentials {
    sd_bus *bus;
    sd_bus_slot *match; /* on names that go away */
    void (*gone)(const char *name, void *user_data);
    void *gone_data;
    GHashTable *senders; /* unique name -> Sender */
    GQueue gone_names;   /* of Sender: those of @senders that are gone, oldest first */
    unsigned int n_waiting;
};

typedef struct {
    BangerCredentials *credentials;
    char *name;
    sd_bus_slot *pid_question; /* while it is open */
    sd_bus_slot *question;     /* of the uid, after that one */
    bool known;
    BangerPeer peer;
    GArray *waiting; /* of Waiting */
} Sender;

typedef struct {
    BangerCredentialsCallback callback;
    void *user_data;
} Waiting;

static void
sender_free(void *user_data)
{
    Sender *sender = user_data;

    sd_bus_slot_unref(sender->pid_question);
    sd_bus_slot_unref(sender->question);
    g_array_unref(sender->waiting);
    g_free(sender->name);
    g_free(sender);
}

static Sender *
add_sender(BangerCredentials *credentials, const char *name)
{
    Sender *sender = g_new0(Sender, 1);

    sender->credentials = credentials;
    sender->name = g_strdup(name);
    sender->waiting = g_array_new(FALSE, FALSE, sizeof(Waiting));
    (void)g_hash_table_insert(credentials->senders, sender->name, sender);
    return sender;
}

/* Answers all who waited for @sender; if the bus could not say who that is, it is forgotten. */
static void
answer_waiting(Sender *sender)
{
    BangerCredentials *credentials = sender->credentials;
    g_autoptr(GArray) waiting = g_steal_pointer(&sender->waiting);
    bool known = sender->known;
    BangerPeer *peer = known ? &sender->peer : NULL;

    sender->waiting = g_array_new(FALSE, FALSE, sizeof(Waiting));
    credentials->n_waiting -= waiting->len;
    if (!known)
        g_hash_table_remove(credentials->senders, sender->name);
    for (unsigned int i = 0; i < waiting->len; i++) {
        const Waiting *one = &g_array_index(waiting, Waiting, i);

        if (one->callback != NULL)
            one->callback(peer, one->user_data);
    }
}

static int
on_pid(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    Sender *sender = user_data;
    uint32_t pid;

    (void)ret_error;
    sender->pid_question = sd_bus_slot_unref(sender->pid_question);
    if (!sd_bus_message_is_method_error(reply, NULL) &&
        sd_bus_message_read_basic(reply, 'u', &pid) > 0)
        sender->peer.pid = (pid_t)pid;
    return 0;
}

/* The bus answers in order: on_pid() has been called. */
static int
on_uid(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    Sender *sender = user_data;
    uint32_t uid;

    (void)ret_error;
    sender->question = sd_bus_slot_unref(sender->question);
    if (!sd_bus_message_is_method_error(reply, NULL) &&
        sd_bus_message_read_basic(reply, 'u', &uid) > 0) {
        sender->peer.uid = uid;
        sender->known = true;
    }
    answer_waiting(sender);
    return 0;
}

static void
forget_oldest(BangerCredentials *credentials)
{
    const Sender *oldest = g_queue_pop_head(&credentials->gone_names);

    g_hash_table_remove(credentials->senders, oldest->name);
}

static int
on_name_owner_changed(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    BangerCredentials *credentials = user_data;
    const char *name;
    Sender *sender;

    (void)ret_error;
    if (sd_bus_message_read_basic(message, 's', &name) <= 0)
        return 0;
    sender = g_hash_table_lookup(credentials->senders, name);
    /* Those who still wait are answered by the question's own answer, which follows. */
    if (sender == NULL || sender->question != NULL)
        return 0;
    g_queue_push_tail(&credentials->gone_names, sender);
    if (g_queue_get_length(&credentials->gone_names) > GONE_MAX)
        forget_oldest(credentials);
    credentials->gone(name, credentials->gone_data);
    return 0;
}

int
banger_credentials_new(sd_bus *bus, void (*gone)(const char *name, void *user_data),
                       void *user_data, BangerCredentials **ret_credentials)
{
    BangerCredentials *credentials = g_new0(BangerCredentials, 1);
    /* One match for all names: a match each would meet the bus's limit of 512 a connection. */
    int r = sd_bus_add_match(bus, &credentials->match,
                             "type='signal',sender='" BUS "',path='" BUS_PATH "',interface='" BUS
                             "',member='NameOwnerChanged',arg2=''",
                             on_name_owner_changed, credentials);

    if (r < 0) {
        g_free(credentials);
        return r;
    }
    credentials->bus = sd_bus_ref(bus);
    credentials->gone = gone;
    credentials->gone_data = user_data;
    g_queue_init(&credentials->gone_names);
    credentials->senders = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, sender_free);
    *ret_credentials = credentials;
    return 0;
}

void
banger_credentials_free(BangerCredentials *credentials)
{
    sd_bus_slot_unref(credentials->match);
    g_queue_clear(&credentials->gone_names);
    g_hash_table_unref(credentials->senders);
    sd_bus_unref(credentials->bus);
    g_free(credentials);
}

static int
make_question(const Sender *sender, const char *member, sd_bus_message **ret_message)
{
    g_autoptr(sd_bus_message) message = NULL;
    int r = sd_bus_message_new_method_call(sender->credentials->bus, &message, BUS, BUS_PATH, BUS,
                                           member);

    if (r < 0)
        return r;
    r = sd_bus_message_append_basic(message, 's', sender->name);
    if (r < 0)
        return r;
    *ret_message = g_steal_pointer(&message);
    return 0;
}

static int
ask_bus(Sender *sender, const char *member, sd_bus_message_handler_t on_answer,
        sd_bus_slot **ret_question)
{
    g_autoptr(sd_bus_message) message = NULL;
    int r = make_question(sender, member, &message);

    if (r < 0)
        return r;
    return sd_bus_call_async(sender->credentials->bus, ret_question, message, on_answer, sender,
                             ANSWER_TIMEOUT_USEC);
}

/* Asks, and waits for the answer. */
static bool
ask_bus_now(const Sender *sender, const char *member, uint32_t *ret_number)
{
    g_autoptr(sd_bus_message) message = NULL;
    g_autoptr(sd_bus_message) reply = NULL;

    return make_question(sender, member, &message) >= 0 &&
           sd_bus_call(sender->credentials->bus, message, ANSWER_NOW_TIMEOUT_USEC, NULL, &reply) >=
               0 &&
           sd_bus_message_read_basic(reply, 'u', ret_number) > 0;
}

BangerPeer *
banger_credentials_find(BangerCredentials *credentials, const char *name)
{
    Sender *sender = g_hash_table_lookup(credentials->senders, name);

    return sender != NULL && sender->known ? &sender->peer : NULL;
}

int
banger_credentials_get(BangerCredentials *credentials, const char *name, unsigned int max,
                       unsigned int max_all, BangerCredentialsCallback callback, void *user_data)
{
    Sender *sender = g_hash_table_lookup(credentials->senders, name);
    Waiting waiting = {callback, user_data};

    if (credentials->n_waiting >= max_all || (sender != NULL && sender->waiting->len >= max))
        return -EBUSY;
    if (sender == NULL) {
        int r;

        sender = add_sender(credentials, name);
        r = ask_bus(sender, GET_PID, on_pid, &sender->pid_question);
        if (r >= 0)
            r = ask_bus(sender, GET_UID, on_uid, &sender->question);
        if (r < 0) {
            g_hash_table_remove(credentials->senders, name);
            return r;
        }
    }
    g_array_append_val(sender->waiting, waiting);
    credentials->n_waiting++;
    return 0;
}

BangerPeer *
banger_credentials_find_now(BangerCredentials *credentials, const char *name)
{
    Sender *sender = g_hash_table_lookup(credentials->senders, name);
    uint32_t uid, pid = 0;

    if (sender == NULL)
        sender = add_sender(credentials, name);
    if (!sender->known && ask_bus_now(sender, GET_UID, &uid)) {
        (void)ask_bus_now(sender, GET_PID, &pid);
        sender->peer.uid = uid;
        sender->peer.pid = (pid_t)pid;
        sender->known = true;
    }
    if (sender->known) {
        answer_waiting(sender); /* they came first */
        return &sender->peer;
    }
    /* Without a question of its own nothing else would forget it. */
    if (sender->question == NULL)
        g_hash_table_remove(credentials->senders, name);
    return NULL;
}
