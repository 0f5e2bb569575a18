/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ends with its scope: by the compiler's cleanup attribute, in the reverse order of declaration, whichever way the
 * scope is left.
 *
 *	DEFINE_FREE(name, type, free)		what __free(name) does with a variable of that type: an expression or
 *						statement over _T, its value
 *	no_free_ptr(p), return_ptr(p)		the value, and p is NULL: nothing is freed any more
 *	retain_and_null_ptr(p)			the same for who has given it away already
 *	DEFINE_CLASS(name, type, exit, init, args...)
 *	CLASS(name, var)(values...)		a variable with a constructor and a destructor
 *	DEFINE_GUARD(name, type, lock, unlock)	guard(name)(lock): held to the end of the scope
 *	DEFINE_GUARD_COND(name, suffix, lock)	one that may fail to take it
 *	DEFINE_LOCK_GUARD_0, DEFINE_LOCK_GUARD_1, DEFINE_LOCK_GUARD_1_COND
 *	scoped_guard(name, args...) statement	held for the statement alone; one that may fail skips it
 *	scoped_cond_guard(name, fail, args...)	does "fail" in its place
 */
#ifndef __LINUX_CLEANUP_H
#define __LINUX_CLEANUP_H

#include <linux/compiler.h>
#include <linux/err.h>

#define __cleanup(function) __attribute__((cleanup(function)))

#define DEFINE_FREE(name, type, free)							\
	static __maybe_unused __always_inline void __free_##name(void *variable)			\
	{										\
		type _T = *(type *)variable;						\
		free;									\
	}
#define __free(name) __maybe_unused __cleanup(__free_##name)

#define __taken_ptr(p) ({								\
	__typeof__(p) *__variable = &(p), __value = *__variable;			\
	*__variable = NULL;								\
	__value; })

static inline __attribute__((warn_unused_result)) const volatile void *__needs_an_owner(const volatile void *value)
{
	return value;
}

/* A value that nobody takes is lost: the compiler warns. */
#define no_free_ptr(p) ((__typeof__(p))__needs_an_owner(__taken_ptr(p)))
#define return_ptr(p) return no_free_ptr(p)
#define retain_and_null_ptr(p) ((void)__taken_ptr(p))

#define DEFINE_CLASS(name, type, exit, init, args...)					\
	typedef type class_##name##_t;							\
	static __maybe_unused __always_inline void class_##name##_destructor(class_##name##_t *variable)	\
	{										\
		class_##name##_t _T = *variable;					\
		exit;									\
	}										\
	static __maybe_unused __always_inline class_##name##_t class_##name##_constructor(args)	\
	{										\
		return init;								\
	}
/* The same type and end, another beginning. */
#define EXTEND_CLASS(name, suffix, init, args...)					\
	typedef class_##name##_t class_##name##suffix##_t;				\
	static __maybe_unused __always_inline void class_##name##suffix##_destructor(class_##name##_t *variable)	\
	{										\
		class_##name##_destructor(variable);					\
	}										\
	static __maybe_unused __always_inline class_##name##_t class_##name##suffix##_constructor(args)	\
	{										\
		return init;								\
	}

#define CLASS(name, var)								\
	class_##name##_t var __maybe_unused __cleanup(class_##name##_destructor) =	\
		class_##name##_constructor

/* --- guards: classes that can say whether they hold something --- */

#define __DEFINE_GUARD_HELD(name, held)							\
	static __maybe_unused __always_inline bool class_##name##_held(class_##name##_t *variable)	\
	{										\
		class_##name##_t _T = *variable;					\
		return !IS_ERR_OR_NULL((const void *)(held));				\
	}

#define DEFINE_GUARD(name, type, lock, unlock)						\
	DEFINE_CLASS(name, type, if (_T) { unlock; }, ({ lock; _T; }), type _T)		\
	__DEFINE_GUARD_HELD(name, _T)
#define DEFINE_GUARD_COND(name, suffix, lock)						\
	EXTEND_CLASS(name, suffix, ({ (lock) ? _T : NULL; }), class_##name##_t _T)	\
	__DEFINE_GUARD_HELD(name##suffix, _T)

/* With members of its own beside the lock: lock and unlock are over _T, a pointer to the struct. */
#define __DEFINE_LOCK_GUARD(name, type, unlock, members...)				\
	typedef struct {								\
		type *lock;								\
		members;								\
	} class_##name##_t;								\
	static __maybe_unused __always_inline void class_##name##_destructor(class_##name##_t *_T)	\
	{										\
		if (_T->lock) {								\
			unlock;								\
		}									\
	}										\
	__DEFINE_GUARD_HELD(name, _T.lock)
#define DEFINE_LOCK_GUARD_1(name, type, dolock, unlock, members...)			\
	__DEFINE_LOCK_GUARD(name, type, unlock, members)				\
	static __maybe_unused __always_inline class_##name##_t class_##name##_constructor(type *l)	\
	{										\
		class_##name##_t guarded = { .lock = l }, *_T = &guarded;		\
		dolock;									\
		return guarded;								\
	}
#define DEFINE_LOCK_GUARD_0(name, dolock, unlock, members...)				\
	__DEFINE_LOCK_GUARD(name, void, unlock, members)				\
	static __maybe_unused __always_inline class_##name##_t class_##name##_constructor(void)	\
	{										\
		class_##name##_t guarded = { .lock = (void *)1 }, *_T __maybe_unused = &guarded;	\
		dolock;									\
		return guarded;								\
	}
#define DEFINE_LOCK_GUARD_1_COND(name, suffix, condlock)				\
	EXTEND_CLASS(name, suffix, ({							\
		class_##name##_t guarded = { .lock = l }, *_T = &guarded;		\
		if (!(condlock))							\
			_T->lock = NULL;						\
		guarded; }), __typeof__(((class_##name##_t *)0)->lock) l)		\
	__DEFINE_GUARD_HELD(name##suffix, _T.lock)

#define guard(name) CLASS(name, __UNIQUE_ID(guard))

#define scoped_guard(name, args...)							\
	for (CLASS(name, __scope)(args), *__once = &__scope;				\
	     __once && class_##name##_held(&__scope); __once = NULL)
#define scoped_cond_guard(name, fail, args...)						\
	for (CLASS(name, __scope)(args), *__once = &__scope; __once; __once = NULL)	\
		if (!class_##name##_held(&__scope)) {					\
			fail;								\
		} else

#endif
