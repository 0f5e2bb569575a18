// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which moments of a class may change places: those of which no monitor compares the order. What a monitor compares is
 * written down here, beside the monitors' own text; where this says too little, an order is not judged, and where it says
 * too much, equal orders are judged again. Hence the test: with XP_O_ALL_ORDERS nothing commutes, and the same is found.
 */
#include "monitor/monitor.h"
#include "search.h"

#define KIND(kind) (1u << (kind))
#define REQUESTS (KIND(CALL_REPORT_BEGIN) | KIND(CALL_REPORT_END) | KIND(CALL_HANDLER) | KIND(CALL_MEMBER) |		\
		  KIND(CALL_GROUP) | KIND(CALL_RESOLVE) | KIND(CALL_RESPONSE))
#define OWNERS (KIND(CALL_OWNER_BEGIN) | KIND(CALL_OWNER_END))
#define QUEUES (KIND(CALL_QUEUE_BEGIN) | KIND(CALL_QUEUE_END) | KIND(CALL_FLUSH_BEGIN) | KIND(CALL_FLUSH_END))
#define CHANGES (KIND(CALL_CHANGE_BEGIN) | KIND(CALL_CHANGE_END))		/* of the queue that a device is on */
#define FLUSHES (KIND(CALL_FLUSH_BEGIN) | KIND(CALL_FLUSH_END))
#define ATTACHES (KIND(CALL_ATTACH_BEGIN) | KIND(CALL_ATTACH_END))		/* of what a PASID is attached to */

static struct about {
	u32 kinds;
	u16 devices;
	u64 pasids;		/* whose attachment is changed, or looked at: a bit each, which some may share */
	bool removes;		/* a change that is a removal, of one device or of all of a queue */
	bool may_follow;	/* the end of a removal, by what is given */
	bool has_partials;	/* there are requests of its key that are not the last */
	u64 key;		/* of the request, or of the held group */
	u64 subject;		/* requests with another one are never compared: that request, or its key; 0: no request */
} abouts[MAX_MOMENTS];

/* Of all moments: what there is for a monitor to compare. */
static bool has_answers_astray;		/* given for another request than they went to */
static bool has_strangers;		/* requests in a group that is not theirs */
static bool has_other_changes;		/* than one removal */
static bool has_flush;
static bool has_refusals;		/* whose answer has to come before report returns */

static u16 devices_of_group(int device)
{
	u16 mask = 0;
	int i, root, k;

	for (root = device; scenario.records[scenario.devices[root]].f >= 0;)
		root = scenario.records[scenario.devices[root]].f;
	for (i = 0; i < scenario.nr_devices; i++) {
		for (k = i; scenario.records[scenario.devices[k]].f >= 0;)
			k = scenario.records[scenario.devices[k]].f;
		mask |= (u16)((k == root) << i);
	}
	return mask;
}

static u64 pasid_bit(u32 pasid)
{
	return 1ull << pasid % 64;
}

/* Forms without keys store by index alone. */
static u64 key_of(const struct token *t)
{
	return (u64)t->grpid << 32 ^ (core->facts.counts_handles ? (u64)t->pasid << 8 : 0) ^ (u64)t->device;
}

/* A request that is stored until the last one of its key comes. */
static bool is_stored_with(u64 number, u64 last)
{
	return number && number <= (u64)nr_tokens && !tokens[number - 1].last &&
	       key_of(&tokens[number - 1]) == key_of(&tokens[last - 1]);
}

/* Requests of one key are compared where some of them are stored, and where a response finds its request by its index. */
static u64 subject(const struct about *a)
{
	if (a->has_partials || core->facts.response_matches_copies)
		return mix(a->key, 1) | 1ull << 63;
	return a->subject ? a->subject : 1ull << 62;
}

static struct about about(const struct moment *m)
{
	struct about a = { 0 };
	int i, k;

