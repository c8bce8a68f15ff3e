/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Descriptors of the members of requests and replies: their names on the bus and in JSON, their
 * types, where they lie in the C struct, and what they mean. Decoders, encoders, the JSON
 * transcoder, polkit's details, the journal and validation all walk these.
 */

typedef enum {
    BANGER_TYPE_STRING,  /* s: char * */
    BANGER_TYPE_BOOLEAN, /* b: bool */
    BANGER_TYPE_UINT32,  /* u: uint32_t */
    BANGER_TYPE_BYTES,   /* ay, base64 in JSON: GBytes * */
    BANGER_TYPE_STRUCT,  /* (…), a JSON object: a struct embedded at the offset */
    BANGER_TYPE_ARRAY,   /* a(…), a JSON array of objects: GArray * of structs */
    BANGER_TYPE_DICT,    /* a{sv}, a JSON object: a struct embedded at the offset */
} BangerType;

/* What a string or number means, and so how it is validated (model/validate.c has the rules). */
typedef enum {
    BANGER_KIND_TEXT,         /* any printable UTF-8, at most 4096 bytes */
    BANGER_KIND_LINK_NAME,    /* a name for a network link */
    BANGER_KIND_TAP_NAME,     /* a link name of one of banger's TAP prefixes */
    BANGER_KIND_ADDRESS,      /* an IPv4 or IPv6 address */
    BANGER_KIND_SERVER,       /* a DNS server: an address, or one with ":PORT" ("[v6]:PORT") */
    BANGER_KIND_CIDR,         /* a prefix length, or a network with one */
    BANGER_KIND_DM_NAME,      /* fc-rootfs-… */
    BANGER_KIND_DM_TARGET,    /* a dm name or its path; reduced to the name */
    BANGER_KIND_DM_PATH,      /* /dev/mapper/fc-rootfs-… */
    BANGER_KIND_LOOP_PATH,    /* /dev/loopN */
    BANGER_KIND_STATE_PATH,   /* a path below the state directory */
    BANGER_KIND_RUNTIME_PATH, /* a path below the runtime directory that fits sockaddr_un */
    BANGER_KIND_IMAGE_PATH,   /* a state path or a dm path */
    BANGER_KIND_GUEST_PATH,   /* an absolute path inside a guest's file system */
    BANGER_KIND_BINARY,       /* a bare program name or an absolute path */
    BANGER_KIND_BINARY_PATH,  /* an absolute path of a program */
    BANGER_KIND_VM_ID,        /* [A-Za-z0-9-]{1,64}, as firecracker's --id */
    BANGER_KIND_DRIVE_ID,     /* [A-Za-z0-9_]{1,64}, as firecracker's drive_id */
    BANGER_KIND_SIGNAL,       /* TERM, SIGTERM or a number */
    BANGER_KIND_NUMBER,       /* a uint32 within [min, max] */
    BANGER_KIND_FILE_MODE,    /* a uint32; reduced to the permission bits, 0 becomes 0644 */
} BangerKind;

typedef enum {
    BANGER_FIELD_OPTIONAL = 1 << 0,     /* a dictionary's key may be left out */
    BANGER_FIELD_MAY_BE_EMPTY = 1 << 1, /* "" is valid, whatever the kind */
    BANGER_FIELD_SECRET = 1 << 2,       /* neither a polkit detail nor in the journal */
    BANGER_FIELD_OBJECT = 1 << 3,       /* names the object: a journal field of its own */
    BANGER_FIELD_EXCLUSIVE =
        1 << 4, /* calls that name the same object here run one after the other */
} BangerFieldFlags;

typedef struct BangerField BangerField;

struct BangerField {
    const char *name; /* NULL ends a list */
    BangerType type;
    size_t offset;
    BangerKind kind;
    unsigned int flags; /* BangerFieldFlags */

    /* BANGER_KIND_NUMBER: the range. BANGER_TYPE_ARRAY: how many elements. BANGER_TYPE_BYTES:
     * bytes. */
    uint32_t min;
    uint32_t max;

    /* STRUCT, ARRAY and DICT: the members, and the size of the struct that holds them. */
    const BangerField *members;
    size_t size;
};

/* The member of the struct at @base that @field describes, as a pointer to @type. */
#define BANGER_MEMBER(base, field, ctype) ((ctype *)(void *)((char *)(base) + (field)->offset))
#define BANGER_CONST_MEMBER(base, field, ctype)                                                    \
    ((ctype const *)(const void *)((const char *)(base) + (field)->offset))

/* Appends the D-Bus signature of the one @field to @signature. */
void banger_field_append_signature(const BangerField *field, GString *signature);

/* The D-Bus signature of the list @fields, such as "sssb". Free with g_free(). */
char *banger_fields_signature(const BangerField *fields);

/*
 * Frees what the members of the struct at @base own and sets them to NULL. Members that were never
 * decoded must be NULL or zero.
 */
void banger_fields_clear(const BangerField *fields, void *base);

/*
 * Gives members that are still NULL the zero value of their type: "" for a string, no bytes, no
 * elements. The decoders call it, so that no operation meets a NULL.
 */
void banger_fields_fill_absent(const BangerField *fields, void *base);

/* An empty GArray for the elements of @field (BANGER_TYPE_ARRAY); banger_fields_clear() frees them.
 */
GArray *banger_field_new_array(const BangerField *field);
