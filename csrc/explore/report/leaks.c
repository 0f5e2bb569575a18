// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where to look for who should have freed what nobody freed (monitor/leak.c), in an execution with its history.
 *
 * An object leaks because of a line that is not there, so no line of the execution is the bug. What can be told are facts
 * that are next to it: which leaked object is the reason for others (nothing that leaked points to it), what happened to
 * its count, where it was touched last, and which objects were freed with a pointer to it inside. One guess is made, and
 * called one: which of the increments has no decrement. References have no names; a decrement is taken for the one of the
 * newest increment of its own task, else of the task that its work is for, and so on up, else of anybody.
 */
#include "report.h"

#define MAX_REFERENCES 128
#define MOST_HOLDERS 4

struct reference {
	int event;
	bool gone;
};

static bool is_count(const struct event *e)
{
	return refcount_changes(e->op) && e->has_values;
}

static bool is_of(const struct event *e, const struct object *o)
{
	return (e->addr & ~ADDR_LOCK_BIT) - ((u64)heap_base + o->base) < o->size;
}

/* It, or a work or callback that is for it. */
static bool is_for(int task, int ancestor)
{
	while (task && task != ancestor)
		task = engine.tasks[task].parent;
	return task == ancestor;
}

static void put(struct reference *references, int n, int task)
{
	int i;

	for (;; task = engine.tasks[task].parent) {
		for (i = n - 1; i >= 0; i--) {
			if (!references[i].gone && engine.events[references[i].event].task == task) {
				references[i].gone = true;
				return;
			}
		}
		if (!task)
			break;
	}
	for (i = n - 1; i >= 0 && references[i].gone; i--)
		;
	if (i >= 0)
		references[i].gone = true;
}

/* The increments of its count, with what was put of them. */
static int collect(const struct object *o, struct reference *references, s64 *count)
{
	int i, n = 0;

	*count = 0;
	for (i = 0; i < engine.nr_events; i++) {
		const struct event *e = &engine.events[i];
		s64 change = e->after - e->before;

		if (!is_count(e) || !is_of(e, o))
			continue;
		*count = e->after;
		if (e->op == &op_ref_set)
			n = 0;
		if (e->op == &op_ref_set || change > 0) {
			if (n < MAX_REFERENCES)
				references[n++] = (struct reference){ .event = i };
		} else if (change < 0) {
			put(references, n, e->task);
		}
	}
	return n;
}

/* The last access to it, by that task or its works; -1: there is none in a core. */
static int last_touch(const struct object *o, int task)
{
	int i;

	for (i = engine.nr_events - 1; i >= 0; i--) {
		const struct event *e = &engine.events[i];

		if (!e->op->remark && place_is_code(e->pc) && is_of(e, o) && is_for(e->task, task))
			return i;
	}
	return -1;
}

/* The end of what the task was doing then. */
static int end_of_call(int event)
{
	int task = engine.events[event].task, last = event, i;

	for (i = event + 1; i < engine.nr_events; i++) {
		const struct event *e = &engine.events[i];

		if (e->task != task)
			continue;
		if (e->record != engine.events[event].record || e->op == &op_work_end)
			break;
		if (!e->op->remark && place_is_code(e->pc))
			last = i;
	}
	return last;
}

static void site_of_event(struct xp_site *sites, int *n, int event, const char *what, const char *object,
			  const int *index_of)
{
	const struct event *e = &engine.events[event];

	if (*n < MAX_SITES)
		record_site(sites, n, e->task, index_of[event], e->pc, what, object);
}

/* With the calls that led there. */
static void site_and_callers(struct xp_site *sites, int *n, int event, const char *what, const char *object,
			     const int *index_of)
{
	site_of_event(sites, n, event, what, object, index_of);
	record_callers(sites, n, event);
}

