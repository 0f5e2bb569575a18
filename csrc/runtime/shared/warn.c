// SPDX-License-Identifier: GPL-2.0-only
/* WARNs are counted where they happen, and said once in a message. */
#include <linux/bug.h>
#include <pthread.h>
#include <runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct warn_site *first;

static const char *basename_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void warn_slowpath(struct warn_site *site)
{
	bool count;

	pthread_mutex_lock(&lock);
	if (!site->linked) {
		site->linked = 1;
		site->next = first;
		first = site;
	}
	count = !site->once || !site->hits;
	site->hits += count;
	pthread_mutex_unlock(&lock);
	if (count)
		printk_emit(4, "WARNING: %s:%d %s: %s", basename_of(site->file), site->line, site->function,
			    site->reason);
}

void bug_slowpath(struct warn_site *site)
{
	fprintf(stderr, "iopf: %s:%d %s: %s: the kernel would stop here\n", basename_of(site->file), site->line, site->function,
		site->reason);
	abort();
}

void warn_clear(void)
{
	struct warn_site *site;

	pthread_mutex_lock(&lock);
	for (site = first; site; site = site->next)
		site->hits = 0;
	pthread_mutex_unlock(&lock);
}

unsigned long warn_total(void)
{
	struct warn_site *site;
	unsigned long total = 0;

	pthread_mutex_lock(&lock);
	for (site = first; site; site = site->next)
		total += site->hits;
	pthread_mutex_unlock(&lock);
	return total;
}

void warn_for_each(void (*visit)(const struct warn_site *site, unsigned long hits, void *arg), void *arg)
{
	struct warn_site *site;

	pthread_mutex_lock(&lock);
	for (site = first; site; site = site->next)
		if (site->hits)
			visit(site, site->hits, arg);
	pthread_mutex_unlock(&lock);
}

void warn_after_fork(void)
{
	pthread_mutex_init(&lock, NULL);
}
