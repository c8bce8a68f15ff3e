/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "util/error.h"
#include "vmm/launch-private.h"
#include "vmm/log-tail.h"

/* Not by access(2): a device policy refuses that too, for a device which is there. */
static bool
is_missing(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 && errno == ENOENT;
}

/* Whether @message speaks of KVM, and not only of a name or path of the request that has it. */
static bool
blames_kvm(const Launch *launch, const char *message)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;
    const char *const names[] = {
        launch->binary,        request->socket_path,       request->log_path,
        request->metrics_path, request->kernel_image_path, request->initrd_path,
        request->vsock_path,   request->tap_device,        request->vm_id,
    };
    g_autoptr(GString) rest = g_string_new(message);

    for (unsigned int i = 0; i < request->drives->len; i++)
        g_string_replace(rest, g_array_index(request->drives, BangerDrive, i).image.path, " ", 0);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (names[i] != NULL && names[i][0] != '\0')
            g_string_replace(rest, names[i], " ", 0);
    return strcasestr(rest->str, "kvm") != NULL;
}

void
banger_launch_explain(Launch *launch, GError **error)
{
    g_autoptr(GError) failure = *error;
    g_autoptr(GString) message = g_string_new(NULL);
    g_autofree char *tail =
        banger_log_tail(launch->log_fd, launch->request->kernel_args, launch->log_start);
    BangerErrorCode code = banger_error_code(failure);
    g_autofree char *end = NULL;

    if (launch->unit != NULL) {
        /* A request whose connection was closed has waited for it; others may be a sign, too. */
        (void)banger_process_wait_end(banger_unit_process(launch->unit), 100);
        end = banger_unit_describe_end(launch->unit);
    }
    g_string_append_printf(message, "cannot launch %s: %s", launch->request->vm_id,
                           failure->message);
    if (end != NULL)
        g_string_append_printf(message, "; %s %s", launch->binary, end);
    if (tail != NULL)
        g_string_append_printf(message, "; last in its log: %s", tail);
    if (is_missing("/dev/kvm")) {
        /* What else is wrong is no matter if it was KVM that the VMM asked for in vain. */
        if (blames_kvm(launch, message->str))
            code = BANGER_ERROR_NOT_SUPPORTED;
        g_string_append(message, "; this host has no /dev/kvm");
    }
    *error = NULL;
    (void)banger_set_error(error, code, "%s", message->str);
}
