/* SPDX-License-Identifier: GPL-2.0-only */
/* What a thing may be that several tasks change at the same time (variable.c). */
#ifndef IOPF_EXPLORE_VARIABLE_H
#define IOPF_EXPLORE_VARIABLE_H

#include "machine/clock.h"

#define NOTHING (-1)		/* a variable's value: empty */
#define MAX_CHANGES 12		/* of one variable, at a time */
#define MAX_HISTORIES 128

enum change_kind {
	CHANGE_STORE,		/* of a value, where there is none */
	CHANGE_EXCHANGE,	/* of the value, where there is one */
	CHANGE_CLEAR,		/* of that value */
	CHANGE_CLEAR_ANY,
	CHANGE_SWEEP,		/* of that value, as often as it comes: behind it there is none */
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

struct variable {
	u16 running, beside;	/* changes, as bits; beside a CHANGE_STORE */
	s16 nr_histories;
	bool alone;		/* the change that runs has the variable for itself */
	struct { s16 kind, value; } changes[MAX_CHANGES];
	struct history histories[MAX_HISTORIES];
};

struct effect {
	bool explained;		/* some order of the changes gives that result */
	bool certain, possible;	/* that it had one */
	bool beside;		/* a CHANGE_STORE overlapped it */
};

void variable_reset(struct variable *v);
/* A change begins. Returns its number, for its end. */
int variable_begin(struct variable *v, enum change_kind kind, int value);
struct effect variable_end(struct variable *v, int change, enum change_end how);
/* The value, if only one is possible; else other. */
int variable_value(const struct variable *v, int other);
bool variable_may_be(const struct variable *v, int value);
bool variable_may_differ(const struct variable *v, int value);

#endif
