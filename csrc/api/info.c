// SPDX-License-Identifier: GPL-2.0-only
/* What the runtime knows about itself: cores, warnings, messages, live objects; and what tests may set. */
#include <linux/rcupdate.h>
#include <runtime.h>
#include <stdio.h>

#include "api.h"

const iopf_core *iopf_core_at(int index)
{
	return iopf_core_of_build(index);
}

void iopf_core_describe(const iopf_core *core, struct iopf_core_info *info)
{
	info->name = core->name;
	info->title = core->title;
	info->commit = core->commit;
	info->releases = core->releases;
	info->summary = core->summary;
	info->claims_correct = core->claims_correct;
	info->hazards = core->facts.hazards;
}

/* By the bits of core.h. */
static const struct { const char *name, *text; } hazards[] = {
	{ "partials", "a partial request goes on as a group of its own: it is freed twice" },
	{ "refusal", "a handler that refuses, or raises: the fault param is freed while it is in use" },
	{ "lock", "flush with works pending, or an answer inside the handler: it never returns" },
	{ "removal", "removing a device, or closing its queue, with groups out: what their owners use is freed" },
	{ "queue", "closing a queue while a handler keeps a group: the device stays on a queue that is gone" },
	{ "beside", "a report beside removal, or a detach with faults in flight: what they use is freed" },
};

const char *iopf_hazard_name(int bit)
{
	return bit >= 0 && (size_t)bit < sizeof(hazards) / sizeof(*hazards) ? hazards[bit].name : NULL;
}

const char *iopf_hazard_text(int bit)
{
	return iopf_hazard_name(bit) ? hazards[bit].text : NULL;
}

void iopf_set_callbacks(struct iopf_callbacks *callbacks)
{
	api_callbacks = *callbacks;
	__atomic_store_n(&workqueue_after_item, api_deliver, __ATOMIC_RELEASE);
}


void iopf_after_fork(void)
{
	runtime_after_fork();
	warn_after_fork();
	printk_after_fork();
	api_handlers_after_fork();
	api_queues_after_fork();
}

struct fill {
	struct iopf_site *sites;
	size_t n, max;
};

static void fill_warning(const struct warn_site *site, unsigned long hits, void *arg)
{
	struct fill *fill = arg;

	if (fill->n < fill->max)
		fill->sites[fill->n] = (struct iopf_site){
			.file = site->file, .function = site->function, .reason = site->reason,
			.line = site->line, .count = (long)hits,
		};
	fill->n++;
}

size_t iopf_warnings(struct iopf_site *sites, size_t max)
{
	struct fill fill = { .sites = sites, .max = max };

	warn_for_each(fill_warning, &fill);
	return fill.n;
}

void iopf_clear_warnings(void)
{
	warn_clear();
}

static void fill_live(const struct slab_site *site, long live, void *arg)
{
	struct fill *fill = arg;

	if (fill->n < fill->max)
		fill->sites[fill->n] = (struct iopf_site){
			.file = site->file, .function = site->function, .line = site->line, .count = live,
		};
	fill->n++;
}

size_t iopf_live_sites(struct iopf_site *sites, size_t max)
{
	struct fill fill = { .sites = sites, .max = max };

	rcu_barrier();
	slab_for_each_site(fill_live, &fill);
	return fill.n;
}

long iopf_live_objects(void)
{
	rcu_barrier();
	return slab_live();
}

void iopf_rcu_barrier(void)
{
	rcu_barrier();
}

void iopf_fail_nth(unsigned long n)
{
	slab_fail_nth(n);
}

unsigned long iopf_fail_nth_left(void)
{
	return slab_fail_nth_left();
}

void iopf_set_clock(uint64_t now_ns)
{
	clock_set_ns(now_ns);
}

int iopf_next_message(int *level, char *text, size_t capacity)
{
	struct kernel_message message;

	if (!printk_fetch(&message))
		return 0;
	*level = message.level;
	snprintf(text, capacity, "%s", message.text);
	return 1;
}

int iopf_has_messages(void)
{
	return __atomic_load_n(&printk_waiting, __ATOMIC_ACQUIRE);
}

unsigned long iopf_messages_dropped(void)
{
	return printk_dropped();
}

const char *iopf_runtime_name(void)
{
	return runtime_name;
}

const char *iopf_compiler(void)
{
#ifdef __clang__
	return "clang " __clang_version__;
#else
	return "gcc " __VERSION__;
#endif
}
