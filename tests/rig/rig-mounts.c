/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rig/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/settings.h"

static GPtrArray *farms; /* folders that are a tmpfs of ours already */

static void
bind_mount(const char *source, const char *target)
{
    rig_require(mount(source, target, NULL, MS_BIND | MS_REC, NULL) == 0, "mount %s on %s: %s",
                source, target, g_strerror(errno));
}

/* Makes @target what @source is: a link to the same place, or a bind mount of it. */
static void
mirror(const char *source, const char *target)
{
    struct stat st;

    if (lstat(source, &st) != 0)
        return;
    if (S_ISLNK(st.st_mode)) {
        g_autofree char *to = g_file_read_link(source, NULL);

        rig_require(symlink(to, target) == 0, "symlink %s: %s", target, g_strerror(errno));
    } else if (S_ISDIR(st.st_mode)) {
        rig_require(mkdir(target, 0755) == 0, "mkdir %s: %s", target, g_strerror(errno));
        bind_mount(source, target);
    } else if (S_ISREG(st.st_mode)) {
        banger_autofd int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        bind_mount(source, target);
    }
}

/* Replaces @path by a tmpfs in which everything that was there is again. */
static void
make_farm(const char *path)
{
    g_autofree char *stage = g_dir_make_tmp("rig-XXXXXX", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    struct stat st;
    const char *name;

    rig_require(stage != NULL && dir != NULL && stat(path, &st) == 0, "%s cannot be replaced",
                path);
    rig_require(mount("tmpfs", stage, "tmpfs", MS_NOSUID, "mode=0755") == 0, "mount tmpfs: %s",
                g_strerror(errno));
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *source = g_build_filename(path, name, NULL);
        g_autofree char *target = g_build_filename(stage, name, NULL);

        mirror(source, target);
    }
    rig_require(mount(stage, path, NULL, MS_MOVE, NULL) == 0, "mount on %s: %s", path,
                g_strerror(errno));
    (void)rmdir(stage);
    g_ptr_array_add(farms, g_strdup(path));
}

void
rig_mounts_make_path(const char *path)
{
    g_autofree char *existing = g_strdup(path);

    while (!g_file_test(existing, G_FILE_TEST_IS_DIR)) {
        char *parent = g_path_get_dirname(existing);

        g_free(existing);
        existing = parent;
    }
    if (g_str_equal(existing, path))
        return;
    if (!g_ptr_array_find_with_equal_func(farms, existing, g_str_equal, NULL))
        make_farm(existing);
    rig_require(g_mkdir_with_parents(path, 0755) == 0, "mkdir %s: %s", path, g_strerror(errno));
}

/* The network namespace's own /sys, with the control groups of the old one. */
static void
mount_sys(const char *directory)
{
    g_autofree char *stage = g_build_filename(directory, "sys", NULL);
    g_autofree char *cgroups = g_build_filename(stage, "fs/cgroup", NULL);

    (void)mkdir(stage, 0755);
    rig_require(mount("sysfs", stage, "sysfs", 0, NULL) == 0, "mount sysfs: %s", g_strerror(errno));
    bind_mount("/sys/fs/cgroup", cgroups);
    rig_require(mount(stage, "/sys", NULL, MS_MOVE, NULL) == 0, "mount /sys: %s",
                g_strerror(errno));
    (void)rmdir(stage);
}

/* An empty /run, but for what udev says to libdevmapper. */
static void
mount_run(const char *directory)
{
    static const char *const folders[] = {"/run/dbus", "/run/lock", "/run/systemd",
                                          "/run/systemd/journal", BANGER_RUNTIME_DIRECTORY};
    g_autofree char *stage = g_build_filename(directory, "run", NULL);
    g_autofree char *udev = g_build_filename(stage, "udev", NULL);

    (void)mkdir(stage, 0755);
    rig_require(mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") == 0,
                "mount tmpfs: %s", g_strerror(errno));
    if (g_file_test("/run/udev", G_FILE_TEST_IS_DIR))
        mirror("/run/udev", udev);
    rig_require(mount(stage, "/run", NULL, MS_MOVE, NULL) == 0, "mount /run: %s",
                g_strerror(errno));
    (void)rmdir(stage);
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++)
        (void)g_mkdir_with_parents(folders[i], 0755);
    rig_require(chown(BANGER_RUNTIME_DIRECTORY, RIG_UID_OWNER, RIG_UID_OWNER) == 0 &&
                    chmod(BANGER_RUNTIME_DIRECTORY, 0750) == 0,
                "chown: %s", g_strerror(errno));
}

