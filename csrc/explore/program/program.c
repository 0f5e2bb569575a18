// SPDX-License-Identifier: GPL-2.0-only
/*
 * A scenario as it runs: the interpreter, in the fibers.
 *
 * An operation is a record of numbers; between two steps there is nothing but C. What the operations share (who is held,
 * what was removed) is either announced to the scheduler or only looked at where task 0 is alone.
 */
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <runtime.h>

#include "program.h"

static struct iopf_queue *queues[MAX_QUEUES];

/* All that came before somebody gave up: that nobody could go on is why. */
static struct clock quiet;

/* Nobody can go on: those that wait for a group that is not coming give up. */
void program_quiet(void)
{
	u64 left;

	clock_zero(&quiet);
	for (left = engine.used; left; left &= left - 1) {
		const struct task *t = &engine.tasks[__builtin_ctzll(left)];

		if (engine.parallel && t->last_node >= 0)
			clock_join(&quiet, &engine.nodes[t->last_node].clock);
	}
	for (left = engine.live | 1; left; left &= left - 1) {
		struct task *t = &engine.tasks[__builtin_ctzll(left)];

		if (t->state == TASK_LIVE && t->pending.class == &op_respond)
			t->gives_up = true;
	}
}

/* --- operations --- */

static int respond(const struct record *r)
{
	struct task *t = engine.current;

	t->gives_up = false;
	wait_op(&op_respond, driver_held_addr(r->a, (u32)r->b, (u32)r->c), NULL);
	if (t->gives_up)
		hb_after_all(&quiet);
	return driver_respond(r, t->gives_up && !driver_is_held(r->a, (u32)r->b, (u32)r->c));
}

/* attach, replace and bind. */
static int attach(int op, const struct attaching *a)
{
	int space = monitor_attach_begin(op, a), result = driver_attach(a, space);

	monitor_attach_end(op, a->device, a->pasid, result);
	return result;
}

static void run(const struct record *r)
{
	int result = 0;

	switch (r->op) {
	case XP_REPORT:
		driver_report(r);
		return;
	case XP_RESPOND:
		respond(r);
		return;
	case XP_REMOVE:
		monitor_change_begin(r->op, r->b, r->a);
		result = core->remove_device(queues[r->a], driver_device(r->b));
		monitor_change_end(r->op, r->b, r->a, result);
		return;
	case XP_ADD:
		monitor_change_begin(r->op, r->b, r->a);
		result = core->add_device(queues[r->a], driver_device(r->b));
		monitor_change_end(r->op, r->b, r->a, result);
		monitor_result(r, result);
		return;
	case XP_FLUSH:
		monitor_flush_begin(r->a);
		result = core->flush_dev(driver_device(r->a));
		monitor_flush_end(r->a, result);
		monitor_result(r, result);
		return;
	case XP_DISCARD:
		if (r->a < 0) {
			monitor_result(r, core->discard_partial(NULL));
			return;
		}
		monitor_call_begin(r->a);
		result = core->discard_partial(queues[r->a]);
		monitor_call_end(r->a, result);
		monitor_result(r, result);
		return;
	case XP_FREE_QUEUE:
		if (r->a < 0) {
			core->queue_free(NULL);
			return;
		}
		monitor_change_begin(r->op, -1, r->a);
		core->queue_free(queues[r->a]);
		monitor_change_end(r->op, -1, r->a, 0);
		return;
	case XP_TRY_QUEUE:
		monitor_result(r, driver_try_queue());
		return;
	case XP_EXIT:
		driver_exit(r->a);
		return;
	case XP_MAP:
	case XP_UNMAP:
		driver_map(r);
		return;
	case XP_CLOSE:
		monitor_change_begin(r->op, r->a, -1);
		put_device(driver_device(r->a));
		monitor_change_end(r->op, r->a, -1, 0);
		return;
	case XP_ATTACH:
	case XP_REPLACE:
		result = attach(r->op, &(struct attaching){
			.device = r->a, .handler = r->b, .pasid = r->c, .process = r->d - 1, .nested = r->e,
			.replace = r->op == XP_REPLACE,
		});
		monitor_result(r, result);
		return;
	case XP_BIND:
		result = attach(XP_ATTACH, &(struct attaching){
			.device = r->a, .handler = XP_H_SVA, .pasid = r->c, .process = r->b,
		});
		monitor_result(r, result);
		return;
	case XP_DETACH:
	case XP_UNBIND:
		monitor_attach_begin(XP_DETACH, &(struct attaching){ .device = r->a, .pasid = r->c, .process = -1 });
		driver_detach(r->a, r->c);
		monitor_attach_end(XP_DETACH, r->a, r->c, 0);
		return;
	case XP_FAIL_ALLOC:
		engine.current->fail_nth = (unsigned long)r->a;
		return;
	case XP_LOCK:
		mutex_lock(driver_lock(r->a));
		return;
	case XP_UNLOCK:
		mutex_unlock(driver_lock(r->a));
		return;
	}
}

