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
    BANGER_TYPE_STRING,      /* s: what the kind says, a char * unless noted there */
    BANGER_TYPE_OBJECT_PATH, /* o, a string in JSON: char *; in replies only */
    BANGER_TYPE_BOOLEAN,     /* b: bool */
    BANGER_TYPE_UINT16,      /* q: uint16_t */
    BANGER_TYPE_INT32,       /* i: int32_t; in replies only */
    BANGER_TYPE_UINT32,      /* u: uint32_t */
    BANGER_TYPE_UINT64,      /* t: uint64_t */
    BANGER_TYPE_DOUBLE,      /* d: double; in replies only */
    BANGER_TYPE_HANDLE,      /* h, not in JSON: BangerHandle; in requests only */
    BANGER_TYPE_BYTES,       /* ay, base64 in JSON: GBytes * */
    BANGER_TYPE_STRUCT,      /* (…), a JSON object: a struct embedded at the offset */
    BANGER_TYPE_ARRAY,       /* a(…), a JSON array of objects: GArray * of structs */
    BANGER_TYPE_LIST,        /* as and the like, a JSON array: GArray * of the one member */
    BANGER_TYPE_DICT,        /* a{sv}, a JSON object: a struct embedded at the offset */
    BANGER_TYPE_MAP,         /* a{sa{sv}}, a JSON object: GArray * of structs of key and DICT */
} BangerType;

/* A descriptor that came with a request; all zero: none. */
typedef struct {
    bool is_open;
    int fd;
} BangerHandle;

/* What a string or number means, and so how it is parsed (model/value.c) and what it becomes. */
typedef enum {
    BANGER_KIND_TEXT,         /* any printable UTF-8, at most 4096 bytes */
    BANGER_KIND_LINK_NAME,    /* a name for a network link */
    BANGER_KIND_TAP_NAME,     /* a link name of one of the prefixes of managed TAPs */
    BANGER_KIND_ADDRESS,      /* an IPv4 or IPv6 address: BangerAddress */
    BANGER_KIND_SERVER,       /* a DNS server, "ADDRESS" or "ADDRESS:PORT": BangerServer */
    BANGER_KIND_CIDR,         /* a prefix length, or a network with one: BangerPrefix */
    BANGER_KIND_DESTINATION,  /* a network, "none" or "*"; canonical (model/destination.h) */
    BANGER_KIND_DM_NAME,      /* fc-rootfs-… */
    BANGER_KIND_DM_TARGET,    /* a dm name or its path; reduced to the name */
    BANGER_KIND_DM_PATH,      /* /dev/mapper/fc-rootfs-…; reduced to the name */
    BANGER_KIND_LOOP_PATH,    /* /dev/loopN */
    BANGER_KIND_STATE_PATH,   /* a path below the state directory */
    BANGER_KIND_RUNTIME_PATH, /* a path below the runtime directory that fits sockaddr_un */
    BANGER_KIND_IMAGE_PATH,   /* a state path or a dm path: BangerImagePath */
    BANGER_KIND_GUEST_PATH,   /* a path inside a guest's file system; clean */
    BANGER_KIND_BINARY,       /* a bare program name or a clean path; "" is "firecracker" */
    BANGER_KIND_BINARY_PATH,  /* an absolute path of a program; clean */
    BANGER_KIND_VM_ID,        /* [A-Za-z0-9-]{1,64}, as firecracker's --id */
    BANGER_KIND_DRIVE_ID,     /* [A-Za-z0-9_]{1,64}, as firecracker's drive_id */
    BANGER_KIND_MAC,          /* an Ethernet address of a guest; lower case */
    BANGER_KIND_JSON,         /* JSON text that is not looked into, at most 48 KiB */
    BANGER_KIND_SIGNAL,       /* TERM, SIGTERM or a number: int; "" is SIGTERM */
    BANGER_KIND_NUMBER,       /* a uint32 within [min, max] */
    BANGER_KIND_FILE_MODE,    /* a uint32; reduced to the permission bits, 0 becomes 0644 */
} BangerKind;

