/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Unicode knows about text, by libunistring: normal forms, case folding, general categories.
 * Input is valid UTF-8; results are NUL-terminated in the arena. No locale plays a part.
 */
#ifndef BASE_UNICODE_H
#define BASE_UNICODE_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Normalization form C (UAX #15). 0 or -ENOMEM. */
int unicode_nfc(struct arena *arena, struct str s, struct str *ret) MUST_CHECK;
/* The same for all texts that differ only in case: full case folding, NFC. 0 or -ENOMEM. */
int unicode_fold_case(struct arena *arena, struct str s, struct str *ret) MUST_CHECK;
/*
 * The same for all texts that differ only in case, accents or compatibility forms ("Ärger",
 * "arger", "ＡＲＧＥＲ"): case folding, NFKD, without marks. For searching and sorting. 0 or
 * -ENOMEM.
 */
int unicode_fold_accents(struct arena *arena, struct str s, struct str *ret) MUST_CHECK;

bool unicode_is_letter(uint32_t code_point);
bool unicode_is_mark(uint32_t code_point);
bool unicode_is_digit(uint32_t code_point); /* a decimal digit of any script (Nd) */
/* Shows nothing of its own: Default_Ignorable_Code_Point. Some letters and marks are among them. */
bool unicode_is_invisible(uint32_t code_point);
/* A letter of a script that is written without spaces (Han, Hiragana, Thai ...): a word by itself
 * for search. Word_Break is neither ALetter, Hebrew_Letter nor Katakana (UAX #29). */
bool unicode_is_word_letter(uint32_t code_point);

#endif
