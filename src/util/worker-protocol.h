/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

/*
 * What the helper and banger-image-worker say to each other. One process serves one request. The
 * worker starts as
 *
 *     banger-image-worker COMMAND UID GID PARENT
 *
 * as root, PARENT being the helper's process id, with the descriptors below and no others, becomes
 * UID:GID in its sandbox, and only then reads.
 *
 * With SERVE it waits, perhaps for long: on BANGER_WORKER_FD_REQUEST, a socket, come a
 * BangerWorkerRequest, and with it the image's descriptor (SCM_RIGHTS) and, for READ_TO and
 * WRITE_FROM, one a file of the caller's; n_files of
 * BangerWorkerFile; and the paths and contents in the same order, path before content, without
 * padding. On BANGER_WORKER_FD_REPLY goes a BangerWorkerReply and `length` bytes. When writing
 * there is a READY before, when all is prepared: the worker waits for one byte on
 * BANGER_WORKER_FD_REQUEST, and only then touches what the file system has in use. The end of file
 * instead of a request, or of that byte, is the end of the worker.
 *
 * With CHECK, VERIFY and RECOVER, which run e2fsck, BANGER_WORKER_FD_IMAGE is open on the block
 * device from the start, and no request is read. The reply is RUNNING, and its payload one byte
 * that is not 0 if the superblock asks for more than to be looked at (a journal to replay, a count
 * to reset). What follows until end of file is e2fsck's own output, the exit status is e2fsck's,
 * and on BANGER_WORKER_FD_REQUEST it reports how far it is (-C in e2fsck(8)).
 *
 * Numbers are in the host's byte order: both ends are built together, and `version` says so. Each
 * end trusts no length of the other's: the worker because the request contains a caller's data, the
 * helper because a hostile image may have taken the worker over.
 *
 * No GLib here: the worker starts without it.
 */
#define BANGER_WORKER_FD_REQUEST 0
#define BANGER_WORKER_FD_REPLY 1
#define BANGER_WORKER_FD_IMAGE 3
#define BANGER_WORKER_FD_CONTENT 4 /* the first of the caller's descriptors */

#define BANGER_WORKER_MAGIC 0x42494d57u /* "BIMW" */
#define BANGER_WORKER_VERSION 7u

/* Commands, as they are on the command line. */
#define BANGER_WORKER_SERVE "serve"
#define BANGER_WORKER_CHECK "check"     /* e2fsck -fy */
#define BANGER_WORKER_VERIFY "verify"   /* e2fsck -fn */
#define BANGER_WORKER_RECOVER "recover" /* e2fsck -p */

#define BANGER_WORKER_FILES_MAX 256u        /* of one request */
#define BANGER_WORKER_FILE_MAX (16u << 20)  /* bytes of one file */
#define BANGER_WORKER_TOTAL_MAX (40u << 20) /* bytes of all paths and contents of one request */
#define BANGER_WORKER_DESCRIPTORS_MAX 16u   /* of a caller's */
#define BANGER_WORKER_PROGRESS_STEP ((uint64_t)16 << 20)
#define BANGER_WORKER_PATH_MAX 4096u
#define BANGER_WORKER_MESSAGE_MAX 1024u
#define BANGER_WORKER_FOLLOWS_MAX 40u /* symbolic links on the way of one path */

typedef enum {
    BANGER_WORKER_OK,
    BANGER_WORKER_RUNNING,        /* e2fsck runs; its output follows */
    BANGER_WORKER_READY,          /* to write: waits for a byte; another reply follows */
    BANGER_WORKER_PROGRESS,       /* the payload is a BangerWorkerProgress; another reply follows */
    BANGER_WORKER_NEEDS_RECOVERY, /* the journal must be replayed first; nothing was changed */
    BANGER_WORKER_BAD_PARAMS,     /* these and below: the payload is a message */
    BANGER_WORKER_NOT_FOUND,
    BANGER_WORKER_NOT_SUPPORTED,
    BANGER_WORKER_FAILED,
    BANGER_WORKER_NO_SANDBOX, /* a part of the sandbox could not be set up */
    BANGER_WORKER_N_STATUS,
} BangerWorkerStatus;

typedef enum {
    BANGER_WORKER_READ,      /* one file: its content is the reply */
    BANGER_WORKER_READ_LIVE, /* the same, and never mind what only the journal has */
    BANGER_WORKER_READ_TO,   /* one file, to a descriptor: its size, a uint64_t, is the reply */
    BANGER_WORKER_READ_LIVE_TO,
    BANGER_WORKER_WRITE,      /* all files, or none */
    BANGER_WORKER_WRITE_FROM, /* the same, with the content of each from a descriptor */
    BANGER_WORKER_N_TASKS,
} BangerWorkerTask;

/* The room for changes to an image that is a snapshot. */
typedef struct {
    uint32_t chunk_size; /* in bytes; 0: there is no end to it */
    uint32_t n_chunks;   /* how many of these there are */
    uint32_t is_of_host; /* not 0: the host's file system has no more, for a sparse COW file */
} BangerWorkerRoom;

typedef struct {
    uint32_t magic;
    uint32_t version;
    uint32_t task; /* BangerWorkerTask */
    uint32_t n_files;
    BangerWorkerRoom room; /* when writing */
} BangerWorkerRequest;

typedef struct {
    uint32_t mode; /* permission, setuid, setgid and sticky bits; ignored when reading */
    uint32_t path_length;
    uint32_t data_length;
} BangerWorkerFile;

typedef struct {
    uint64_t done;  /* bytes of content */
    uint64_t total; /* 0: not known */
} BangerWorkerProgress;

typedef struct {
    uint32_t magic;
    uint32_t version;
    uint32_t status; /* BangerWorkerStatus */
    uint32_t length;
} BangerWorkerReply;