/* The same, of the site above. */
static void site_and_more(struct xp_site *sites, int *n, int event, const char *what, const char *object,
			  const int *index_of)
{
	int first = *n;

	site_and_callers(sites, n, event, what, object, index_of);
	if (first < *n)
		sites[first].flags |= XP_SITE_MORE;
}

/* The last that who freed it did to it before. */
static int touch_before_free(const struct object *o)
{
	int i;

	for (i = o->free_event - 1; i >= 0; i--) {
		const struct event *e = &engine.events[i];

		if (e->task == o->free_task && !e->op->remark && place_is_code(e->pc) && is_of(e, o))
			return i;
	}
	return -1;
}

static void holders(struct xp_site *sites, int *n, int object, const int *index_of)
{
	int i, found = 0;

	/* The last ones: what was freed early is more likely to have been put. */
	for (i = heap_nr_objects - 1; i >= 0 && *n < MAX_SITES; i--) {
		const struct object *o = &heap_objects[i];

		if (i == object || o->state != OBJECT_FREED || !leak_points_to(o, &heap_objects[object]))
			continue;
		if (++found > MOST_HOLDERS)
			continue;
		record_site(sites, n, o->free_task, o->free_event < engine.nr_events ? index_of[o->free_event] : -1, o->free_pc,
			    "freed, with a pointer to it", record_whole(i));
		if (touch_before_free(o) >= 0)
			site_and_more(sites, n, touch_before_free(o), "last touched before that", record_whole(i), index_of);
	}
	if (found > MOST_HOLDERS && *n < MAX_SITES)
		record_site(sites, n, -1, -1, NULL, record_text("and %d more", found - MOST_HOLDERS), NULL);
}

void leak_sites(struct xp_site *sites, int *n, const struct finding *f, const int *index_of)
{
	const struct object *o = &heap_objects[f->object];
	struct reference references[MAX_REFERENCES];
	s64 count;
	int nr = collect(o, references, &count), i, candidates = 0, shown = -1;

	for (i = 0; i < nr; i++) {
		int event = references[i].event, last;

		if (references[i].gone)
			continue;
		candidates++;
		last = last_touch(o, engine.events[event].task);
		if (last > event && last != shown)
			site_and_callers(sites, n, last, "last touched", record_whole(f->object), index_of);
		shown = last;
		/* Nobody else took it over: it was given up between there and the end of the call. */
		if ((last <= event || engine.events[last].task == engine.events[event].task) &&
		    end_of_call(event) > (last > event ? last : event))
			site_and_callers(sites, n, end_of_call(event), "last step of the call that counted it", NULL,
					 index_of);
	}
	if (!candidates && last_touch(o, 0) >= 0)
		site_and_callers(sites, n, last_touch(o, 0), "last touched", record_whole(f->object), index_of);
	holders(sites, n, f->object, index_of);
	for (i = 0; i < engine.nr_events; i++) {
		const struct event *e = &engine.events[i];
		const char *what;
		bool left = false;
		int k;

		if (!is_count(e) || !is_of(e, o))
			continue;
		for (k = 0; k < nr; k++)
			left |= references[k].event == i && !references[k].gone;
		what = record_text(left ? "counted %lld -> %lld, perhaps never put" : "counted %lld -> %lld",
				   (long long)e->before, (long long)e->after);
		site_of_event(sites, n, i, what, record_object(e->addr), index_of);
	}
	if (*n == MAX_SITES)
		record_site(sites, n, -1, -1, NULL, "and more, which is left out", NULL);
}

const char *leak_message(const struct finding *f)
{
	const char *name = record_whole(f->object);
	struct reference references[MAX_REFERENCES];
	s64 count;

	if (f->detail)
		return record_text("%s: %s; %s, which nobody freed either, points to it", name, f->text,
				   record_whole((int)f->detail - 1));
	if (collect(&heap_objects[f->object], references, &count) && count > 0)
		return record_text("%s: %s, and its count is still %lld", name, f->text, (long long)count);
	return record_text("%s: %s", name, f->text);
}
