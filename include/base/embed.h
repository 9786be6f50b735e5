/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that travel inside the binary. EMBED(name, "path/from/the/checkout") at file scope defines
 * a static function name() that gives the bytes; they end in a NUL that is not counted.
 * The Makefile names the files each such object depends on, as the compiler cannot.
 */
#ifndef BASE_EMBED_H
#define BASE_EMBED_H

#include "base/str.h"

#define EMBED(name, path)                                                                         \
	__asm__(".pushsection .rodata, \"a\", @progbits\n"                                        \
		".local embed_" #name "\n.local embed_" #name "_end\n"                            \
		"embed_" #name ":\n.incbin \"" path "\"\n"                                        \
		"embed_" #name "_end:\n.byte 0\n.popsection\n");                                  \
	extern const char embed_##name[], embed_##name##_end[];                                   \
	static struct str name(void)                                                              \
	{                                                                                         \
		return (struct str){ embed_##name, (size_t)(embed_##name##_end - embed_##name) }; \
	}                                                                                         \
	struct embed_semicolon

#endif
