// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules: what an access does, and what an answer changes.
 *
 * The devices share one set of present pages, as they share the address space. An access touches each page that it
 * lies in. A touch of a page
 *
 *	that is in flight	waits, and goes on when the page's answer is in. Touches of one page stay in order
 *	that is not present	requests the page: it is in flight until it is answered for good
 *	that is present and
 *	  allows it		is done, and makes the page the newest
 *	  forbids it		requests the page once for each wanted permission, and is refused in any case
 *
 * Requested pages collect in the group that the device is putting together. It is reported when it has all the pages
 * that a group may have, when IOPF_TRACE_WINDOW touches wait, or at the end. SUCCESS makes the group's pages present;
 * INVALID of several pages has each of them asked once more, alone, before any further access. The touch that made a
 * request is done with the request's last answer, whatever that is.
 *
 * While as many groups as allowed are outstanding no access is performed at all. So with one outstanding group what
 * happens does not depend on threads; with more, answers come in between accesses as they come.
 *
 * FAILURE is not SUCCESS: the page does not come. It tells a real device to stop; this one goes on, so that a trace
 * says how often it happened.
 */
#include <linux/iommu.h>
#include <runtime.h>

#include "internal.h"

static struct trace_page *page_of(struct iopf_trace *t, u32 index)
{
	return &t->pages.array[index];
}

/* --- touches that wait --- */

static u32 waiter_new(struct iopf_trace *t, const struct trace_request *access)
{
	u32 i = t->free_waiter;

	t->free_waiter = t->waiters[i].next;
	t->waiters[i].access = *access;
	t->nr_waiting++;
	return i;
}

static void waiter_free(struct iopf_trace *t, u32 i)
{
	t->waiters[i].next = t->free_waiter;
	t->free_waiter = i;
	t->nr_waiting--;
}

static void waiter_append(struct iopf_trace *t, u32 *first, u32 *last, u32 i)
{
	t->waiters[i].next = 0;
	*(*first ? &t->waiters[*last].next : first) = i;
	*last = i;
}

static u32 waiter_pop(struct iopf_trace *t, u32 *first)
{
	u32 i = *first;

	*first = t->waiters[i].next;
	return i;
}

/* --- requests --- */

/* Into the device's group, which goes out when it is full. There is room for one more in flight. */
static int request(struct iopf_trace *t, const struct trace_request *access)
{
	struct trace_device *device = &t->devices[access->device];
	struct trace_group *group = device->open;
	struct trace_page *page = page_of(t, access->page);

	page->in_flight = true;
	trace_page_changed(page);
	if (!group)
		group = device->open = trace_group_take(t, device);
	group->requests[group->nr++] = *access;
	if (group->nr < t->options.group)
		return 0;
	device->open = NULL;
	return trace_report(t, group);
}

static int request_alone(struct iopf_trace *t)
{
	struct trace_request *access = &t->alone[t->alone_first];
	struct trace_group *group = trace_group_take(t, &t->devices[access->device]);

	group->requests[group->nr++] = *access;
	if (++t->alone_first == t->alone_room)
		t->alone_first = 0;
	t->alone_nr--;
	return trace_report(t, group);
}

/* A group that is being put together goes out as it is: that of the first device that has one. */
static bool report_open(struct iopf_trace *t, int *ret)
{
	u32 i;

	for (i = 0; i < t->options.devices; i++) {
		struct trace_group *group = t->devices[i].open;

		if (group) {
			t->devices[i].open = NULL;
			*ret = trace_report(t, group);
			return true;
		}
	}
	return false;
}

/* --- touches --- */

enum verdict {
	DONE,
	WAIT,
	REQUEST,
};

/* A touch of a page that is there, present or not. A request is not made yet. */
static enum verdict judge(struct iopf_trace *t, const struct trace_request *access)
{
	struct trace_page *page = page_of(t, access->page);

	if (page->in_flight || page->resumes)
		return WAIT;
	if (!page->present)
		return REQUEST;
	if (!(access->want & ~page->perm)) {
		trace_page_use(&t->pages, access->page);
		return DONE;
	}
	if (page->asked & 1u << access->want) {
		t->counts.refused++;
		return DONE;
	}
	page->asked |= 1u << access->want;
	return REQUEST;
}

static int touch(struct iopf_trace *t, const struct trace_request *access)
{
	struct trace_page *page = page_of(t, access->page);

	switch (judge(t, access)) {
	case DONE:
		return 0;
	case WAIT:
		waiter_append(t, &page->first_waiter, &page->last_waiter, waiter_new(t, access));
		return 0;
	default:
		return request(t, access);
	}
}

