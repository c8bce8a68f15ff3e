/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/methods.h"

/*
 * A method that is in no table, with arguments and results of every type that descriptors know: for
 * the tests of what walks descriptors.
 */

typedef struct {
    char *protocol;
    uint16_t host_port;
    uint16_t guest_port;
} WideForward;

typedef struct {
    uint64_t size;
    uint64_t burst;
    uint64_t refill_ms;
} WideBucket;

typedef struct {
    bool has_bandwidth;
    WideBucket bandwidth;
    char *note;
} WideLimiter;

typedef struct {
    char *id;
    char *cache;
    bool has_limiter;
    WideLimiter limiter;
} WideOptions;

typedef struct {
    char *tap;
    WideLimiter limiter;
} WideInterface;

typedef struct {
    char *guest_path;
    BangerHandle content;
} WideFile;

typedef struct {
    char *name;
    BangerAddress guest_ip;
    uint32_t mtu;
    uint64_t cow_size;
    char *huge_pages;
    GArray *egress;     /* of BangerAddress */
    GArray *forwards;   /* of WideForward */
    GArray *options;    /* of WideOptions */
    GArray *interfaces; /* of WideInterface */
    WideLimiter limiter;
    WideLimiter secrets;
    uint16_t port;
    bool start;
    bool has_mtu;
    bool has_egress;
    bool has_limiter;
    bool has_secrets;
} WideMachine;

typedef struct {
    WideMachine machine;
    BangerHandle to;
    GArray *files; /* of WideFile */
} WideRequest;

typedef struct {
    GArray *machines; /* of WideItem */
    GArray *names;    /* of char * */
    char *object;
    double progress;
    int32_t status;
    uint64_t size;
} WideReply;

typedef struct {
    char *id;
    uint32_t leader;
    char *object;
} WideItem;

/* What walks descriptors has no use for the request's type, only for where its members are. */
#define WIDE(request) ((void *)(request))

/* a{sv} h a(sh) and a(suo) as o d i t. */
extern const BangerMethod wide_method;

/* Its dictionary alone, as a method that JSON has. */
extern const BangerField wide_machine_in[];
