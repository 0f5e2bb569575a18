/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Options of the kernel's configuration: one is on that somebody defined to 1 (CC='gcc -DCONFIG_NAME=1'), none is by itself.
 * As in the kernel the answer is a constant, whether or not the name is defined.
 */
#ifndef __LINUX_KCONFIG_H
#define __LINUX_KCONFIG_H

/* "1" becomes one argument more, so that the 1 is second; anything else leaves the 0 there. */
#define __option_set_1 ,
#define __option_second(first, second, ...) second
#define __option_choose(one_or_none) __option_second(one_or_none 1, 0, 0)
#define __option_paste(value) __option_choose(__option_set_##value)
#define __option_is_set(value) __option_paste(value)

#define IS_BUILTIN(option) __option_is_set(option)
#define IS_MODULE(option) __option_is_set(option##_MODULE)
#define IS_ENABLED(option) (IS_BUILTIN(option) || IS_MODULE(option))
#define IS_REACHABLE(option) IS_BUILTIN(option)

#endif
