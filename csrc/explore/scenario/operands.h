/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the operands of each operation are: the one table.
 *
 *	OPERATION(opcode, name, V(operand, value, kind) ...)
 *
 * An operation has a name and values in Python; a value lies in an operand, or in several, and is of a kind. Whoever includes
 * this says what the two macros are. scenario.c makes its check of it, a rule for each kind; csrc/operands.py makes
 * iopf/explore/_operands.py of it, which says how a value becomes numbers. What an operation does is in explore.h.
 */

/* --- on the framework; RESULT: XP_ANY, or what it has to return --- */

OPERATION(XP_REPORT, report,
	  V(a, device, DEVICE) V(b, grpid, ID) V(c, pasid, ID) V(d, perm, PERM) V(e, last, REQUEST) V(e, type, OTHER_TYPE)
	  V(e, flags, RAW_FLAGS) V(f, addr, LOWER) V(h, addr, UPPER) V(g, returns, RESULT))
OPERATION(XP_RESPOND, respond, V(a, device, DEVICE) V(b, grpid, ID) V(c, pasid, ID) V(d, code, CODE) V(e, free, FLAG))
OPERATION(XP_REMOVE, remove, V(a, queue, QUEUE) V(b, device, DEVICE))
OPERATION(XP_ADD, add, V(a, queue, QUEUE) V(b, device, DEVICE) V(g, returns, RESULT))
OPERATION(XP_FLUSH, flush, V(a, device, DEVICE) V(g, returns, RESULT))
OPERATION(XP_DISCARD, discard_partial, V(a, queue, QUEUE_OR_NULL) V(g, returns, RESULT))
OPERATION(XP_FREE_QUEUE, free_queue, V(a, queue, QUEUE_OR_NULL))
OPERATION(XP_TRY_QUEUE, try_queue, V(g, returns, RESULT))
OPERATION(XP_CLOSE, close, V(a, device, DEVICE))
OPERATION(XP_ATTACH, attach,
	  V(a, device, DEVICE) V(b, handler, HANDLER) V(c, pasid, PASID) V(d, space, SPACE_OF_SVA) V(e, nested, FLAG)
	  V(g, returns, RESULT))
OPERATION(XP_DETACH, detach, V(a, device, DEVICE) V(c, pasid, PASID))
OPERATION(XP_REPLACE, replace,
	  V(a, device, DEVICE) V(b, handler, HANDLER) V(c, pasid, PASID) V(d, space, SPACE_OF_SVA) V(e, nested, FLAG)
	  V(g, returns, RESULT))
OPERATION(XP_EXIT, exit, V(a, space, SPACE))
OPERATION(XP_MAP, map,
	  V(a, space, SPACE) V(b, start, LOWER) V(c, start, UPPER) V(d, perm, MAPPED) V(e, length, LENGTH) V(f, length, UPPER))
OPERATION(XP_UNMAP, unmap, V(a, space, SPACE) V(b, start, LOWER) V(c, start, UPPER) V(e, length, LENGTH) V(f, length, UPPER))
OPERATION(XP_BIND, bind, V(a, device, DEVICE) V(b, space, SPACE) V(c, pasid, PASID) V(g, returns, RESULT))
OPERATION(XP_UNBIND, unbind, V(a, device, DEVICE) V(c, pasid, PASID))
OPERATION(XP_FAIL_ALLOC, fail_next_alloc, V(a, n, NATURAL))
OPERATION(XP_LOCK, lock, V(a, lock, LOCK))
OPERATION(XP_UNLOCK, unlock, V(a, lock, LOCK))
OPERATION(XP_REPEAT, repeat, V(a, n, TIMES) V(b, operations, REPEATED))

/*
 * --- low-level ones ---
 *
 * An address is a base, -1 for the shared memory or the register that has a pointer, and an offset. A register that a result
 * goes to, or that a value comes from, may be none, -1.
 */