void program_records(const struct section *section, s64 *registers)
{
	struct task *t = engine.current;
	int outer = t->record, i, repeated = 0;

	for (i = section->begin; i < section->end; i++) {
		const struct record *r = &scenario.records[i];

		if (scenario.dropped[i] || !r->op)
			continue;
		if (r->op >= XP_LOAD) {
			i = lowlevel_run(i, section->end, registers) - 1;
			continue;
		}
		t->record = i;
		if (r->op == XP_REPEAT) {
			if (++repeated < r->a)
				i -= r->b + 1;
			else
				repeated = 0;
		} else {
			run(r);
		}
	}
	t->record = outer;
}

static void task_main(void *arg)
{
	s64 registers[XP_REGISTERS] = { 0 };
	struct task *t = engine.current;

	program_records(&scenario.tasks[(long)arg], registers);
	if (t->nr_held)
		finding_kept_lock(t, "a task ended with a lock held");
	task_finish();
}

/* --- before and after --- */

static void set_up(void)
{
	s64 registers[XP_REGISTERS] = { 0 };
	int i, n = scenario.nr_queues;

	for (i = 0; i < n; i++) {
		queues[i] = core->queue_alloc("explored");
		if (scenario.records[scenario.queues[i]].a < 0)
			workqueue_by_hand(queues[i]->wq);
		else if (scenario.records[scenario.queues[i]].a)
			workqueue_set_workers(queues[i]->wq, (unsigned int)scenario.records[scenario.queues[i]].a);
	}
	for (i = 0; i < scenario.nr_devices; i++) {
		const struct record *r = &scenario.records[scenario.devices[i]];

		engine.current->record = scenario.devices[i];
		driver_device_new(i, r);
		if (r->a >= 0) {
			monitor_change_begin(XP_ADD, i, r->a);
			monitor_change_end(XP_ADD, i, r->a, core->add_device(queues[r->a], driver_device(i)));
		}
		if (r->b >= 0)
			attach(XP_ATTACH, &(struct attaching){
				.device = i, .handler = r->b, .pasid = r->c, .process = r->g - 1, .nested = r->h,
			});
	}
	lowlevel_begin();
	program_records(&scenario.setup, registers);
}

static void start_tasks(void)
{
	int last_of_class[MAX_SECTIONS], i;

	for (i = 0; i < MAX_SECTIONS; i++)
		last_of_class[i] = -1;
	for (i = 0; i < scenario.nr_tasks; i++) {
		const struct section *section = &scenario.tasks[i];
		struct task *t = task_create(task_main, (void *)(long)i, &op_none, 0, 0);

		t->record = section->begin - 1;
		t->section = i;
		if (section->twins >= 0 && section->twins < MAX_SECTIONS) {
			t->twin = last_of_class[section->twins];
			last_of_class[section->twins] = t->id;
			engine.twins |= t->twin >= 0 ? 1ull << t->id : 0;
		}
		task_run_up(t);
	}
}

static void tear_down(void)
{
	s64 registers[XP_REGISTERS] = { 0 };
	int i, queue;

	program_records(&scenario.teardown, registers);
	engine.current->record = -1;

	driver_answer_held();
	for (i = 0; i < scenario.nr_devices; i++) {
		if (!monitor_is_added(i, &queue))
			continue;
		monitor_change_begin(XP_REMOVE, i, queue);
		monitor_change_end(XP_REMOVE, i, queue, core->remove_device(queues[queue], driver_device(i)));
	}
	for (i = 0; i < scenario.nr_queues; i++) {
		if (monitor_queue_is_freed(i))
			continue;
		monitor_change_begin(XP_FREE_QUEUE, -1, i);
		core->queue_free(queues[i]);
		monitor_change_end(XP_FREE_QUEUE, -1, i, 0);
	}
	rcu_barrier();
	for (i = 0; i < scenario.nr_devices; i++)
		if (!monitor_is_closed(i))
			put_device(driver_device(i));
	driver_end_processes();
	rcu_barrier();
	engine_join();
	lowlevel_end();
	driver_free_locks();
}

void program_main(void)
{
	/* Only what tasks do may fail. */
	engine.alloc_may_fail = false;
	driver_reset();
	monitor_reset();
	set_up();
	engine.alloc_may_fail = scenario.alloc_may_fail;
	start_tasks();
	engine_concurrent();
	engine.alloc_may_fail = false;
	tear_down();
	monitor_end();
	driver_check_counts();
}
