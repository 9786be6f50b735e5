/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the source tree as bytes in the binary, by the assembler's .incbin. Paths are relative
 * to the root of the tree, where make runs.
 */
#ifndef STORE_EMBED_PRIVATE_H
#define STORE_EMBED_PRIVATE_H

/* Defines embedded_<name>[] and embedded_<name>_end[]; the bytes end in a NUL that is not counted.
 */
#define EMBED(name, path)                          \
	__asm__(".pushsection .rodata\n"           \
		".hidden embedded_" #name "\n"     \
		".hidden embedded_" #name "_end\n" \
		".global embedded_" #name "\n"     \
		".global embedded_" #name "_end\n" \
		"embedded_" #name ":\n"            \
		".incbin \"" path "\"\n"           \
		"embedded_" #name "_end:\n"        \
		".byte 0\n"                        \
		".popsection\n");                  \
	extern const char embedded_##name[];       \
	extern const char embedded_##name##_end[]

#define EMBEDDED(name) \
	((struct str){ embedded_##name, (size_t)(embedded_##name##_end - embedded_##name) })

#endif
