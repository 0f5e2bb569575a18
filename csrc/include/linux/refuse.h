/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parts of the kernel's API that are known and are not here. A macro of the name makes an error of each use, in the line of
 * the use, which says what there is in its place. The text is one literal: a compiler that is given several shows the first.
 */
#ifndef __LINUX_REFUSE_H
#define __LINUX_REFUSE_H

#define __REFUSE_PRAGMA(text) _Pragma(#text)
#define __REFUSED(text) __REFUSE_PRAGMA(GCC error text)

#endif