	for (i = m->first; i < m->first + m->nr; i++) {
		const struct call *c = &calls[i];

		a.kinds |= KIND(c->kind);
		if (KIND(c->kind) & REQUESTS) {
			a.devices |= (u16)(1u << c->device);
			if (c->number && c->number <= (u64)nr_tokens) {
				const struct token *t = &tokens[c->number - 1];

				a.key = key_of(t);
				a.subject = c->number;
				/* In a guest's table it is looked up behind that of PASID 0. */
				a.pasids |= pasid_bit(t->pasid) | pasid_bit(0);
				for (k = 0; k < nr_tokens; k++)
					a.has_partials |= !tokens[k].last && key_of(&tokens[k]) == a.key;
			}
			has_answers_astray |= (c->kind == CALL_RESPONSE && c->expected && c->expected != c->number);
			has_strangers |= c->kind == CALL_MEMBER && c->number != c->expected && !is_stored_with(c->number, c->expected);
		} else if (KIND(c->kind) & OWNERS) {
			a.key = ~(u64)c->held;
		} else if (KIND(c->kind) & QUEUES) {
			a.devices = 0xffff;
			has_flush |= c->kind == CALL_FLUSH_END;
		} else if (KIND(c->kind) & CHANGES) {
			a.devices |= c->op == XP_FREE_QUEUE ? 0xffff : (u16)(1u << c->device);
			a.removes = c->op == XP_FREE_QUEUE || c->op == XP_REMOVE;
		} else if (KIND(c->kind) & ATTACHES) {
			a.devices |= devices_of_group(c->device);
			a.pasids |= pasid_bit(c->pasid);
		}
	}
	a.subject = a.kinds & REQUESTS && !(a.kinds & (OWNERS | QUEUES | CHANGES | ATTACHES)) ? subject(&a) : 0;
	return a;
}

/* Two moments of requests. tags: is it asked whether the driver keeps its contract? */
static bool requests_commute(const struct about *a, const struct about *b, bool tags)
{
	u32 kinds = a->kinds | b->kinds;

	if (a->subject != b->subject)
		return has_strangers ? a->key != b->key : true;
	/* "It had returned when that one began", of a request whose index is used again. */
	if (kinds & KIND(CALL_REPORT_BEGIN) && kinds & KIND(CALL_REPORT_END))
		return false;
	/* Which of them finds the index in use. */
	if (tags && core->facts.response_matches_copies && a->kinds & b->kinds & KIND(CALL_REPORT_BEGIN))
		return false;
	/* What may have been part of the group. */
	if (a->has_partials && kinds & KIND(CALL_GROUP) && kinds & (KIND(CALL_REPORT_BEGIN) | KIND(CALL_REPORT_END)))
		return false;
	if (a->has_partials && a->kinds & b->kinds & KIND(CALL_GROUP))
		return false;
	if (kinds & KIND(CALL_RESPONSE)) {
		/* Which answer is the second one. */
		if (a->kinds & b->kinds & KIND(CALL_RESPONSE))
			return false;
		/* An unanswered index is used again. */
		if (kinds & KIND(CALL_REPORT_BEGIN))
			return !core->facts.response_matches_copies;
		/* Only an answer that comes behind a removal, or that is owed, asks whether its report has returned. */
		if (kinds & KIND(CALL_REPORT_END))
			return !has_refusals && !a->may_follow && !b->may_follow;
	}
	return true;
}

/* A moment of a request, and one of a removal. */
static bool removal_commutes(const struct about *request, const struct about *removal, bool tags)
{
	if (request->has_partials && request->kinds & KIND(CALL_GROUP))
		return false;
	if (has_other_changes)
		return !(request->kinds & (KIND(CALL_REPORT_BEGIN) | KIND(CALL_REPORT_END) | KIND(CALL_HANDLER) |
					   KIND(CALL_RESPONSE)));
	if (removal->kinds & KIND(CALL_CHANGE_BEGIN)) {
		/* The report has ended before it, or may have met it. */
		if (request->kinds & KIND(CALL_REPORT_END))
			return false;
		/*
		 * A report that begins before is one that it may meet all the same. But on which queues the device may have been
		 * when it began is asked of what was stored, and by the contract.
		 */
		if (request->kinds & KIND(CALL_REPORT_BEGIN) &&
		    (request->has_partials || (tags && (has_flush || demands(IOPF_DEMANDS_QUIET | IOPF_DEMANDS_FLUSH)))))
			return false;
		return !(request->kinds & KIND(CALL_RESPONSE) && tags && demands(IOPF_DEMANDS_IDLE));
	}
	/* The report has begun when it is on no queue; the answer comes when removal is over. */
	if (request->kinds & (KIND(CALL_REPORT_BEGIN) | KIND(CALL_RESPONSE)))
		return false;
	return !(request->kinds & KIND(CALL_HANDLER) && has_answers_astray);
}

/*
 * A moment of a flush, and one of a change. What a call may have met is all that there was while it ran, so of two that
 * begin it does not count which is the first; and who ends a change shows it to nobody.
 */
static bool flush_commutes(u32 kinds)
{
	return !(kinds & KIND(CALL_FLUSH_BEGIN) && kinds & KIND(CALL_CHANGE_END)) &&
	       !(kinds & KIND(CALL_FLUSH_END) && kinds & KIND(CALL_CHANGE_BEGIN));
}