typedef enum {
    BANGER_FIELD_OPTIONAL = 1 << 0,     /* a dictionary's key may be left out */
    BANGER_FIELD_MAY_BE_EMPTY = 1 << 1, /* "" is valid, whatever the kind */
    BANGER_FIELD_SECRET = 1 << 2,       /* not in the journal, and to polkit only whether it is */
    BANGER_FIELD_OBJECT = 1 << 3,       /* names the object: a journal field of its own */
    BANGER_FIELD_EXCLUSIVE =
        1 << 4, /* calls that name the same object here run one after the other */
    BANGER_FIELD_NO_DETAIL = 1 << 5, /* within an array: not part of its detail */
    BANGER_FIELD_PRESENCE = 1 << 6,  /* an optional key: the bool at presence says whether it was */
    BANGER_FIELD_BARE_NAME = 1 << 7, /* in JSON also without underscores: "ReadOnly" */
    BANGER_FIELD_SHARED = 1 << 8,    /* as EXCLUSIVE, but side by side with others that share it */
    BANGER_FIELD_JSON_ZERO = 1 << 9, /* an optional key that is "" or empty in JSON if left out */
    /* With EXCLUSIVE: SHARED instead, where the bool at read_only says so. */
    BANGER_FIELD_READ_ONLY = 1 << 10,
} BangerFieldFlags;

typedef struct BangerField BangerField;

struct BangerField {
    const char *name; /* NULL ends a list */
    BangerType type;
    size_t offset;
    BangerKind kind;
    unsigned int flags; /* BangerFieldFlags */

    /* Numbers in requests: the range. ARRAY, LIST and MAP: how many elements. BYTES: how many. */
    uint64_t min;
    uint64_t max;

    /*
     * STRUCT, ARRAY and DICT: the members, and the size of the struct they are in. LIST: the one
     * member that is an element, at the offset 0, and its size. MAP: the key (STRING) and the DICT.
     */
    const BangerField *members;
    size_t size;

    size_t presence;  /* BANGER_FIELD_PRESENCE: where in the struct of the member */
    size_t read_only; /* BANGER_FIELD_READ_ONLY: the same */

    /*
     * What an optional key that was left out is, unless it is "", 0 or false: the text or number.
     */
    const char *default_text;
    uint64_t default_number;
};

/* The member of the struct at @base that @field describes, as a pointer to @type. */
#define BANGER_MEMBER(base, field, ctype) ((ctype *)(void *)((char *)(base) + (field)->offset))
#define BANGER_CONST_MEMBER(base, field, ctype)                                                    \
    ((ctype const *)(const void *)((const char *)(base) + (field)->offset))

/* Appends the D-Bus signature of the one @field to @signature. */
void banger_field_append_signature(const BangerField *field, GString *signature);

/* The D-Bus signature of the list @fields, such as "sssb". Free with g_free(). */
char *banger_fields_signature(const BangerField *fields);

/* The one of @fields called @name, or NULL. */
const BangerField *banger_fields_find(const BangerField *fields, const char *name);

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

/* Whether @type is a whole number: UINT16, INT32, UINT32 or UINT64. */
bool banger_type_is_number(BangerType type);

/* The D-Bus type of @type, such as 'u'; 0 for one that is not basic. */
char banger_type_code(BangerType type);

/*
 * The whole number that the member @field of the struct at @base is; no negative one in requests.
 */
uint64_t banger_field_number(const BangerField *field, const void *base);

/*
 * Makes @number the whole number or the boolean that the member @field of the struct at @base is.
 */
void banger_field_set_number(const BangerField *field, void *base, uint64_t number);

/* Whether the optional key @field with BANGER_FIELD_PRESENCE was given in the struct at @base. */
bool banger_field_is_present(const BangerField *field, const void *base);

/*
 * An empty GArray for the elements of @field (ARRAY, LIST or MAP); banger_fields_clear() frees
 * them.
 */
GArray *banger_field_new_array(const BangerField *field);
