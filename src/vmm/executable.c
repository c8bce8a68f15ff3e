/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/executable.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util/error.h"
#include "util/fd.h"

#define DELETED " (deleted)"
#define FIRECRACKER "firecracker"
#define LINKS_MAX 40

static const char *const directories[] = {
    "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
};

/* Whether none but root can change what @st is of. */
static bool
is_roots_alone(const struct stat *st)
{
    return st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static bool
judge_file(const char *path, const struct stat *st, GError **error)
{
    if (!S_ISREG(st->st_mode))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED, "%s is not a regular file", path);
    if ((st->st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED, "%s is not executable", path);
    if (st->st_uid != 0)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "%s belongs to uid %u, not to root", path, st->st_uid);
    if (!is_roots_alone(st))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "%s is writable by its group or by others", path);
    return true;
}

/* Opens @name below @directory, judging it: the next directory on the way to @path. */
static int
open_directory(int directory, const char *name, const char *path, GError **error)
{
    banger_autofd int fd = openat(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_NOT_MANAGED, errno,
                               "cannot open the directory %s above %s", name, path);
        return -1;
    }
    if (!is_roots_alone(&st)) {
        (void)banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                               "the directory %s above %s can be written by others than root", name,
                               path);
        return -1;
    }
    return banger_steal_fd(&fd);
}

/*
 * Walks to the directory of the real path @path, checking each on the way. *@ret_name is the
 * last component, a pointer into @path. Returns its descriptor, or -1.
 */
static int
open_parent(const char *path, const char **ret_name, GError **error)
{
    banger_autofd int fd = open_directory(AT_FDCWD, "/", path, error);
    g_auto(GStrv) components = g_strsplit(path + 1, "/", -1);

    for (char **component = components; fd >= 0 && component[0] != NULL && component[1] != NULL;
         component++) {
        int next = open_directory(fd, *component, path, error);

        banger_close_fd(&fd);
        fd = next;
    }
    if (fd >= 0)
        *ret_name = strrchr(path, '/') + 1;
    return banger_steal_fd(&fd);
}

/* Checks the real path @path and everything above it. */
static bool
check_step(const char *path, struct stat *ret_stat, GError **error)
{
    const char *name = NULL;
    banger_autofd int parent = open_parent(path, &name, error);
    struct stat st;

    if (parent < 0)
        return false;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return banger_set_errno(
            error, errno == ENOENT ? BANGER_ERROR_NOT_FOUND : BANGER_ERROR_OPERATION_FAILED, errno,
            "cannot examine %s", path);
    if (!judge_file(path, &st, error))
        return false;
    *ret_stat = st;
    return true;
}

/* One answer for what is not there and for what not everybody may see. */
static bool
refuse_absent(const char *requested, GError **error)
{
    return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "cannot find the program %s", requested);
}

/* Whether programs may be looked for in @directory, on the way to @requested. */
static bool
judge_directory(const char *directory, const char *requested, GError **error)
{
    struct stat st;

    if (lstat(directory, &st) < 0 || !S_ISDIR(st.st_mode))
        return refuse_absent(requested, error);
    if (!is_roots_alone(&st))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "a directory on the way to %s can be written by others than root",
                                requested);
    if ((st.st_mode & S_IXOTH) == 0 || g_str_equal(directory, "/proc"))
        return refuse_absent(requested, error);
    return true;
}

/* What the link @path leads to, and @rest below that; NULL if it cannot be read. */
static char *
follow_link(const char *path, const char *rest)
{
    g_autofree char *target = g_file_read_link(path, NULL);

    return target != NULL ? g_strconcat(target, "/", rest, NULL) : NULL;
}

/*
 * Walks to @requested, an absolute path, one component after the other. Nothing is looked at before
 * the directory that it is in was found to be root's alone and open to everybody: root's rights
 * show callers no more than their own, and no caller can exchange what was checked.
 */
