/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parts of the kernel's API that are known and are not here. A macro of the name makes an error of each use, in the line of
 * the use, which says what there is in its place.
 */
#ifndef __LINUX_REFUSE_H
#define __LINUX_REFUSE_H

#define __REFUSE_PRAGMA(text) _Pragma(#text)
#define __REFUSED(name, instead) __REFUSE_PRAGMA(GCC error name " is not here: " instead)

#endif