/* The page is answered for good: its touches go on, up to the one that has to ask again. */
static void resume(struct iopf_trace *t, u32 index)
{
	struct trace_page *page = page_of(t, index);

	page->in_flight = false;
	trace_page_changed(page);
	while (page->first_waiter) {
		u32 i = waiter_pop(t, &page->first_waiter);

		if (judge(t, &t->waiters[i].access) == DONE) {
			waiter_free(t, i);
			continue;
		}
		/* Not from here: there may be no room for one more in flight. */
		page->resumes = true;
		trace_page_changed(page);
		waiter_append(t, &t->first_resumed, &t->last_resumed, i);
		return;
	}
	trace_page_settle(&t->pages, index);
}

/* The first of the touches that have to ask again does. */
static int request_again(struct iopf_trace *t)
{
	u32 i = waiter_pop(t, &t->first_resumed);
	struct trace_request access = t->waiters[i].access;

	waiter_free(t, i);
	page_of(t, access.page)->resumes = false;	/* in flight, now */
	return request(t, &access);
}

/* --- answers --- */

static u32 area_perm(struct iopf_trace *t, u64 addr)
{
	size_t low = 0, high = t->nr_areas;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->areas[middle].end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low < t->nr_areas && t->areas[low].start <= addr ? t->areas[low].perm : 0;
}

static void ask_alone(struct iopf_trace *t, const struct trace_request *request)
{
	u32 i = t->alone_first + t->alone_nr++;

	t->alone[i < t->alone_room ? i : i - t->alone_room] = *request;
}

static void take_answer(struct iopf_trace *t, struct trace_group *group)
{
	u32 i;

	histogram_add(&t->latency, group->answered_at - group->reported_at);
	t->counts.answers[group->code]++;
	t->in_flight--;

	for (i = 0; i < group->nr; i++) {
		const struct trace_request *request = &group->requests[i];
		u64 addr = page_of(t, request->page)->number << TRACE_PAGE_SHIFT;

		if (group->code == IOPF_INVALID && group->nr > 1) {
			ask_alone(t, request);
			continue;
		}
		if (group->code == IOPF_SUCCESS)
			trace_page_arrive(&t->pages, request->page, (u8)area_perm(t, addr));
		else
			t->counts.refused++;
		resume(t, request->page);
	}
	trace_group_give_back(t, group);
}

void trace_collect(struct iopf_trace *t)
{
	struct trace_group *newest = __atomic_exchange_n(&t->answered, NULL, __ATOMIC_ACQUIRE);
	struct trace_group *oldest = NULL, *next;

	for (; newest; newest = next) {
		next = newest->next;
		newest->next = oldest;
		oldest = newest;
	}
	for (; oldest; oldest = next) {
		next = oldest->next;
		take_answer(t, oldest);
	}
}

/* --- what comes first --- */

/* One step of what is older than the next access. 0; 1: there is nothing left; or an error. */
static int step(struct iopf_trace *t, bool report_all)
{
	int ret = 0;

	if (__atomic_load_n(&t->answered, __ATOMIC_RELAXED))
		trace_collect(t);
	if (t->in_flight == t->options.outstanding)
		return trace_wait(t);
	if (t->alone_nr)
		return request_alone(t);
	if (t->first_resumed)
		return request_again(t);
	if (!report_all && t->nr_waiting < IOPF_TRACE_WINDOW)
		return 1;
	if (report_open(t, &ret))
		return ret;
	return t->in_flight ? trace_wait(t) : 1;
}

static noinline int settle(struct iopf_trace *t)
{
	int ret;

	while (!(ret = step(t, false)))
		;
	return ret < 0 ? ret : 0;
}

int trace_drain(struct iopf_trace *t)
{
	int ret;

	while (!(ret = step(t, true)))
		;
	return ret < 0 ? ret : 0;
}

int trace_touch_pages(struct iopf_trace *t, u64 addr, u64 size, u32 want)
{
	u64 number = addr >> TRACE_PAGE_SHIFT, last = (addr + size - 1) >> TRACE_PAGE_SHIFT;
	struct trace_request access = { .want = (u16)want, .device = (u16)trace_next_turn(t) };

	for (; number <= last; number++) {
		int ret;

		if (unlikely(!trace_is_settled(t))) {
			ret = settle(t);
			if (ret)
				return ret;
		}
		access.page = trace_page_get(&t->pages, number);
		if (unlikely(!access.page))
			return -ENOMEM;
		ret = touch(t, &access);
		if (unlikely(ret))
			return ret;
	}
	return 0;
}
