// SPDX-License-Identifier: GPL-2.0-only
/*
 * The signature of a failure: what makes two failures the same one, in words.
 *
 *     use-after-free of param.users in iopf_put_dev_fault_param: the object was freed
 *     data-race of device.iommu.fault_param in iommu_report_device_fault and iopf_queue_remove_device: nothing orders them
 *
 * It is made of content: the kind, the type and the member of the object, the functions, what was wrong; and after that,
 * for whoever reads it, what of its contract the driver broke (which makes no failure another one: with the contract kept
 * it is only graver). No address and no number is in it that another process, another build or another search would not
 * have, and no line, so that an edit elsewhere in the file changes nothing. The search, the shrinking and the replay all go
 * by these words, so there is one notion of "the same" and not one for each.
 *
 * A function is the source's, whatever it was compiled into. Only the line map knows that, and the caller has it
 * (options.function): it is asked once for each place. Where an operation of the scenario stands in the place of code, it is
 * the operation as the caller wrote it.
 *
 * Failing executions are many in some searches. What the words are made of is compared first, address by address; only what
 * was not seen before in this search is put into words.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define MOST_TEXT 1024

/* --- functions by address, for the life of the process: what was loaded stays --- */

#define MOST_PLACES 4096u

static struct { const void *pc; const char *function; } places[MOST_PLACES];
static unsigned int nr_places;

static const char *ask(const void *pc)
{
	struct xp_place place = record_place(pc);
	const char *function = NULL;

	if (options.function && place.file)
		function = options.function(&place);
	if (function)
		return function;
	return place.symbol ? place.symbol : place.file ? "a function without a name" : "nowhere";
}

static const char *function_at(const void *pc)
{
	unsigned int i = (unsigned int)(((u64)pc * 0x9e3779b97f4a7c15ull) >> 52);
	const char *function;

	for (; places[i].pc; i = (i + 1) % MOST_PLACES)
		if (places[i].pc == pc)
			return places[i].function;
	function = ask(pc);
	/* Only what the caller said: an interrupt in between must not become the name. */
	if (nr_places < MOST_PLACES / 2 && options.function && function) {
		char *copy = strdup(function);

		if (copy) {
			places[i].pc = pc;
			places[i].function = copy;
			nr_places++;
		}
	}
	return function;
}

/* "": after the end, or before the beginning. */
static const char *function_of(const void *pc)
{
	int record = (int)(u64)pc - 1;
	const char *name;

	if (place_is_code(pc))
		return function_at(pc);
	if (record < 0 || record >= scenario.nr_records)
		return "";
	name = options.function ? options.function(&(struct xp_place){ .offset = (u64)record }) : NULL;
	return name ? name : record_text("record %d", record);
}

/* --- words --- */

struct words {
	char text[MOST_TEXT];
	size_t used;
};

static void __printf(2, 3) say(struct words *w, const char *format, ...)
{
	va_list args;
	int n;

	if (w->used >= sizeof(w->text))
		return;
	va_start(args, format);
	n = vsnprintf(w->text + w->used, sizeof(w->text) - w->used, format, args);
	va_end(args);
	w->used += n > 0 ? (size_t)n : 0;
}

static void say_object(struct words *w, const struct finding *f)
{
	char member[80];

	if (f->object < 0)
		return;
	/* Of a leak the whole of it. */
	say(w, " of %s%s", record_type(f->object),
	    f->kind == XP_K_LEAK ? "" : record_field(f->object, f->addr, member, sizeof(member)));
}

static void say_functions(struct words *w, const struct finding *f)
{
	const char *a = function_of(f->pc), *b = function_of(f->other_pc);

	/* Which of several accesses came last before a free is chance. */
	if (f->kind == XP_K_USE_AFTER_FREE && !f->by_order)
		b = "";
	/* So is which of two came first. */
	if (f->kind == XP_K_DATA_RACE && strcmp(a, b) > 0) {
		const char *c = a;

		a = b;
		b = c;
	}
	if (!*a || !strcmp(a, b))
		a = b, b = "";
	if (*a)
		say(w, " in %s", a);
	if (*b)
		say(w, " and %s", b);
}

/* The classes of a cycle, from the one on that makes the words come first in the alphabet. */
static void say_cycle(struct words *w, const struct lock_cycle *c)
{
	int first = 0, i, k, way;

	for (i = 1; i < c->length; i++) {
		for (k = 0, way = 0; k < c->length && !way; k++)
			way = strcmp(c->classes[(i + k) % c->length]->name, c->classes[(first + k) % c->length]->name);
		if (way < 0)
			first = i;
	}
	for (i = 0; i < c->length; i++)
		say(w, "%s%s", i ? ", " : " of ", c->classes[(first + i) % c->length]->name);
}

static void put_into_words(struct words *w, const struct finding *f)
{
	w->used = 0;
	say(w, "%s", xp_kind_name(f->kind));
	if (f->kind == XP_K_LOCK_ORDER) {
		say_cycle(w, &lock_cycles[f->detail]);
	} else {
		say_object(w, f);
		say_functions(w, f);
	}
	say(w, ": %s", f->text);
	if (f->kind == XP_K_UNEXPECTED_RETURN)
		say(w, ": %lld", (long long)(s64)f->detail);
}

static u64 hash_of(const char *text)
{
	u64 h = 0xcbf29ce484222325ull;

	for (; *text; text++)
		h = (h ^ (u8)*text) * 0x100000001b3ull;
	return h ^ h >> 32;
}

/* --- what was put into words before, in this search --- */

#define MOST_KNOWN 256u

struct known {
	int kind;
	bool by_order;
	const void *pc, *other_pc;
	const char *text, *type;
	u32 offset;
	u64 detail, signature;
};

static struct known known[MOST_KNOWN];
static bool any_known;

void signatures_reset(void)
{
	if (any_known)
		memset(known, 0, sizeof(known));
	any_known = false;
}

u64 finding_signature(const struct finding *f)
{
	struct known key = {
		.kind = f->kind, .by_order = f->by_order, .pc = f->pc, .other_pc = f->other_pc, .text = f->text,
		.detail = f->detail,
	};
	struct known *slot;
	struct words w;
	u64 h;

	if (f->object >= 0) {
		key.type = record_type(f->object);
		key.offset = (u32)(f->addr - (u64)heap_base) - heap_objects[f->object].base;
	}
	h = (u64)key.pc ^ (u64)key.other_pc << 20 ^ (u64)key.kind << 40 ^ key.offset ^ key.detail << 8;
	slot = &known[(h * 0x9e3779b97f4a7c15ull) >> 56];
	if (slot->signature && slot->kind == key.kind && slot->by_order == key.by_order && slot->pc == key.pc &&
	    slot->other_pc == key.other_pc && slot->text == key.text && slot->type == key.type &&
	    slot->offset == key.offset && slot->detail == key.detail)
		return slot->signature;
	put_into_words(&w, f);
	key.signature = hash_of(w.text);
	*slot = key;
	any_known = true;
	return key.signature;
}

const char *signature_text(const struct finding *f, unsigned int clauses)
{
	struct words w;
	int i, n = 0;

	put_into_words(&w, f);
	say(&w, "; contract %s", clauses ? "broken" : "kept");
	for (i = 0; i < XP_CLAUSES; i++)
		if (clauses >> i & 1)
			say(&w, "%s%s", n++ ? ", " : ": ", xp_clause_name(i));
	return record_text("%s", w.text);
}
