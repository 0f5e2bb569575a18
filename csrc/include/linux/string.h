/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __LINUX_STRING_H
#define __LINUX_STRING_H

#include <string.h>

#endif
