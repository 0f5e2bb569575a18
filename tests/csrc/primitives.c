// SPDX-License-Identifier: GPL-2.0-only
/* The primitives one by one; the programs with threads of their own are in races.c. */
#include <linux/iommu.h>
#include <membarrier.h>
#include <pthread.h>
#include <runtime.h>
#include <string.h>

#include "primitives.h"

const char *iopf_prim_runtime(void)
{
	return runtime_name;
}

/* --- warnings, messages, the clock --- */

struct warnings {
	struct iopf_prim_warning *at;
	size_t n, max;
};

static void note_warning(const struct warn_site *site, unsigned long hits, void *arg)
{
	struct warnings *warnings = arg;

	if (warnings->n == warnings->max)
		return;
	warnings->at[warnings->n++] = (struct iopf_prim_warning){
		.file = site->file, .function = site->function, .reason = site->reason, .line = site->line, .hits = hits,
	};
}

size_t iopf_prim_warnings(struct iopf_prim_warning *warnings, size_t max)
{
	struct warnings found = { .at = warnings, .max = max };

	warn_for_each(note_warning, &found);
	return found.n;
}

unsigned long iopf_prim_barriers(void)
{
	return membarrier_calls();
}

unsigned long iopf_prim_barriers_of_all(void)
{
	return membarrier_calls_of_all();
}

unsigned long iopf_prim_spins(void)
{
	return workqueue_spins();
}

unsigned long iopf_prim_warn_total(void)
{
	return warn_total();
}

void iopf_prim_warn_clear(void)
{
	warn_clear();
}

static int evaluations;

static bool evaluate(bool condition)
{
	evaluations++;
	return condition;
}

int iopf_prim_warn_evaluations(void)
{
	int n = evaluations;

	evaluations = 0;
	return n;
}

bool iopf_prim_warn_on(bool condition)
{
	return WARN_ON(evaluate(condition));
}

bool iopf_prim_warn_on_once(bool condition)
{
	return WARN_ON_ONCE(evaluate(condition));
}

bool iopf_prim_warn(bool condition)
{
	return WARN(evaluate(condition), "the reason of %s", "this one");
}

bool iopf_prim_warn_once(bool condition)
{
	return WARN_ONCE(evaluate(condition), "the reason of a once");
}

int iopf_prim_message(char *text)
{
	struct kernel_message message;

	if (!printk_fetch(&message))
		return -1;
	strncpy(text, message.text, IOPF_PRIM_TEXT - 1);
	text[IOPF_PRIM_TEXT - 1] = '\0';
	return message.level;
}

bool iopf_prim_message_waiting(void)
{
	return __atomic_load_n(&printk_waiting, __ATOMIC_ACQUIRE);
}

unsigned long iopf_prim_messages_dropped(void)
{
	return printk_dropped();
}

void iopf_prim_emit(int level, const char *text)
{
	printk_emit(level, "%s", text);
}

void iopf_prim_dev_warn(const char *dev, const char *text)
{
	struct device device = { .init_name = dev };

	dev_warn(&device, "%s\n", text);
}

void iopf_prim_dev_warn_ratelimited(const char *dev, int site, int number)
{
	struct device device = { .init_name = dev };

	if (site == 0)
		dev_warn_ratelimited(&device, "site 0, number %d\n", number);
	else
		dev_warn_ratelimited(&device, "site 1, number %d\n", number);
}

void iopf_prim_clock_set(uint64_t now_ns)
{
	clock_set_ns(now_ns);
}

uint64_t iopf_prim_clock_now(void)
{
	return clock_now_ns();
}

/* --- refcount_t --- */

struct iopf_prim_refcount {
	refcount_t refs;
};

struct iopf_prim_refcount *iopf_prim_refcount_new(int n)
{
	struct iopf_prim_refcount *count = kzalloc_obj(*count);

	if (count)
		refcount_set(&count->refs, n);
	return count;
}

void iopf_prim_refcount_free(struct iopf_prim_refcount *count)
{
	/* Nothing of it is left in any thread, so that the next test finds what this one found. */
	if (refcount_read(&count->refs) > 0)
		refcount_add(0, &count->refs);
	kfree(count);
}

void iopf_prim_refcount_set(struct iopf_prim_refcount *count, int n)
{
	refcount_set(&count->refs, n);
}

int iopf_prim_refcount_read(struct iopf_prim_refcount *count)
{
	return refcount_read(&count->refs);
}

void iopf_prim_refcount_inc(struct iopf_prim_refcount *count)
{
	refcount_inc(&count->refs);
}

void iopf_prim_refcount_add(int n, struct iopf_prim_refcount *count)
{
	refcount_add(n, &count->refs);
}

