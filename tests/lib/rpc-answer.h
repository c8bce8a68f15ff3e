/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "lib/harness.h"

/*
 * @answer without the data of the errors of JSON-RPC in it, which carries an op_id that is minted
 * and says more than the specification's examples. Free with g_free().
 */
static inline char *
rpc_answer_without_data(const char *answer)
{
    g_autoptr(GRegex) data = g_regex_new(",\"data\":\\{.*?\"op_id\":\"[^\"]*\"\\}",
                                         (GRegexCompileFlags)0, (GRegexMatchFlags)0, NULL);
    char *stripped = g_regex_replace_literal(data, answer, -1, 0, "", (GRegexMatchFlags)0, NULL);

    ck_assert_ptr_nonnull(stripped);
    return stripped;
}
