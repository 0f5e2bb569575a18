// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thing that several tasks change at the same time: which queue a device is on, what a PASID is attached to.
 *
 * The monitors see calls begin and end, and not the moment in between at which a call has its effect. While one change
 * runs, both is possible: it has happened, or has not yet. While several run, so is every order of those moments. Here
 * all of it is kept, as histories: a value, and which of the running changes had their effect on the way to it. When a
 * call ends, its result says whether it had an effect, and the histories that say otherwise are gone. If none is left,
 * no order of the calls gives that result. (This is the just-in-time check of linearisability: G. Lowe, "Testing for
 * linearizability", 2017. Deviation: histories are extended when a change begins, since whoever reads the value
 * meanwhile has to know all that it may be.)
 *
 * When a change ran alone there is one history at its end, and one right result for every call.
 */
#include "monitor.h"

void possible_reset(struct possible *v)
{
	v->running = v->beside = 0;
	v->alone = false;
	v->nr_histories = 1;
	v->histories[0] = (struct history){ .value = NOTHING };
}

static bool has_effect(const struct possible *v, int change, int value)
{
	switch (v->changes[change].kind) {
	case CHANGE_STORE:
		return value == NOTHING;
	case CHANGE_EXCHANGE:
	case CHANGE_CLEAR_ANY:
		return value != NOTHING;
	default:
		return value == v->changes[change].value;
	}
}

static s16 value_after(const struct possible *v, int change)
{
	return v->changes[change].kind <= CHANGE_EXCHANGE ? v->changes[change].value : NOTHING;
}

/* Changes that could come now and would do nothing. */
static struct history pass(const struct possible *v, struct history h)
{
	u16 left;

	for (left = v->running & ~h.took & ~h.passed; left; left &= left - 1)
		if (!has_effect(v, __builtin_ctz(left), h.value))
			h.passed |= left & -left;
	return h;
}

static bool is_known(const struct possible *v, int nr, struct history h)
{
	int i;

	for (i = 0; i < nr; i++)
		if (v->histories[i].value == h.value && v->histories[i].took == h.took && v->histories[i].passed == h.passed)
			return true;
	return false;
}

/* Everything that can come of what is possible now by effects of the changes that run. */
static void extend(struct possible *v)
{
	u16 left, bit;
	int i;

	for (i = 0; i < v->nr_histories; i++)
		v->histories[i] = pass(v, v->histories[i]);
	for (i = 0; i < v->nr_histories; i++) {
		for (left = v->running; left; left &= left - 1) {
			struct history h = v->histories[i];
			int change = __builtin_ctz(left);

			bit = left & -left;
			if (((h.took & bit) && v->changes[change].kind != CHANGE_SWEEP) || !has_effect(v, change, h.value))
				continue;
			h.value = value_after(v, change);
			h.took |= bit;
			h.passed &= ~bit;
			h = pass(v, h);
			if (is_known(v, v->nr_histories, h))
				continue;
			if (v->nr_histories == MAX_HISTORIES) {
				monitor_overflow("too many changes of one thing at a time");
				return;
			}
			v->histories[v->nr_histories++] = h;
		}
	}
}

/* The usual change: of a thing whose value is known, and nobody else changes it. */
static void begin_alone(struct possible *v)
{
	struct history *h = v->histories;

	v->beside = 0;
	v->running = 1;
	h[0].took = 0;
	h[0].passed = !has_effect(v, 0, h[0].value);
	if (h[0].passed)
		return;
	h[1] = (struct history){ .value = value_after(v, 0), .took = 1 };
	v->nr_histories = 2;
}

static bool ended_alone(struct possible *v, enum change_end how, struct effect *effect)
{
	struct history *h = v->histories;
	bool took = v->nr_histories == 2;

	/* Whatever the result says, it says nothing new. */
	if (how != HAD_EITHER && how != (took ? HAD_EFFECT : HAD_NONE))
		return false;
	*effect = (struct effect){ .explained = true, .certain = took, .possible = took };
	h[0] = (struct history){ .value = h[took].value };
	v->nr_histories = 1;
	v->running = 0;
	return true;
}

int possible_begin(struct possible *v, enum change_kind kind, int value)
{
	int change = __builtin_ctz(~(unsigned int)v->running);
	u16 bit = (u16)(1u << change), left;

	if (change >= MAX_CHANGES) {
		monitor_overflow("too many changes of one thing at a time");
		change = MAX_CHANGES - 1;
		bit = (u16)(1u << change);
	}
	v->changes[change].kind = kind;
	v->changes[change].value = (s16)value;
	v->alone = !v->running && v->nr_histories == 1;
	if (v->alone) {
		begin_alone(v);
		return change;
	}
	v->beside &= ~bit;
	if (kind == CHANGE_STORE)
		v->beside |= v->running;
	for (left = v->running; left; left &= left - 1)
		if (v->changes[__builtin_ctz(left)].kind == CHANGE_STORE)
			v->beside |= bit;
	v->running |= bit;
	extend(v);
	return change;
}

static bool fits(const struct possible *v, int change, enum change_end how, const struct history *h)
{
	bool took = h->took >> change & 1, passed = h->passed >> change & 1;

	/* One that was stored meanwhile may have come after the last look. */
	if (v->changes[change].kind == CHANGE_SWEEP)
		return h->value != v->changes[change].value || v->beside >> change & 1;
	switch (how) {
	case HAD_EFFECT:
		return took;
	case HAD_NONE:
		return passed;
	case HAD_EITHER:
		return took || passed;
	default:
		return !took;
	}
}

/* No order of the changes gives that result. What comes next is judged as if it were true all the same. */
static int believe(struct possible *v, int change, bool took, struct effect *effect)
{
	int i, n = 0;

	effect->certain = effect->possible = took;
	for (i = 0; i < v->nr_histories; i++) {
		struct history h = { .value = took ? value_after(v, change) : v->histories[i].value };

		if ((took || !(v->histories[i].took >> change & 1)) && !is_known(v, n, h))
			v->histories[n++] = h;
	}
	if (!n)
		v->histories[n++] = (struct history){ .value = v->histories[0].value };
	return n;
}

struct effect possible_end(struct possible *v, int change, enum change_end how)
{
	struct effect effect = { .certain = true, .beside = v->beside >> change & 1 };
	u16 bit = (u16)(1u << change);
	int i, n = 0;

	if (v->alone && ended_alone(v, how, &effect))
		return effect;
	for (i = 0; i < v->nr_histories; i++) {
		struct history h = v->histories[i];

		if (!fits(v, change, how, &h))
			continue;
		effect.explained = true;
		effect.certain &= h.took >> change & 1;
		effect.possible |= h.took >> change & 1;
		h.took &= ~bit;
		h.passed &= ~bit;
		if (!is_known(v, n, h))
			v->histories[n++] = h;
	}
	v->running &= ~bit;
	if (!effect.explained)
		n = believe(v, change, how == HAD_EFFECT, &effect);
	v->nr_histories = (s16)n;
	if (!effect.explained)
		extend(v);
	return effect;
}

int possible_value(const struct possible *v, int other)
{
	return possible_has_other(v, v->histories[0].value) ? other : v->histories[0].value;
}

bool possible_has(const struct possible *v, int value)
{
	int i;

	for (i = 0; i < v->nr_histories; i++)
		if (v->histories[i].value == value)
			return true;
	return false;
}

bool possible_has_other(const struct possible *v, int value)
{
	int i;

	for (i = 0; i < v->nr_histories; i++)
		if (v->histories[i].value != value)
			return true;
	return false;
}