/* The state directory is on a disk: loop devices and sparse images of many GiB live there. */
static void
mount_state(const char *directory)
{
    g_autofree char *state = g_build_filename(directory, "state", NULL);

    (void)mkdir(state, 0755);
    rig_require(chown(state, RIG_UID_OWNER, RIG_UID_OWNER) == 0 && chmod(state, 0750) == 0,
                "chown: %s", g_strerror(errno));
    rig_mounts_make_path(BANGER_STATE_DIRECTORY);
    bind_mount(state, BANGER_STATE_DIRECTORY);
}

/* /dev/net/tun as udev makes it: everyone may open it. Without udev it is root's alone. */
static void
mount_tun(const char *directory)
{
    g_autofree char *stage = g_build_filename(directory, "dev", NULL);
    g_autofree char *node = g_build_filename(stage, "tun", NULL);

    if (!g_file_test("/dev/net/tun", G_FILE_TEST_EXISTS))
        return;
    (void)mkdir(stage, 0755);
    rig_require(mount("tmpfs", stage, "tmpfs", MS_NOSUID, "mode=0755") == 0, "mount tmpfs: %s",
                g_strerror(errno));
    rig_require(mknod(node, S_IFCHR | 0666, makedev(10, 200)) == 0 && chmod(node, 0666) == 0,
                "mknod %s: %s", node, g_strerror(errno));
    bind_mount(node, "/dev/net/tun");
    rig_require(umount2(stage, MNT_DETACH) == 0 && rmdir(stage) == 0, "umount %s: %s", stage,
                g_strerror(errno));
}

/*
 * Opens the way to @path: a checkout in root's home directory is as good as another, and the
 * strangers of a test run programs of it and read its files.
 */
static void
open_way(const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    g_autoptr(GString) way = g_string_new(NULL);
    struct stat st;

    for (char **name = names; *name != NULL && name[1] != NULL; name++) {
        if ((*name)[0] == '\0')
            continue;
        g_string_append_printf(way, "/%s", *name);
        if (stat(way->str, &st) == 0 && (st.st_mode & S_IXOTH) == 0)
            make_farm(way->str);
    }
}

/* Puts the @program of the build where `make install` would put it. */
static void
install_program(const char *program)
{
    static const char *const folders[] = {".", "src"};
    g_autofree char *installed = g_build_filename(BANGER_LIBEXECDIR, program, NULL);

    (void)umount2(installed, MNT_DETACH);
    (void)unlink(installed);
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *built = g_build_filename(RIG_BUILD_DIR, folders[i], program, NULL);

        if (!g_file_test(built, G_FILE_TEST_IS_REGULAR))
            continue;
        mirror(built, installed);
        return;
    }
}

void
rig_mounts_set_up(const char *directory)
{
    static const char *const programs[] = {"banger-helperd", "banger-helper-bridge",
                                           "banger-image-worker"};

    farms = g_ptr_array_new_with_free_func(g_free);
    rig_require(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mount --make-rprivate: %s",
                g_strerror(errno));
    rig_require(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0,
                "mount /proc: %s", g_strerror(errno));
    mount_sys(directory);
    mount_run(directory);
    mount_state(directory);
    mount_tun(directory);
    open_way(RIG_SOURCE_DIR);
    open_way(RIG_BUILD_DIR);
    make_farm("/etc");
    /* Tests put a stand-in for firecracker here: where the helper looks, and not on the host. */
    rig_mounts_make_path("/usr/local/bin");
    make_farm("/usr/local/bin");
    rig_mounts_make_path(BANGER_LIBEXECDIR);
    if (!g_ptr_array_find_with_equal_func(farms, BANGER_LIBEXECDIR, g_str_equal, NULL))
        make_farm(BANGER_LIBEXECDIR);
    for (size_t i = 0; i < G_N_ELEMENTS(programs); i++)
        install_program(programs[i]);
}
