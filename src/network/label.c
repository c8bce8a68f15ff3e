/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/label.h"

#include <netinet/ether.h>
#include <string.h>

#include "model/names.h"
#include "network/link.h"
#include "util/settings.h"
#include "util/uptime.h"

#define VM_KEY "vm="
#define AT_KEY "at="
#define MAC_KEY "mac="

bool
banger_label_is_ours(const char *alias)
{
    const char *rest = alias + strlen(BANGER_LINK_ALIAS);

    return g_str_has_prefix(alias, BANGER_LINK_ALIAS) && (*rest == '\0' || *rest == ' ');
}

static void
parse_guest(char *word, BangerLabel *label)
{
    BangerLabelGuest guest = {.nat = !g_str_has_suffix(word, "!")};

    if (!guest.nat)
        word[strlen(word) - 1] = '\0';
    if (label->n_guests < BANGER_LABEL_GUESTS_MAX &&
        banger_address_parse(word, &guest.address, NULL))
        label->guests[label->n_guests++] = guest;
}

static void
parse_word(char *word, BangerLabel *label)
{
    if (g_str_has_prefix(word, VM_KEY)) {
        if (banger_name_check_vm_id(word + strlen(VM_KEY), NULL))
            (void)g_strlcpy(label->vm, word + strlen(VM_KEY), sizeof label->vm);
    } else if (g_str_has_prefix(word, AT_KEY))
        label->made_at_s = g_ascii_strtoull(word + strlen(AT_KEY), NULL, 10);
    else if (g_str_has_prefix(word, MAC_KEY)) {
        struct ether_addr address;

        if (ether_aton_r(word + strlen(MAC_KEY), &address) != NULL)
            (void)g_strlcpy(label->mac, word + strlen(MAC_KEY), sizeof label->mac);
    } else if (g_str_equal(word, "open"))
        label->open = true;
    else if (g_str_equal(word, "more"))
        label->more = true;
    else if (g_str_equal(word, "adopted"))
        label->adopted = true;
    else if (g_str_equal(word, "forwarding4"))
        label->forwarding4 = true;
    else if (g_str_equal(word, "forwarding6"))
        label->forwarding6 = true;
    else
        parse_guest(word, label);
}

void
banger_label_parse(const char *alias, BangerLabel *ret_label)
{
    g_auto(GStrv) words = NULL;

    *ret_label = (BangerLabel){0};
    if (!banger_label_is_ours(alias))
        return;
    words = g_strsplit(alias + strlen(BANGER_LINK_ALIAS), " ", -1);
    for (char **word = words; *word != NULL; word++)
        if (**word != '\0')
            parse_word(*word, ret_label);
}

char *
banger_label_format(const BangerLabel *label)
{
    g_autoptr(GString) text = g_string_new(BANGER_LINK_ALIAS);

    if (label->vm[0] != '\0')
        g_string_append_printf(text, " " VM_KEY "%s", label->vm);
    if (label->mac[0] != '\0')
        g_string_append_printf(text, " " MAC_KEY "%s", label->mac);
    if (label->open)
        g_string_append(text, " open");
    if (label->more)
        g_string_append(text, " more");
    if (label->adopted)
        g_string_append(text, " adopted");
    if (label->forwarding4)
        g_string_append(text, " forwarding4");
    if (label->forwarding6)
        g_string_append(text, " forwarding6");
    for (unsigned int i = 0; i < label->n_guests; i++) {
        g_autofree char *address = banger_address_format(&label->guests[i].address);

        g_string_append_printf(text, " %s%s", address, label->guests[i].nat ? "" : "!");
    }
    if (label->made_at_s != 0) {
        g_autofree char *made = g_strdup_printf(" " AT_KEY "%" G_GUINT64_FORMAT, label->made_at_s);

        /* What can be left out first. */
        if (text->len + strlen(made) < BANGER_ALIAS_SIZE)
            g_string_append(text, made);
    }
    return text->len < BANGER_ALIAS_SIZE ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

char *
banger_label_format_new(void)
{
    const BangerLabel label = {.made_at_s = banger_uptime_s()};

    return banger_label_format(&label);
}

int
banger_label_find_guest(const BangerLabel *label, const BangerAddress *address)
{
    for (unsigned int i = 0; i < label->n_guests; i++)
        if (banger_address_equal(&label->guests[i].address, address))
            return (int)i;
    return -1;
}

bool
banger_label_has_family(const BangerLabel *label, int family)
{
    for (unsigned int i = 0; i < label->n_guests; i++)
        if (label->guests[i].address.family == family)
            return true;
    return false;
}
