/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/cow-file.h"
#include "disk/dm.h"
#include "disk/image.h"
#include "disk/snapshot.h"
#include "machine/create-private.h"

typedef struct {
    const BangerSettings *settings;
    const char *path;
} MadeFile;

static void
remove_cow(void *user_data)
{
    const MadeFile *file = user_data;

    (void)banger_cow_file_remove(file->settings, file->path, NULL);
}

static bool
make_cow(BangerCreation *creation, GError **error)
{
    const BangerMachineRequest *machine = creation->machine;
    MadeFile *file;
    bool made;

    if (!machine->has_cow_size)
        return true;
    if (!banger_cow_file_ensure(creation->settings, machine->cow_path, machine->cow_size, &made,
                                error))
        return false;
    if (!made)
        return true;
    file = g_new(MadeFile, 1);
    *file = (MadeFile){creation->settings, machine->cow_path};
    banger_undo_push(&creation->undo, remove_cow, file, g_free);
    return true;
}

static void
remove_snapshot(void *user_data)
{
    const char *name = user_data;

    (void)banger_dm_remove(name, NULL);
}

static BangerRequest
snapshot_request(const BangerMachineRequest *machine)
{
    return (BangerRequest){
        .create_dm_snapshot = {machine->rootfs_path, machine->cow_path, machine->dm_name},
    };
}

static bool
make_snapshot(BangerCreation *creation, GError **error)
{
    const BangerMachineRequest *machine = creation->machine;
    BangerRequest request = snapshot_request(machine);
    BangerReply reply = {0};
    BangerDmInfo before;

    request.job = creation->job;
    if (!banger_dm_get_info(machine->dm_name, &before, error) ||
        !banger_op_create_dm_snapshot(creation->settings, &request, &reply, error))
        return false;
    g_free(reply.create_dm_snapshot.base_loop);
    g_free(reply.create_dm_snapshot.cow_loop);
    g_free(reply.create_dm_snapshot.dm_name);
    g_free(reply.create_dm_snapshot.dm_dev);
    if (!before.exists || !before.has_table)
        banger_undo_push(&creation->undo, remove_snapshot, machine->dm_name, NULL);
    return true;
}

static bool
repair_root(BangerCreation *creation, const BangerImagePath *root, GError **error)
{
    g_autoptr(BangerJob) part =
        banger_creation_begin(creation, "checking the root drive", 0.2, 0.8);
    const BangerRequest request = {.job = part, .check_image = {*root, .repair = true}};
    BangerReply reply = {0};

    return banger_op_check_image(creation->settings, &request, &reply, error);
}

static bool
write_files(BangerCreation *creation, const BangerImagePath *root, GError **error)
{
    g_autoptr(BangerJob) part = banger_creation_begin(creation, "writing files", 0.8, 1);

    return banger_image_write_recovered(creation->settings, root, creation->machine->files, NULL,
                                        part, error);
}

bool
banger_create_disk(BangerCreation *creation, GError **error)
{
    const BangerMachineRequest *machine = creation->machine;
    const BangerDrive *root = banger_machine_root_drive(machine);

    if (root == NULL)
        return true;
    if (!banger_job_check(creation->job, error))
        return false;
    if (banger_machine_makes_root(machine) &&
        (!make_cow(creation, error) || !banger_job_pass(creation->job, "cow-made", error) ||
         !make_snapshot(creation, error) ||
         !banger_job_pass(creation->job, "snapshot-made", error)))
        return false;
    return (!machine->fsck || repair_root(creation, &root->image, error)) &&
           banger_job_pass(creation->job, "root-checked", error) &&
           (machine->files->len == 0 || write_files(creation, &root->image, error)) &&
           banger_job_pass(creation->job, "files-written", error);
}

bool
banger_create_check_disk(const BangerSettings *settings, const BangerMachineRequest *machine,
                         GError **error)
{
    const BangerRequest request = snapshot_request(machine);
    const BangerDrive *root = banger_machine_root_drive(machine);
    bool makes = banger_machine_makes_root(machine);
    const BangerImagePath base = {machine->rootfs_path, NULL};

    if (makes &&
        !banger_snapshot_check(settings, &request.create_dm_snapshot, machine->has_cow_size, error))
        return false;
    return root == NULL || (machine->files->len == 0 && !machine->fsck) ||
           banger_image_check_write(settings, makes ? &base : &root->image, makes, machine->files,
                                    machine->fsck, error);
}
