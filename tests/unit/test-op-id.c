/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operation ids: valid, invalid, minted. */
#include <glib.h>
#include <stdlib.h>

#include "lib/harness.h"
#include "util/op-id.h"

static const char *const valid[] = {
    "a",
    "7",
    "op-3f2a9c",
    "A.b_c:d-e",
    "0123456789012345678901234567890123456789012345678901234567890123",
};

static const char *const invalid[] = {
    "",
    "-op",
    ".op",
    "_op",
    ":op",
    "op id",
    "op\n",
    "op\t",
    "op(1)",
    "op/1",
    "opé",
    "op%s",
    "01234567890123456789012345678901234567890123456789012345678901234",
};

START_TEST(valid_ids)
{
    ck_assert_msg(banger_op_id_is_valid(valid[_i]), "\"%s\"", valid[_i]);
}
END_TEST

START_TEST(invalid_ids)
{
    ck_assert_msg(!banger_op_id_is_valid(invalid[_i]), "\"%s\"", invalid[_i]);
}
END_TEST

START_TEST(minted_ids)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (int i = 0; i < 1000; i++) {
        char *op_id = banger_op_id_mint();

        ck_assert_msg(g_regex_match_simple("^op-[0-9a-f]{12}$", op_id, 0, 0), "%s", op_id);
        ck_assert(banger_op_id_is_valid(op_id));
        ck_assert_msg(g_hash_table_add(seen, op_id), "minted twice");
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("op-id");
    TCase *tcase = tcase_create("op-id");

    tcase_add_loop_test(tcase, valid_ids, 0, G_N_ELEMENTS(valid));
    tcase_add_loop_test(tcase, invalid_ids, 0, G_N_ELEMENTS(invalid));
    tcase_add_test(tcase, minted_ids);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/op-id", suite);
}