bool iopf_prim_refcount_inc_not_zero(struct iopf_prim_refcount *count)
{
	return refcount_inc_not_zero(&count->refs);
}

void iopf_prim_refcount_dec(struct iopf_prim_refcount *count)
{
	refcount_dec(&count->refs);
}

bool iopf_prim_refcount_dec_and_test(struct iopf_prim_refcount *count)
{
	return refcount_dec_and_test(&count->refs);
}

/* --- mutexes --- */

struct iopf_prim_mutex {
	struct mutex lock;
};

static struct iopf_prim_mutex static_mutex = { .lock = __MUTEX_INITIALIZER(static_mutex.lock) };

struct iopf_prim_mutex *iopf_prim_mutex_static(void)
{
	return &static_mutex;
}

struct iopf_prim_mutex *iopf_prim_mutex_new(void)
{
	struct iopf_prim_mutex *mutex = kzalloc_obj(*mutex);

	if (mutex)
		mutex_init(&mutex->lock);
	return mutex;
}

void iopf_prim_mutex_free(struct iopf_prim_mutex *mutex)
{
	mutex_destroy(&mutex->lock);
	kfree(mutex);
}

void iopf_prim_mutex_destroy(struct iopf_prim_mutex *mutex)
{
	mutex_destroy(&mutex->lock);
}

void iopf_prim_mutex_lock(struct iopf_prim_mutex *mutex)
{
	mutex_lock(&mutex->lock);
}

bool iopf_prim_mutex_trylock(struct iopf_prim_mutex *mutex)
{
	return mutex_trylock(&mutex->lock);
}

void iopf_prim_mutex_unlock(struct iopf_prim_mutex *mutex)
{
	mutex_unlock(&mutex->lock);
}

bool iopf_prim_mutex_is_locked(struct iopf_prim_mutex *mutex)
{
	return mutex_is_locked(&mutex->lock);
}

bool iopf_prim_lockdep_is_held(struct iopf_prim_mutex *mutex)
{
	return lockdep_is_held(&mutex->lock);
}

void iopf_prim_lockdep_assert_held(struct iopf_prim_mutex *mutex)
{
	lockdep_assert_held(&mutex->lock);
}

void iopf_prim_lockdep_assert_not_held(struct iopf_prim_mutex *mutex)
{
	lockdep_assert_not_held(&mutex->lock);
}

/* --- allocation --- */

/* The face's two flags, as the kernel's: nothing says that the numbers are the same. */
static gfp_t to_gfp(unsigned int gfp)
{
	return gfp == IOPF_PRIM_GFP_KERNEL ? GFP_KERNEL : GFP_ATOMIC;
}

void *iopf_prim_kmalloc(size_t size, unsigned int gfp)
{
	return kmalloc(size, to_gfp(gfp));
}

void *iopf_prim_kzalloc(size_t size, unsigned int gfp)
{
	return kzalloc(size, to_gfp(gfp));
}

void *iopf_prim_kcalloc(size_t n, size_t size, unsigned int gfp)
{
	return kcalloc(n, size, to_gfp(gfp));
}

void *iopf_prim_kmemdup(const void *src, size_t size, unsigned int gfp)
{
	return kmemdup(src, size, to_gfp(gfp));
}

size_t iopf_prim_kzalloc_obj(void)
{
	static const struct rcu_head cleared;
	struct rcu_head *object = kzalloc_obj(*object), *other = kzalloc_obj(struct rcu_head, GFP_ATOMIC);
	size_t size = 0;

	if (object && other && !memcmp(object, &cleared, sizeof(cleared)) && !memcmp(other, &cleared, sizeof(cleared)))
		size = sizeof(*object);
	kfree(object);
	kfree(other);
	return size;
}

void iopf_prim_kfree(void *object)
{
	kfree(object);
}

void iopf_prim_kfree_foreign(void)
{
	static char memory[256] __attribute__((aligned(64)));

	kfree(memory + 128);
}

long iopf_prim_slab_live(void)
{
	return slab_live();
}

void iopf_prim_slab_set_idle(int idle)
{
	slab_set_idle(idle);
}

size_t iopf_prim_slab_bytes(void)
{
	return slab_bytes();
}

void iopf_prim_slab_fail_nth(unsigned long n)
{
	slab_fail_nth(n);
}

unsigned long iopf_prim_slab_fail_nth_left(void)
{
	return slab_fail_nth_left();
}

struct sites {
	struct iopf_prim_site *at;
	size_t n, max;
};

static void note_site(const struct slab_site *site, long live, void *arg)
{
	struct sites *sites = arg;

	if (sites->n == sites->max)
		return;
	sites->at[sites->n++] = (struct iopf_prim_site){
		.file = site->file, .function = site->function, .line = site->line, .live = live,
	};
}

