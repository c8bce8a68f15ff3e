/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/tap-file.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "model/destination.h"
#include "util/error.h"
#include "util/number.h"

static void
free_egress(void *user_data)
{
    BangerEgress *egress = user_data;

    g_strfreev(egress->networks);
    g_free(egress);
}

BangerTapFile *
banger_tap_file_new(void)
{
    BangerTapFile *file = g_new0(BangerTapFile, 1);

    file->egress = g_ptr_array_new_with_free_func(free_egress);
    file->forwards = g_array_new(FALSE, FALSE, sizeof(BangerForward));
    return file;
}

void
banger_tap_file_free(BangerTapFile *file)
{
    g_ptr_array_unref(file->egress);
    g_array_unref(file->forwards);
    g_free(file);
}

bool
banger_tap_file_is_empty(const BangerTapFile *file)
{
    return file->egress->len == 0 && file->forwards->len == 0;
}

static char *
path_of(const char *tap)
{
    return g_build_filename(BANGER_TAP_FILES, tap, NULL);
}

/* Where it is written: one name, so that what a helper left that was killed there can be found. */
static char *
draft_of(const char *tap)
{
    return g_strconcat(BANGER_TAP_FILES "/" BANGER_TAP_DRAFT, tap, NULL);
}

static bool
parse_egress(BangerTapFile *file, char **words)
{
    BangerAddress guest;

    if (words[0] == NULL || !banger_address_parse(words[0], &guest, NULL) || words[1] == NULL)
        return false;
    for (char **word = words + 1; *word != NULL; word++) {
        g_autofree char *text = NULL;

        if (!banger_destination_normalize(*word, &text, NULL))
            return false;
    }
    banger_tap_file_set_egress(file, &guest, words + 1);
    return true;
}

static bool
parse_forward(BangerTapFile *file, char **words)
{
    BangerForward forward = {0};
    unsigned int host_port, guest_port;

    if (g_strv_length(words) != 4 || !banger_number_parse(words[1], 1, UINT16_MAX, &host_port) ||
        !banger_address_parse(words[2], &forward.guest, NULL) ||
        !banger_number_parse(words[3], 1, UINT16_MAX, &guest_port))
        return false;
    if (g_str_equal(words[0], "tcp"))
        forward.protocol = IPPROTO_TCP;
    else if (g_str_equal(words[0], "udp"))
        forward.protocol = IPPROTO_UDP;
    else
        return false;
    forward.host_port = (uint16_t)host_port;
    forward.guest_port = (uint16_t)guest_port;
    g_array_append_val(file->forwards, forward);
    return true;
}

static bool
parse_line(BangerTapFile *file, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);

    if (words[0] == NULL)
        return true;
    if (g_str_equal(words[0], "egress"))
        return parse_egress(file, words + 1);
    return g_str_equal(words[0], "forward") && parse_forward(file, words + 1);
}

bool
banger_tap_file_read(const char *tap, BangerTapFile **ret_file, GError **error)
{
    g_autofree char *path = path_of(tap);
    g_autofree char *text = NULL;
    g_autoptr(GError) reason = NULL;
    g_autoptr(BangerTapFile) file = banger_tap_file_new();
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, &reason)) {
        if (!g_error_matches(reason, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "cannot read %s: %s",
                                    path, reason->message);
        *ret_file = NULL;
        return true;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        if (!parse_line(file, *line))
            return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                    "%s has a line that is not understood", path);
    *ret_file = g_steal_pointer(&file);
    return true;
}

static char *
format_file(const BangerTapFile *file)
{
    GString *text = g_string_new(NULL);

    for (unsigned int i = 0; i < file->egress->len; i++) {
        const BangerEgress *egress = g_ptr_array_index(file->egress, i);
        g_autofree char *guest = banger_address_format(&egress->guest);
        g_autofree char *networks = g_strjoinv(" ", egress->networks);

        g_string_append_printf(text, "egress %s %s\n", guest, networks);
    }
    for (unsigned int i = 0; i < file->forwards->len; i++) {
        const BangerForward *forward = &g_array_index(file->forwards, BangerForward, i);
        g_autofree char *guest = banger_address_format(&forward->guest);

        g_string_append_printf(text, "forward %s %u %s %u\n",
                               forward->protocol == IPPROTO_TCP ? "tcp" : "udp", forward->host_port,
                               guest, forward->guest_port);
    }
    return g_string_free(text, FALSE);
}

bool
banger_tap_file_write(const char *tap, const BangerTapFile *file, GError **error)
{
    g_autofree char *path = path_of(tap);
    g_autofree char *draft = draft_of(tap);
    g_autofree char *text = format_file(file);
    g_autoptr(GError) reason = NULL;

    if (banger_tap_file_is_empty(file)) {
        banger_tap_file_remove(tap);
        return true;
    }
    if (g_mkdir_with_parents(BANGER_TAP_FILES, 0700) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot make the directory %s", BANGER_TAP_FILES);
    if (!g_file_set_contents_full(draft, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &reason)) {
        (void)unlink(draft);
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "cannot write %s: %s", path,
                                reason->message);
    }
    if (rename(draft, path) < 0) {
        int errnum = errno;

        (void)unlink(draft);
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errnum, "cannot write %s",
                                path);
    }
    return true;
}

void
banger_tap_file_remove(const char *tap)
{
    g_autofree char *path = path_of(tap);
    g_autofree char *draft = draft_of(tap);

    (void)unlink(path);
    (void)unlink(draft);
}

const BangerEgress *
banger_tap_file_find_egress(const BangerTapFile *file, const BangerAddress *guest)
{
    for (unsigned int i = 0; i < file->egress->len; i++) {
        const BangerEgress *egress = g_ptr_array_index(file->egress, i);

        if (banger_address_equal(&egress->guest, guest))
            return egress;
    }
    return NULL;
}

void
banger_tap_file_set_egress(BangerTapFile *file, const BangerAddress *guest, char *const *networks)
{
    BangerEgress *egress;

    for (unsigned int i = file->egress->len; i-- > 0;)
        if (banger_address_equal(&((BangerEgress *)g_ptr_array_index(file->egress, i))->guest,
                                 guest))
            g_ptr_array_remove_index(file->egress, i);
    if (networks == NULL)
        return;
    egress = g_new0(BangerEgress, 1);
    egress->guest = *guest;
    egress->networks = g_strdupv((char **)networks);
    g_ptr_array_add(file->egress, egress);
}

void
banger_tap_file_forget(BangerTapFile *file, const BangerAddress *guest)
{
    banger_tap_file_set_egress(file, guest, NULL);
    for (unsigned int i = file->forwards->len; i-- > 0;)
        if (banger_address_equal(&g_array_index(file->forwards, BangerForward, i).guest, guest))
            g_array_remove_index(file->forwards, i);
}