static char *
walk_path(const char *requested, struct stat *ret_stat, GError **error)
{
    g_autoptr(GString) real = g_string_new(NULL); /* without links; "" is the root directory */
    g_autofree char *rest = g_strdup(requested);
    struct stat st = {0};

    for (int links = 0; rest[strspn(rest, "/")] != '\0';) {
        const char *name = rest + strspn(rest, "/");
        size_t length = strcspn(name, "/");
        g_autofree char *next = g_strdup(name + length);
        size_t parent_length = real->len;

        if (!judge_directory(real->len > 0 ? real->str : "/", requested, error))
            return NULL;
        if (length == 2 && strncmp(name, "..", length) == 0) {
            const char *slash = strrchr(real->str, '/');

            g_string_truncate(real, slash != NULL ? (gsize)(slash - real->str) : 0);
        } else if (length != 1 || name[0] != '.') {
            g_string_append_c(real, '/');
            g_string_append_len(real, name, (gssize)length);
        }
        if (lstat(real->len > 0 ? real->str : "/", &st) < 0) {
            (void)refuse_absent(requested, error);
            return NULL;
        }
        if (S_ISLNK(st.st_mode)) {
            g_autofree char *led = links++ < LINKS_MAX ? follow_link(real->str, next) : NULL;

            if (led == NULL) {
                (void)refuse_absent(requested, error);
                return NULL;
            }
            g_string_truncate(real, led[0] == '/' ? 0 : parent_length);
            g_free(next);
            next = g_steal_pointer(&led);
        }
        g_free(rest);
        rest = g_steal_pointer(&next);
    }
    if (!judge_file(requested, &st, error))
        return NULL;
    *ret_stat = st;
    return g_strdup(real->str);
}

/* Looks @name up: the first that is fit, else what is wrong with the last that is not. */
static char *
look_up(const char *name, struct stat *ret_stat, GError **error)
{
    g_autoptr(GError) unfit = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(directories); i++) {
        g_autofree char *candidate = g_build_filename(directories[i], name, NULL);
        g_autoptr(GError) failure = NULL;
        char *real = walk_path(candidate, ret_stat, &failure);

        if (real != NULL)
            return real;
        if (!g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_FOUND)) {
            g_clear_error(&unfit);
            unfit = g_steal_pointer(&failure);
        }
    }
    if (unfit != NULL)
        g_propagate_error(error, g_steal_pointer(&unfit));
    else
        (void)refuse_absent(name, error);
    return NULL;
}

bool
banger_executable_resolve(const char *requested, char **ret_path, GError **error)
{
    struct stat st;
    char *real =
        requested[0] == '/' ? walk_path(requested, &st, error) : look_up(requested, &st, error);

    if (real == NULL)
        return false;
    *ret_path = real;
    return true;
}

bool
banger_executable_check_name(const char *path, GError **error)
{
    const char *slash = strrchr(path, '/');

    if (!g_str_has_prefix(slash != NULL ? slash : path, "/" FIRECRACKER))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED, "%s is not named " FIRECRACKER,
                                path);
    return true;
}

bool
banger_executable_check_vmm(const char *path, GError **error)
{
    char magic[SELFMAG] = "";
    banger_autofd int fd = -1;

    if (!banger_executable_check_name(path, error))
        return false;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return banger_set_errno(error, BANGER_ERROR_NOT_MANAGED, errno, "cannot open %s", path);
    return (read(fd, magic, sizeof magic) == sizeof magic && memcmp(magic, ELFMAG, SELFMAG) == 0) ||
           banger_set_error(error, BANGER_ERROR_NOT_MANAGED, "%s is not an ELF program", path);
}

bool
banger_executable_is_dynamic(const char *path)
{
    banger_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    Elf64_Ehdr header;

    if (fd < 0 || pread(fd, &header, sizeof header, 0) != sizeof header ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phentsize != sizeof(Elf64_Phdr))
        return true;
    for (unsigned int i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;

        if (pread(fd, &segment, sizeof segment, (off_t)(header.e_phoff + i * sizeof segment)) !=
                sizeof segment ||
            segment.p_type == PT_INTERP)
            return true;
    }
    return false;
}

bool
banger_executable_check_running(const char *path, const struct stat *running, GError **error)
{
    g_autofree char *former = NULL;
    banger_autofd int parent = -1;
    const char *name;
    struct stat st = {0};

    if (path[0] != '/')
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED, "%s is not a path of this system",
                                path);
    if (running->st_nlink > 0) {
        if (!check_step(path, &st, error))
            return false;
        if (st.st_dev != running->st_dev || st.st_ino != running->st_ino)
            return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                    "%s is another file than the one that runs", path);
        return true;
    }
    if (!judge_file(path, running, error))
        return false;
    former = g_str_has_suffix(path, DELETED) ? g_strndup(path, strlen(path) - strlen(DELETED))
                                             : g_strdup(path);
    parent = open_parent(former, &name, error);
    return parent >= 0;
}
