/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include <glib.h>

/*
 * Which programs the helper starts, and recognizes by /proc/PID/exe: those that only root can
 * have put or changed where they are. A path that passes may be used by name afterwards: only root
 * could make it lead elsewhere.
 */

/*
 * Finds the program @requested, an absolute path or a bare name. A bare name is looked up in
 * /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin and nowhere else; PATH of the
 * environment does not count. *@ret_path is its real path, without symbolic links: a regular file,
 * executable, owned by root, not writable by group or others, as is every directory above it.
 *
 * Errors: NotFound; NotManaged with what is wrong with it. Free *@ret_path with g_free().
 */
bool banger_executable_resolve(const char *requested, char **ret_path, GError **error);

/*
 * Whether @path, a real path or what readlink(2) said of /proc/PID/exe, is named firecracker or
 * firecracker-something: by that a VMM is distinguished from root's other programs, interpreters
 * for one, whose command line may look alike. Errors: NotManaged.
 */
bool banger_executable_check_name(const char *path, GError **error);

/*
 * Whether the real path @path may be started as a VMM: by its name, and it is an ELF program
 * (elf(5)). A script's process is its interpreter's, and would never be known again. Errors:
 * NotManaged.
 */
bool banger_executable_check_vmm(const char *path, GError **error);

/*
 * Whether the program @path, which was checked, is loaded by another one, with libraries (PT_INTERP
 * of elf(5)). True where that cannot be read.
 */
bool banger_executable_is_dynamic(const char *path);

/*
 * Checks the program a process runs: @path is what readlink(2) said of /proc/PID/exe, @running what
 * stat(2) said of what it leads to. The same rules, except that the file may be gone from @path by
 * now (a package's upgrade replaces it under running processes): then its former directory and the
 * file itself count. Errors: NotManaged.
 */
bool banger_executable_check_running(const char *path, const struct stat *running, GError **error);
