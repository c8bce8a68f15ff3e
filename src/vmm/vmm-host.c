/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/vmm-host.h"

#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "model/names.h"
#include "vmm/executable.h"
#include "vmm/jail-host.h"

#define KVM "/dev/kvm"

void
banger_vmm_describe_host(const BangerSettings *settings, GPtrArray *features, GPtrArray *warnings)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *binary = NULL;
    struct stat st;

    if (stat(KVM, &st) == 0 && S_ISCHR(st.st_mode))
        g_ptr_array_add(features, g_strdup("kvm"));
    if (settings->jail && sd_booted() > 0)
        g_ptr_array_add(features, g_strdup("jail"));
    if (!banger_executable_resolve(BANGER_BINARY_DEFAULT, &binary, &error))
        g_ptr_array_add(warnings, g_strdup(error->message));
    banger_jail_describe_host(settings, warnings);
}
