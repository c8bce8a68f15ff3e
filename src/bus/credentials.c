/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/credentials.h"

#include <errno.h>
#include <glib.h>

#include "util/sd-auto.h"

#define BUS "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
#define ANSWER_TIMEOUT_USEC (UINT64_C(25) * G_USEC_PER_SEC)

struct BangerCredentials {
    sd_bus *bus;
    sd_bus_slot *match; /* on names that go away */
    void (*gone)(const char *name, void *user_data);
    void *gone_data;
    GHashTable *senders; /* unique name -> Sender */
};

typedef struct {
    BangerCredentials *credentials;
    char *name;
    sd_bus_slot *question; /* while it is open */
    bool known;
    uid_t uid;
    pid_t pid;
    GArray *waiting; /* of Waiting */
} Sender;

typedef struct {
    BangerCredentialsCallback callback;
    void *user_data;
} Waiting;

static void
sender_free(gpointer data)
{
    Sender *sender = data;

    sd_bus_slot_unref(sender->question);
    g_array_unref(sender->waiting);
    g_free(sender->name);
    g_free(sender);
}

/* Answers everyone who waited for @sender, which may be gone from the table afterwards. */
static void
answer(Sender *sender)
{
    g_autoptr(GArray) waiting = g_steal_pointer(&sender->waiting);
    bool known = sender->known;
    uid_t uid = sender->uid;
    pid_t pid = sender->pid;

    sender->waiting = g_array_new(FALSE, FALSE, sizeof(Waiting));
    if (!known)
        g_hash_table_remove(sender->credentials->senders, sender->name);
    for (guint i = 0; i < waiting->len; i++) {
        Waiting *one = &g_array_index(waiting, Waiting, i);

        one->callback(known, uid, pid, one->user_data);
    }
}

/* Reads the a{sv} of GetConnectionCredentials. */
static bool
read_credentials(sd_bus_message *reply, Sender *sender)
{
    bool has_uid = false;

    if (sd_bus_message_enter_container(reply, 'a', "{sv}") < 0)
        return false;
    while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
        const char *key;
        uint32_t number;
        int r = sd_bus_message_read_basic(reply, 's', &key);

        if (r < 0)
            return false;
        if (g_str_equal(key, "UnixUserID")) {
            if (sd_bus_message_read(reply, "v", "u", &number) < 0)
                return false;
            sender->uid = number;
            has_uid = true;
        } else if (g_str_equal(key, "ProcessID")) {
            if (sd_bus_message_read(reply, "v", "u", &number) < 0)
                return false;
            sender->pid = (pid_t)number;
        } else if (sd_bus_message_skip(reply, "v") < 0) {
            return false;
        }
        if (sd_bus_message_exit_container(reply) < 0)
            return false;
    }
    return has_uid;
}

static int
on_answer(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    Sender *sender = user_data;

    (void)ret_error;
    sender->question = sd_bus_slot_unref(sender->question);
    sender->known = !sd_bus_message_is_method_error(reply, NULL) && read_credentials(reply, sender);
    answer(sender);
    return 0;
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
    /* Whoever still waits is told by the question's own answer, which follows. */
    if (sender == NULL || sender->question != NULL)
        return 0;
    g_hash_table_remove(credentials->senders, name);
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
    credentials->senders = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, sender_free);
    *ret_credentials = credentials;
    return 0;
}

void
banger_credentials_free(BangerCredentials *credentials)
{
    sd_bus_slot_unref(credentials->match);
    g_hash_table_unref(credentials->senders);
    sd_bus_unref(credentials->bus);
    g_free(credentials);
}

static int
ask(Sender *sender)
{
    g_autoptr(sd_bus_message) message = NULL;
    sd_bus *bus = sender->credentials->bus;
    int r = sd_bus_message_new_method_call(bus, &message, BUS, BUS_PATH, BUS,
                                           "GetConnectionCredentials");

    if (r >= 0)
        r = sd_bus_message_append_basic(message, 's', sender->name);
    if (r >= 0)
        r = sd_bus_call_async(bus, &sender->question, message, on_answer, sender,
                              ANSWER_TIMEOUT_USEC);
    return r;
}

int
banger_credentials_get(BangerCredentials *credentials, const char *name, unsigned int max,
                       BangerCredentialsCallback callback, void *user_data)
{
    Sender *sender = g_hash_table_lookup(credentials->senders, name);
    Waiting waiting = {callback, user_data};

    if (sender != NULL && sender->known) {
        callback(true, sender->uid, sender->pid, user_data);
        return 0;
    }
    if (sender == NULL) {
        int r;

        sender = g_new0(Sender, 1);
        sender->credentials = credentials;
        sender->name = g_strdup(name);
        sender->waiting = g_array_new(FALSE, FALSE, sizeof(Waiting));
        g_hash_table_insert(credentials->senders, sender->name, sender);
        r = ask(sender);
        if (r < 0) {
            g_hash_table_remove(credentials->senders, name);
            return r;
        }
    }
    if (sender->waiting->len >= max)
        return -EBUSY;
    g_array_append_val(sender->waiting, waiting);
    return 0;
}
