// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel messages wait in a ring until somebody fetches them: they are said under locks and in threads that must not
 * call into anything. A ring that nobody empties keeps the newest and counts the rest.
 */
#include <linux/device.h>
#include <linux/printk.h>
#include <pthread.h>
#include <runtime.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RING 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t ratelimit_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kernel_message ring[RING];
static unsigned int oldest, used;
static unsigned long dropped;

int printk_waiting;

/* Returns the length of what is kept. */
static int __printf(2, 0) emit(int level, const char *format, va_list args)
{
	struct kernel_message *message;
	size_t length;

	pthread_mutex_lock(&lock);
	if (used == RING) {
		oldest = (oldest + 1) % RING;
		used--;
		dropped++;
	}
	message = &ring[(oldest + used++) % RING];
	message->level = level;
	vsnprintf(message->text, sizeof(message->text), format, args);
	length = strlen(message->text);
	if (length && message->text[length - 1] == '\n')
		message->text[--length] = '\0';
	__atomic_store_n(&printk_waiting, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
	return (int)length;
}

void printk_emit(int level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	emit(level, format, args);
	va_end(args);
}

static void __printf(3, 0) emit_of(int level, const struct device *dev, const char *format, va_list args)
{
	char text[sizeof(((struct kernel_message *)0)->text)];

	if (!dev) {
		emit(level, format, args);
		return;
	}
	vsnprintf(text, sizeof(text), format, args);
	printk_emit(level, "%s: %s", dev_name(dev), text);
}

/* Is it to be printed? missed: how many the interval before left out, when this is the first of a new one. */
static bool is_within_limit(struct ratelimit_state *state, unsigned int *missed)
{
	u64 now = clock_now_ns();
	bool print;

	pthread_mutex_lock(&ratelimit_lock);
	if (!state->started || now < state->begin || now - state->begin >= DEFAULT_RATELIMIT_INTERVAL_NS) {
		*missed = state->missed;
		*state = (struct ratelimit_state){ .begin = now, .started = true };
	}
	print = state->printed < DEFAULT_RATELIMIT_BURST;
	if (print)
		state->printed++;
	else
		state->missed++;
	pthread_mutex_unlock(&ratelimit_lock);
	return print;
}

/* One state per call site, for all devices, as in the kernel. The end of an interval says what it left out. */
void __kernel_message(struct ratelimit_state *state, int level, const struct device *dev, const char *format, ...)
{
	unsigned int missed = 0;
	bool print = !state || is_within_limit(state, &missed);
	va_list args;

	if (missed)
		printk_emit(level, "%s%s%u messages suppressed", dev ? dev_name(dev) : "", dev ? ": " : "", missed);
	if (!print)
		return;
	va_start(args, format);
	emit_of(level, dev, format, args);
	va_end(args);
}

void __kernel_message_once(struct ratelimit_state *state, int level, const struct device *dev, const char *format, ...)
{
	va_list args;

	if (__atomic_exchange_n(&state->started, true, __ATOMIC_RELAXED))
		return;
	va_start(args, format);
	emit_of(level, dev, format, args);
	va_end(args);
}

int _printk(const char *format, ...)
{
	int level = LOGLEVEL_WARNING, length;
	va_list args;

	if (format[0] == KERN_EMERG[0] && format[1]) {
		if (format[1] >= '0' && format[1] <= '7')
			level = format[1] - '0';
		format += 2;
	}
	va_start(args, format);
	length = emit(level, format, args);
	va_end(args);
	return length;
}

bool printk_fetch(struct kernel_message *message)
{
	bool found;

	pthread_mutex_lock(&lock);
	found = used;
	if (found) {
		*message = ring[oldest];
		oldest = (oldest + 1) % RING;
		used--;
	}
	if (!used)
		__atomic_store_n(&printk_waiting, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
	return found;
}

unsigned long printk_dropped(void)
{
	unsigned long n;

	pthread_mutex_lock(&lock);
	n = dropped;
	dropped = 0;
	pthread_mutex_unlock(&lock);
	return n;
}

/* What the parent had not fetched is the parent's. */
void printk_after_fork(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_mutex_init(&ratelimit_lock, NULL);
	used = 0;
	dropped = 0;
	printk_waiting = 0;
}
