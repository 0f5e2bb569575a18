/* SPDX-License-Identifier: GPL-2.0-only */
/* The cores of an extension, in the order in which they are listed. */
CORE(iopf)
