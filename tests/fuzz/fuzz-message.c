/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Calls as they come by D-Bus, the machine dictionary among them: the bytes choose the method and
 * fill its arguments, with the wrong keys and types where a dictionary lets them. What must be
 * true: a request that was decoded and found valid is valid in its canonical form too, stays within
 * the managed folders, and everything is freed.
 */
#include <string.h>

#include "bus/message.h"
#include "lib/loose-bus.h"
#include "model/details.h"
#include "model/validate.h"
#include "util/sd-auto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const uint8_t *data;
    size_t size;
} Input;

static uint8_t
take_byte(Input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

/* A string: one of what is often right, or up to 255 bytes of the input. */
static char *
take_string(Input *input)
{
    static const char *const usual[] = {
        "/var/lib/banger/a",
        "/run/banger/a.sock",
        "br-fc",
        "tap-fc-1",
        "172.16.0.1",
        "24",
        "fc-rootfs-1",
        "/dev/mapper/fc-rootfs-1",
        "/usr/bin/x",
        "vm-1",
        "/dev/loop7",
        "",
    };
    uint8_t length = take_byte(input);
    g_autofree char *text = NULL;

    if (length < G_N_ELEMENTS(usual))
        return g_strdup(usual[length]);
    text = g_strndup((const char *)input->data, MIN(length, input->size));
    input->data += MIN(length, input->size);
    input->size -= MIN(length, input->size);
    return g_utf8_make_valid(text, -1); /* the bus lets nothing else through */
}

static int append_fields(sd_bus_message *message, const BangerField *fields, Input *input);
static int append_dict(sd_bus_message *message, const BangerField *dict, Input *input);

static int
append_struct(sd_bus_message *message, const BangerField *members, Input *input)
{
    g_autofree char *contents = banger_fields_signature(members);
    int r = sd_bus_message_open_container(message, 'r', contents);

    if (r >= 0)
        r = append_fields(message, members, input);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int
append_element(sd_bus_message *message, const BangerField *field, Input *input)
{
    int r;

    if (field->type == BANGER_TYPE_ARRAY)
        return append_struct(message, field->members, input);
    if (field->type == BANGER_TYPE_LIST)
        return append_fields(message, field->members, input);
    r = sd_bus_message_open_container(message, 'e', "sa{sv}");
    if (r >= 0)
        r = append_fields(message, field->members, input);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int
append_array(sd_bus_message *message, const BangerField *field, Input *input)
{
    g_autoptr(GString) signature = g_string_new(NULL);
    int r;

    banger_field_append_signature(field, signature);
    r = sd_bus_message_open_container(message, 'a', signature->str + 1);
    for (unsigned int n = take_byte(input) % 32; r >= 0 && n > 0; n--)
        r = append_element(message, field, input);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int
append_number(sd_bus_message *message, const BangerField *field, Input *input)
{
    BangerField whole = {.type = field->type};
    uint64_t place = 0; /* for a number of any size */

    banger_field_set_number(&whole, &place, (uint64_t)take_byte(input) << take_byte(input) % 57);
    return sd_bus_message_append_basic(message, banger_type_code(field->type), &place);
}

/* Appends a value of the type of @field. */
static int
append_field(sd_bus_message *message, const BangerField *field, Input *input)
{
    g_autofree char *text = NULL;

    switch (field->type) {
    case BANGER_TYPE_STRING:
        text = take_string(input);
        return sd_bus_message_append(message, "s", text);
    case BANGER_TYPE_BOOLEAN:
        return sd_bus_message_append(message, "b", take_byte(input) & 1);
    case BANGER_TYPE_UINT16:
    case BANGER_TYPE_UINT32:
    case BANGER_TYPE_UINT64:
        return append_number(message, field, input);
    case BANGER_TYPE_HANDLE:
        return sd_bus_message_append(message, "h", 2);
    case BANGER_TYPE_BYTES:
        text = take_string(input);
        return sd_bus_message_append_array(message, 'y', text, strlen(text));
    case BANGER_TYPE_STRUCT:
        return append_struct(message, field->members, input);
    case BANGER_TYPE_ARRAY:
    case BANGER_TYPE_LIST:
    case BANGER_TYPE_MAP:
        return append_array(message, field, input);
    case BANGER_TYPE_DICT:
        return append_dict(message, field, input);
    case BANGER_TYPE_OBJECT_PATH:
    case BANGER_TYPE_INT32:
    case BANGER_TYPE_DOUBLE:
        break; /* in replies only */
    }
    g_assert_not_reached();
}

static int
append_fields(sd_bus_message *message, const BangerField *fields, Input *input)
{
    int r = 0;

    for (const BangerField *field = fields; r >= 0 && field->name != NULL; field++)
        r = append_field(message, field, input);
    return r;
}

static unsigned int
count(const BangerField *fields)
{
    unsigned int n = 0;

    while (fields[n].name != NULL)
        n++;
    return n;
}

/* One entry: the byte says which key, and whether its value is of the key's own type. */
static int
append_entry(sd_bus_message *message, const BangerField *key, const BangerField *value,
             Input *input)
{
    g_autoptr(GString) signature = g_string_new(NULL);
    int r = sd_bus_message_open_container(message, 'e', "sv");

    banger_field_append_signature(value, signature);
    if (r >= 0)
        r = sd_bus_message_append(message, "s", key->name == NULL ? "no_such_key" : key->name);
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'v', signature->str);
    if (r >= 0)
        r = append_field(message, value, input);
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

/*
 * First every member in its place, if the byte says so, but for one; then whatever the bytes say.
 */
static int
append_dict(sd_bus_message *message, const BangerField *dict, Input *input)
{
    unsigned int n = count(dict->members);
    unsigned int left_out = take_byte(input) % (2 * n);
    bool all = take_byte(input) & 1;
    int r = sd_bus_message_open_container(message, 'a', "{sv}");

    for (unsigned int i = 0; all && r >= 0 && i < n; i++)
        if (i != left_out)
            r = append_entry(message, &dict->members[i], &dict->members[i], input);
    for (unsigned int more = take_byte(input) % 4; r >= 0 && more > 0; more--)
        r = append_entry(message, &dict->members[take_byte(input) % (n + 1)],
                         &dict->members[take_byte(input) % n], input);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

/*
 * Details of a valid request: no control characters but the line feeds between the elements of an
 * array and in JSON text, no path out of the tree.
 */
static void
check_scalar(const BangerField *field, const char *text, gpointer user_data)
{
    (void)user_data;
    for (const char *at = text; *at != '\0'; at++)
        g_assert_true(*at == '\n' || ((unsigned char)*at >= 0x20 && *at != 0x7f));
    if (field->kind == BANGER_KIND_STATE_PATH && text[0] != '\0')
        g_assert_true(g_str_has_prefix(text, "/var/lib/banger/") && strstr(text, "/../") == NULL);
    if (field->kind == BANGER_KIND_RUNTIME_PATH && text[0] != '\0')
        g_assert_true(g_str_has_prefix(text, "/run/banger/") && strstr(text, "/../") == NULL);
}

static void
try(sd_bus_message *message, const BangerMethod *method)
{
    const BangerSettings settings = {.state_directory = (char *)"/var/lib/banger",
                                     .runtime_directory = (char *)"/run/banger"};
    BangerRequest *request = NULL;
    g_autoptr(GError) error = NULL;
    bool ok = banger_message_decode(message, method, &settings, &request, &error);

    g_assert_nonnull(request);
    g_assert_nonnull(request->op_id);
    g_assert_true(ok == (error == NULL));
    if (ok && banger_request_validate(method, request, &settings, &error)) {
        g_strfreev(banger_request_keys(method, request));
        banger_request_for_each_detail(method, request, check_scalar, NULL);
        g_assert_true(banger_request_validate(method, request, &settings, &error));
    }
    banger_request_free(method, request);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sd_bus *bus;
    Input input = {data, size};
    const BangerMethod *method =
        banger_method((BangerMethodId)(take_byte(&input) % BANGER_N_METHODS));
    g_autoptr(sd_bus_message) message = NULL;
    int r = 0;

    if (bus == NULL)
        bus = loose_bus_new();
    message = loose_message_new(bus);
    for (const BangerField *field = method->in; r >= 0 && field->name != NULL; field++)
        r = append_field(message, field, &input);
    if (r >= 0)
        r = sd_bus_message_append(message, "s", "op-1");
    if (r >= 0 && sd_bus_message_seal(message, 1, 0) >= 0)
        try(message, method);
    return 0;
}
