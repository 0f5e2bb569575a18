/* SPDX-License-Identifier: GPL-2.0-only */
/* On threads nobody looks at the order of locks. */
#ifndef IOPF_RUNTIME_LOCKDEP_CLASS_H
#define IOPF_RUNTIME_LOCKDEP_CLASS_H

#define __lockdep_set_class(lock, key) ((void)sizeof(*(lock)), (void)(key))
#define __note_lock_order(lock) ((void)sizeof(*(lock)))

#endif
