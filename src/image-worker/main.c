/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * banger-image-worker: reads and writes files in an ext4 image that a guest wrote, without any
 * right of its own. Started by the helper only; see util/worker-protocol.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image-worker/channel.h"
#include "image-worker/file-system.h"
#include "image-worker/fsck.h"
#include "image-worker/hooks.h"
#include "image-worker/sandbox.h"

#ifdef __SANITIZE_ADDRESS__
/* Looking for leaks needs what the sandbox forbids. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

static bool
serve_hook(const BangerWorkerInputs *inputs)
{
    char answer[256];

    if (inputs->n_files != 1 || !banger_hook_run(inputs->files[0].path, answer, sizeof answer))
        return false;
    (void)banger_channel_reply(BANGER_WORKER_OK, answer, strlen(answer));
    return true;
}

static bool
serve_request(BangerWorkerFailure *failure)
{
    BangerWorkerInputs inputs;
    void *data = NULL;
    size_t length = 0;
    bool writes;

    if (!banger_channel_read_request(&inputs, failure))
        return false;
    writes = inputs.task == BANGER_WORKER_WRITE || inputs.task == BANGER_WORKER_WRITE_FROM;
    /* What goes to a caller's descriptor may be larger than the image, which is not writable. */
    if (!banger_sandbox_bound_image(inputs.task != BANGER_WORKER_READ_TO &&
                                        inputs.task != BANGER_WORKER_READ_LIVE_TO,
                                    writes, failure))
        return false;
    if (serve_hook(&inputs))
        return true;
    if (writes ? !banger_file_system_write(&inputs, failure)
               : !banger_file_system_read(&inputs, &data, &length, failure))
        return false;
    (void)banger_channel_reply(BANGER_WORKER_OK, data, length);
    return true;
}

#ifdef BANGER_TEST_HOOKS
/* "probe-…" as the command: the same attempts from within e2fsck's cage. */
static bool
serve_probe(const char *command)
{
    char path[128], answer[256];

    (void)snprintf(path, sizeof path, BANGER_HOOK_PREFIX "%s", command);
    if (!banger_hook_run(path, answer, sizeof answer))
        return false;
    (void)banger_channel_reply(BANGER_WORKER_OK, answer, strlen(answer));
    return true;
}
#endif

static bool
serve_command(const char *command, uid_t uid, gid_t gid, pid_t parent, BangerWorkerFailure *failure)
{
    if (strcmp(command, BANGER_WORKER_SERVE) == 0)
        return banger_sandbox_enter(BANGER_SANDBOX_LIBRARY, uid, gid, parent, failure) &&
               serve_request(failure);
    if (!banger_sandbox_enter(BANGER_SANDBOX_E2FSCK, uid, gid, parent, failure))
        return false;
#ifdef BANGER_TEST_HOOKS
    if (serve_probe(command))
        return true;
#endif
    return banger_fsck_exec(command, failure);
}

static bool
parse_id(const char *text, unsigned int *ret_id)
{
    char *end;
    unsigned long id = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || id == 0 || id >= UINT32_MAX)
        return false;
    *ret_id = (unsigned int)id;
    return true;
}

int
main(int argc, char **argv)
{
    BangerWorkerFailure failure = {.status = BANGER_WORKER_FAILED};
    unsigned int uid, gid, parent;

    if (argc != 5 || !parse_id(argv[2], &uid) || !parse_id(argv[3], &gid) ||
        !parse_id(argv[4], &parent)) {
        (void)fputs("banger-image-worker is started by banger-helperd\n", stderr);
        return EXIT_FAILURE;
    }
    if (!serve_command(argv[1], uid, gid, (pid_t)parent, &failure))
        (void)banger_channel_reply_failure(&failure);
    /* Nothing to tidy up: no exit handler has work to do that the sandbox allows. */
    _exit(EXIT_SUCCESS);
}