size_t iopf_prim_slab_sites(struct iopf_prim_site *sites, size_t max)
{
	struct sites found = { .at = sites, .max = max };

	slab_for_each_site(note_site, &found);
	return found.n;
}

/* --- RCU --- */

void iopf_prim_rcu_read_lock(void)
{
	rcu_read_lock();
}

void iopf_prim_rcu_read_unlock(void)
{
	rcu_read_unlock();
}

bool iopf_prim_rcu_read_lock_held(void)
{
	return rcu_read_lock_held();
}

void iopf_prim_synchronize_rcu(void)
{
	synchronize_rcu();
}

void iopf_prim_rcu_barrier(void)
{
	rcu_barrier();
}

#define RCU_LOG 256

static pthread_mutex_t rcu_log_lock = PTHREAD_MUTEX_INITIALIZER;	/* read in readers, too */
static int rcu_log[RCU_LOG];
static size_t rcu_logged;

struct logger {
	int number, again;
	struct rcu_head rcu;
};

static void log_number(struct rcu_head *head)
{
	struct logger *logger = container_of(head, struct logger, rcu);

	pthread_mutex_lock(&rcu_log_lock);
	if (rcu_logged < RCU_LOG)
		rcu_log[rcu_logged++] = logger->number;
	pthread_mutex_unlock(&rcu_log_lock);
	if (logger->again)
		iopf_prim_call_rcu(logger->number + 1, logger->again - 1);
	kfree(logger);
}

void iopf_prim_call_rcu(int number, int again)
{
	struct logger *logger = kzalloc_obj(*logger, GFP_ATOMIC);

	if (!logger)
		return;
	logger->number = number;
	logger->again = again;
	call_rcu(&logger->rcu, log_number);
}

struct counter {
	struct rcu_head rcu;
};

static __thread bool in_call_rcu;
static __thread unsigned int calls_inside;

static void count_inside(struct rcu_head *head)
{
	calls_inside += in_call_rcu;
	kfree(container_of(head, struct counter, rcu));
}

unsigned int iopf_prim_call_rcu_calls(unsigned int n)
{
	unsigned int i;

	calls_inside = 0;
	for (i = 0; i < n; i++) {
		struct counter *called = kzalloc_obj(*called), *freed = kzalloc_obj(*freed);

		in_call_rcu = true;
		if (called)
			call_rcu(&called->rcu, count_inside);
		kfree_rcu(freed, rcu);
		in_call_rcu = false;
	}
	return calls_inside;
}

size_t iopf_prim_rcu_log(int *numbers, size_t max)
{
	size_t n;

	pthread_mutex_lock(&rcu_log_lock);
	n = rcu_logged < max ? rcu_logged : max;
	memcpy(numbers, rcu_log, n * sizeof(*numbers));
	rcu_logged = 0;
	pthread_mutex_unlock(&rcu_log_lock);
	return n;
}

struct object {
	int value;
	struct rcu_head rcu;
};

struct iopf_prim_cell {
	struct object __rcu *object;
};

struct iopf_prim_cell *iopf_prim_cell_new(void)
{
	return kzalloc_obj(struct iopf_prim_cell);
}

void iopf_prim_cell_free(struct iopf_prim_cell *cell)
{
	kfree(rcu_access_pointer(cell->object));
	kfree(cell);
}

void iopf_prim_cell_publish(struct iopf_prim_cell *cell, int value)
{
	struct object *before = rcu_access_pointer(cell->object), *object = kzalloc_obj(*object, GFP_ATOMIC);

	if (!object)
		return;
	object->value = value;
	rcu_assign_pointer(cell->object, object);
	kfree_rcu(before, rcu);
}

void iopf_prim_cell_clear(struct iopf_prim_cell *cell)
{
	struct object *before = rcu_access_pointer(cell->object);

	RCU_INIT_POINTER(cell->object, NULL);
	kfree_rcu(before, rcu);
}

int iopf_prim_cell_dereference(struct iopf_prim_cell *cell)
{
	struct object *object = rcu_dereference(cell->object);

	return object ? object->value : -1;
}

int iopf_prim_cell_dereference_check(struct iopf_prim_cell *cell, bool condition)
{
	struct object *object = rcu_dereference_check(cell->object, condition);

	return object ? object->value : -1;
}

int iopf_prim_cell_dereference_protected(struct iopf_prim_cell *cell, bool condition)
{
	struct object *object = rcu_dereference_protected(cell->object, condition);

	return object ? object->value : -1;
}

bool iopf_prim_cell_access(struct iopf_prim_cell *cell)
{
	return rcu_access_pointer(cell->object) != NULL;
}
