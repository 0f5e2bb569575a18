/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clang makes a call of a string function out of the copy of a structure, also where functions are not built in, and of
 * its initialisation. From version 16 on it calls __tsan_memcpy, __tsan_memmove and __tsan_memset in instrumented code;
 * before, the C library's, where no access would be seen. To the assembler both are one name here.
 *
 * The build includes it into instrumented units, when the compiler is clang. Functions that a core calls by name are
 * macros already (csrc/build.py).
 */
__asm__(".set memcpy, __tsan_memcpy\n"
	".set memmove, __tsan_memmove\n"
	".set memset, __tsan_memset\n");
