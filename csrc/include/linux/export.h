/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __LINUX_EXPORT_H
#define __LINUX_EXPORT_H

/*
 * A core's functions leave it through its table alone (csrc/forms/table.c). The assertion swallows the semicolon and
 * still demands that the symbol exists. Namespaces say who may import one; nobody imports here.
 */
#define EXPORT_SYMBOL(sym) _Static_assert(sizeof(&sym), "exported symbols exist")
#define EXPORT_SYMBOL_GPL(sym) EXPORT_SYMBOL(sym)
#define EXPORT_SYMBOL_NS(sym, ns) EXPORT_SYMBOL(sym)
#define EXPORT_SYMBOL_NS_GPL(sym, ns) EXPORT_SYMBOL(sym)
#define EXPORT_SYMBOL_FOR_MODULES(sym, modules) EXPORT_SYMBOL(sym)

#endif
