/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/create-private.h"
#include "machine/machine.h"
#include "util/beside.h"
#include "util/error.h"
#include "util/object-path.h"
#include "vmm/launch.h"

#define MACHINES BANGER_OBJECT_PATH "/machines"

/* Where the parts begin, of the progress of all. */
#define DISK_FROM 0.1
#define LAUNCH_FROM 0.8

void
banger_creation_clear(BangerCreation *creation)
{
    banger_undo_walk(&creation->undo);
    g_clear_pointer(&creation->warning, g_free);
    g_clear_pointer(&creation->job, banger_job_unref);
}

BangerJob *
banger_creation_begin(const BangerCreation *creation, const char *step, double first, double last)
{
    BangerJob *part = banger_job_new_part(creation->job, first, last);

    banger_job_set_step(part, step);
    return part;
}

void
banger_creation_take_warning(BangerCreation *creation, BangerReply *reply)
{
    if (reply->warning == NULL)
        return;
    g_free(creation->warning);
    creation->warning = g_steal_pointer(&reply->warning);
}

bool
banger_creation_run(BangerCreation *creation, BangerOperation *operation,
                    const BangerRequest *request, GError **error)
{
    BangerReply reply = {0};

    if (!operation(creation->settings, request, &reply, error))
        return false;
    banger_creation_take_warning(creation, &reply);
    return true;
}

const BangerDrive *
banger_machine_root_drive(const BangerMachineRequest *machine)
{
    const GArray *drives = machine->launch.drives;

    for (unsigned int i = 0; i < drives->len; i++) {
        const BangerDrive *drive = &g_array_index(drives, BangerDrive, i);

        if (drive->is_root)
            return drive;
    }
    return NULL;
}

bool
banger_machine_makes_tap(const BangerMachineRequest *machine)
{
    return machine->launch.network.bridge_name[0] != '\0';
}

bool
banger_machine_makes_root(const BangerMachineRequest *machine)
{
    return machine->rootfs_path[0] != '\0';
}

/* The part of @request from @first to @last of its progress. */
static BangerCreation
begin_part(const BangerSettings *settings, const BangerRequest *request, double first, double last)
{
    return (BangerCreation){
        .settings = settings,
        .request = request,
        .machine = &request->create_machine,
        .job = banger_job_new_part(request->job, first, last),
        .undo = BANGER_UNDO_INIT,
    };
}

static bool
create_network(void *user_data, GError **error)
{
    return banger_create_network(user_data, error);
}

static bool
await_network(void *user_data, GError **error)
{
    return banger_beside_await(user_data, error);
}

/* Whether something is written into a root drive that is there already. */
static bool
writes_into_root(const BangerMachineRequest *machine)
{
    return !banger_machine_makes_root(machine) && (machine->fsck || machine->files->len > 0);
}

/* Starts the VMM, which has nothing of its own before @network is there. */
static bool
launch_machine(const BangerSettings *settings, const BangerRequest *request, BangerBeside *network,
               uint32_t *ret_pid, GError **error)
{
    const BangerMachineRequest *machine = &request->create_machine;
    const BangerLaunchPart part = {
        .made.tap = banger_machine_makes_tap(machine),
        .await_rest = await_network,
        .user_data = network,
    };

    banger_job_set_step(request->job, "starting the virtual machine");
    banger_job_set_progress(request->job, LAUNCH_FROM);
    return banger_launch_run(settings, &machine->launch, request->op_id, request->caller_uid,
                             request->job, &part, ret_pid, error);
}

/*
 * The disk or the launch failed with @failure. If the network, which is made beside it, failed too,
 * its error comes first; @failure is added, as it may say what is left of the VM.
 */
static void
report_failure(BangerBeside *network, GError *failure, GError **error)
{
    g_autoptr(GError) of_network = NULL;
    g_autoptr(GError) of_rest = failure;

    /* A launch that has waited says itself how the network came out. */
    if (!banger_beside_is_pending(network) || banger_beside_await(network, &of_network))
        g_propagate_error(error, g_steal_pointer(&of_rest));
    else if (g_str_equal(of_network->message, of_rest->message)) /* both were cancelled */
        g_propagate_error(error, g_steal_pointer(&of_network));
    else
        (void)banger_set_error(error, banger_error_code(of_network), "%s; and %s",
                               of_network->message, of_rest->message);
}

/*
 * Makes the disk and starts the VMM, beside the network; but a root drive that is there already is
 * written into only once the network is there.
 */
static bool
create_parts(BangerCreation *disk, BangerCreation *network, uint32_t *ret_pid, GError **error)
{
    g_auto(BangerBeside) beside = BANGER_BESIDE_INIT;
    g_autoptr(GError) failure = NULL;

    banger_beside_begin(&beside, "network", create_network, network);
    if ((writes_into_root(disk->machine) || !banger_beside_is_pending(&beside)) &&
        !banger_beside_await(&beside, error))
        return false;
    if (banger_create_disk(disk, &failure) &&
        launch_machine(disk->settings, disk->request, &beside, ret_pid, &failure))
        return true;
    report_failure(&beside, g_steal_pointer(&failure), error);
    return false;
}

/* All of it, or nothing. */
static bool
create_machine(const BangerSettings *settings, const BangerRequest *request, BangerReply *reply,
               GError **error)
{
    g_auto(BangerCreation) disk = begin_part(settings, request, DISK_FROM, LAUNCH_FROM);
    g_auto(BangerCreation) network = begin_part(settings, request, 0, DISK_FROM);

    if (!create_parts(&disk, &network, &reply->create_machine.pid, error))
        return false;
    banger_undo_commit(&network.undo);
    banger_undo_commit(&disk.undo);
    reply->create_machine.machine =
        banger_encode_object_path(MACHINES, request->create_machine.launch.vm_id);
    reply->warning = g_steal_pointer(&network.warning);
    return true;
}

bool
banger_op_create_machine(const BangerSettings *settings, const BangerRequest *request,
                         BangerReply *reply, GError **error)
{
    const BangerMachineRequest *machine = &request->create_machine;
    const BangerLaunchMade made = {
        .tap = banger_machine_makes_tap(machine),
        .root = banger_machine_makes_root(machine),
    };

    if (!banger_launch_check_host(settings, &made, &machine->launch, machine->dry_run, error))
        return false;
    banger_job_set_step(request->job, "making the network");
    if (machine->dry_run)
        return banger_create_check_network(settings, machine, error) &&
               banger_create_check_disk(settings, machine, error);
    return create_machine(settings, request, reply, error);
}
