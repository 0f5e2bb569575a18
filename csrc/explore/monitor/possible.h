/* SPDX-License-Identifier: GPL-2.0-only */
/* What a thing may be that several tasks change at the same time (possible.c). */
#ifndef IOPF_EXPLORE_POSSIBLE_H
#define IOPF_EXPLORE_POSSIBLE_H

#include "machine/clock.h"

#define NOTHING (-1)		/* of a thing: it is empty */
#define MAX_CHANGES 12		/* of one thing, at a time */
#define MAX_HISTORIES 128

enum change_kind {
	CHANGE_STORE,		/* of a value, where there is none */
	CHANGE_EXCHANGE,	/* of the value, where there is one */
	CHANGE_CLEAR,		/* of that value */
	CHANGE_CLEAR_ANY,
	CHANGE_SWEEP,		/* of that value, as often as it comes: after it there is none */
};

/* What the call's result says of it. */
enum change_end {
	HAD_EFFECT,
	HAD_NONE,		/* because of the value that it met */
	HAD_EITHER,		/* the call does not say: one of the two */
	WAS_REFUSED,		/* for another reason; without effect */
};

struct history {
	s16 value;
	u16 took;		/* changes that run and had their effect */
	u16 passed;		/* those that had not, and met a value that they have none on */
};

struct possible {
	u16 running, beside;	/* changes, as bits; beside a CHANGE_STORE */
	s16 nr_histories;
	bool alone;		/* the change that runs has the thing for itself */
	struct { s16 kind, value; } changes[MAX_CHANGES];
	struct history histories[MAX_HISTORIES];
};

struct effect {
	bool explained;		/* some order of the changes gives that result */
	bool certain, possible;	/* that it had one */
	bool beside;		/* a CHANGE_STORE overlapped it */
};

void possible_reset(struct possible *v);
/* A change begins. Returns its number, for its end. */
int possible_begin(struct possible *v, enum change_kind kind, int value);
struct effect possible_end(struct possible *v, int change, enum change_end how);
/* The value, if only one is possible; else other. */
int possible_value(const struct possible *v, int other);
bool possible_has(const struct possible *v, int value);
bool possible_has_other(const struct possible *v, int value);

#endif