OPERATION(XP_LOAD, load, V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(d, order, ORDER) V(e, size, BYTES))
OPERATION(XP_STORE, store,
	  V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(d, order, ORDER) V(e, size, BYTES)
	  V(f, value, NUMBER))
OPERATION(XP_RMW, rmw,
	  V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(d, order, ATOMIC_ORDER) V(e, size, BYTES)
	  V(f, value, NUMBER) V(g, how, HOW_RMW))
OPERATION(XP_CAS, cas,
	  V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(d, order, ATOMIC_ORDER) V(e, size, BYTES)
	  V(f, expected, NUMBER) V(g, value, NUMBER))
OPERATION(XP_REF, ref,
	  V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(d, how, HOW_REF) V(f, value, NUMBER))
OPERATION(XP_MUTEX, mutex, V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(d, how, HOW_MUTEX))
OPERATION(XP_RCU, rcu, V(a, register, RCU_REGISTER) V(c, offset, RCU_OFFSET) V(d, how, HOW_RCU) V(f, body, RCU_BODY))
OPERATION(XP_ALLOC, alloc, V(a, register, REGISTER) V(f, size, ALLOCATED))
OPERATION(XP_FREE, free, V(a, register, REGISTER))
OPERATION(XP_FREE_AT, free_at, V(b, base, BASE) V(c, offset, OFFSET))
OPERATION(XP_MOVE, move, V(a, register, REGISTER) V(b, source, REGISTER_OR_NONE) V(f, value, NUMBER))
OPERATION(XP_SUM, sum, V(a, register, REGISTER) V(f, value, NUMBER))
OPERATION(XP_ADDRESS, address, V(a, register, REGISTER) V(b, base, BASE) V(c, offset, OFFSET))
OPERATION(XP_SKIP, skip, V(a, register, REGISTER_OR_NONE) V(f, records, SKIPPED) V(g, nonzero, FLAG))
OPERATION(XP_LIST, list,
	  V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(d, how, HOW_LIST) V(e, head_base, REGISTER_OR_NONE)
	  V(f, head, OFFSET))
OPERATION(XP_WORK_INIT, work_init, V(b, base, BASE) V(c, offset, OFFSET) V(f, body, BODY))
OPERATION(XP_QUEUE_WORK, queue_work,
	  V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(f, wq, WORKQUEUE))
OPERATION(XP_WQ, wq, V(d, how, HOW_WQ) V(f, wq, WORKQUEUE) V(g, workers, NATURAL))
OPERATION(XP_OUT, out, V(a, register, REGISTER))
OPERATION(XP_AWAIT, await_,
	  V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(e, size, BYTES) V(f, value, NUMBER))
OPERATION(XP_RECURSE, recurse, V(f, frames, NATURAL))
OPERATION(XP_WARN, warn)
OPERATION(XP_DEREF, deref, V(a, register, REGISTER) V(b, base, BASE) V(c, offset, OFFSET) V(d, locked, FLAG))
OPERATION(XP_PUBLISH, publish, V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET))
OPERATION(XP_SPIN, spin,
	  V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(e, size, BYTES) V(f, value, NUMBER))
OPERATION(XP_SPINLOCK, spinlock,
	  V(a, register, REGISTER_OR_NONE) V(b, base, SPINLOCK_BASE) V(c, offset, SPINLOCK_OFFSET) V(d, how, HOW_SPINLOCK)
	  V(f, form, FORM))
OPERATION(XP_COMPLETION, completion,
	  V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(d, how, HOW_COMPLETION))
OPERATION(XP_WAITQUEUE, waitqueue,
	  V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(d, how, HOW_WAITQUEUE)
	  V(e, head_base, REGISTER_OR_NONE) V(f, head, OFFSET) V(g, value, NUMBER))
OPERATION(XP_ONE_WORK, one_work, V(a, register, REGISTER_OR_NONE) V(b, base, BASE) V(c, offset, OFFSET) V(d, how, HOW_ONE_WORK))

#undef OPERATION
#undef V