/* A moment of an attachment's change, and any other: who looks at an attachment is a report, when it begins and ends. */
static bool attaching_commutes(const struct about *attaching, const struct about *other)
{
	/* Whether a request is answered, and all were waited for. */
	if (demands(IOPF_DEMANDS_DRAINED) && other->kinds & QUEUES)
		return false;
	if (!(other->kinds & (ATTACHES | KIND(CALL_REPORT_BEGIN) | KIND(CALL_REPORT_END))))
		return true;
	if (!(attaching->devices & other->devices) || !(attaching->pasids & other->pasids))
		return true;
	/* A report that begins before a change does may meet it all the same. */
	return attaching->kinds & KIND(CALL_ATTACH_BEGIN) && other->kinds & KIND(CALL_REPORT_BEGIN) && !has_flush &&
	       !demands(IOPF_DEMANDS_QUIET | IOPF_DEMANDS_FLUSH | IOPF_DEMANDS_DRAINED);
}

/*
 * No monitor tells their order; without tags, none that calls anything wrong. (A question whether something "is over" asks
 * the race order, which every order of the moments keeps.) The test of it: with commute() false everywhere, the same alarms
 * are raised.
 */
bool commute(int i, int other, bool tags)
{
	const struct about *a = &abouts[i], *b = &abouts[other];
	u32 kinds = a->kinds | b->kinds;

	if (options.flags & XP_O_ALL_ORDERS)
		return false;
	if (a->kinds & ATTACHES)
		return attaching_commutes(a, b);
	if (b->kinds & ATTACHES)
		return attaching_commutes(b, a);
	if (kinds & CHANGES) {
		/* What is missing from a group may have gone with any change of a queue, of another device too. */
		if ((a->has_partials || b->has_partials) && kinds & KIND(CALL_GROUP))
			return false;
		if (!(a->devices & b->devices))
			return true;
		if (a->kinds & REQUESTS && b->removes)
			return removal_commutes(a, b, tags);
		if (b->kinds & REQUESTS && a->removes)
			return removal_commutes(b, a, tags);
		return !tags && !(kinds & ~(FLUSHES | CHANGES)) && kinds & FLUSHES && flush_commutes(kinds);
	}
	/* What had been queued when flush began, and was not answered, nor given up, when it returned. */
	if ((kinds & KIND(CALL_FLUSH_BEGIN) && kinds & KIND(CALL_REPORT_END)) ||
	    (kinds & KIND(CALL_FLUSH_END) && kinds & (KIND(CALL_RESPONSE) | KIND(CALL_WORK_END) | KIND(CALL_OWNER_END))))
		return false;
	/* Which discard was the last. */
	if (a->kinds & b->kinds & KIND(CALL_QUEUE_END))
		return false;
	/* What was discarded before, beside it, or not at all. */
	if ((a->has_partials || b->has_partials) && kinds & (KIND(CALL_QUEUE_BEGIN) | KIND(CALL_QUEUE_END)) &&
	    kinds & (KIND(CALL_REPORT_BEGIN) | KIND(CALL_REPORT_END) | KIND(CALL_GROUP)))
		return false;
	if (kinds & QUEUES)
		return true;
	if (kinds & OWNERS)
		return a->key != b->key;
	return requests_commute(a, b, tags);
}

void commute_prepare(int first, int behind, bool (*comes_before)(int i, int other))
{
	int removals = 0, others = 0, i, k;

	has_answers_astray = has_strangers = has_flush = false;
	has_refusals = may_be_refused();
	for (i = first; i < behind; i++) {
		abouts[i] = about(&moments[i]);
		removals += abouts[i].removes && abouts[i].kinds & KIND(CALL_CHANGE_BEGIN);
		others |= abouts[i].kinds & CHANGES && !abouts[i].removes;
	}
	has_other_changes = others || removals > 1;
	for (i = first; i < behind; i++)
		for (k = first; k < behind && abouts[i].kinds & KIND(CALL_RESPONSE) && !abouts[i].may_follow; k++)
			abouts[i].may_follow = abouts[k].kinds & KIND(CALL_CHANGE_END) &&
					       (moments[k].task == moments[i].task ? k < i : !comes_before(i, k));
}

u64 commute_subject(int i)
{
	return abouts[i].subject;
}

bool commute_subjects(void)
{
	return !has_answers_astray && !has_strangers && !(options.flags & XP_O_ALL_ORDERS);
}
