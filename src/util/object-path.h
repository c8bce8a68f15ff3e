/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The path of the object called @name below that of @folder, with @name escaped as
 * sd_bus_path_encode(3) does. Free with g_free().
 */
char *banger_encode_object_path(const char *folder, const char *name);
