/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/unit-common.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include <glib.h>

#include "model/names.h"

bool
banger_unit_kvm_group(gid_t *ret_gid)
{
    struct stat st;

    if (stat("/dev/kvm", &st) < 0 || !S_ISCHR(st.st_mode) || st.st_gid == 0 ||
        (st.st_mode & (S_IRGRP | S_IWGRP)) != (S_IRGRP | S_IWGRP))
        return false;
    *ret_gid = st.st_gid;
    return true;
}

char *
banger_unit_parse_name(const char *unit)
{
    g_autofree char *vm_id = NULL;

    if (!g_str_has_prefix(unit, BANGER_UNIT_PREFIX) || !g_str_has_suffix(unit, BANGER_UNIT_SUFFIX))
        return NULL;
    vm_id = g_strdup(unit + strlen(BANGER_UNIT_PREFIX));
    vm_id[strlen(vm_id) - strlen(BANGER_UNIT_SUFFIX)] = '\0';
    return banger_name_check_vm_id(vm_id, NULL) ? g_steal_pointer(&vm_id) : NULL;
}

char *
banger_unit_format_end(int code, int status)
{
    /* firecracker's own, of its FcExitCode, where the number alone says nothing. */
    static const struct {
        int status;
        const char *meaning;
    } meanings[] = {
        {148, "it made a system call that its filter does not allow"},
        {149, "it got SIGBUS: its memory or a file that it has mapped is gone"},
        {150, "it got SIGSEGV"},
        {151, "it got SIGXFSZ: a file would have become larger than it may"},
        {152, "it does not accept its configuration"},
        {153, "it does not take its command line"},
        {154, "it got SIGXCPU: it used up its processor time"},
        {155, "it got SIGPIPE"},
        {156, "it got SIGHUP"},
        {157, "it got SIGILL: it was built for another processor"},
    };

    if (code == CLD_EXITED) {
        for (size_t i = 0; i < G_N_ELEMENTS(meanings); i++)
            if (meanings[i].status == status)
                return g_strdup_printf("exited with status %d (%s)", status, meanings[i].meaning);
        return g_strdup_printf("exited with status %d", status);
    }
    return g_strdup_printf("was killed by signal %d (%s)", status,
                           sigdescr_np(status) != NULL ? sigdescr_np(status) : "unknown");
}
