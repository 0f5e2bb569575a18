// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines as valgrind's lackey prints them (--trace-mem=yes): an operation, an address in hexadecimal, a size.
 *
 *	I  04016a00,3	fetch		 L 1ffeffe7e0,8	load
 *	 S 04a2f010,4	store		 M 04a2f010,4	load and store: one access that wants both
 *
 * Valgrind's own lines (==PID==, --PID--, **PID**) and empty ones are skipped, anything else is counted as malformed.
 */
#define _GNU_SOURCE
#include <linux/compiler.h>
#include <runtime.h>
#include <string.h>

#include "internal.h"

#define LONGEST_LINE 120
#define LARGEST_SIZE 65536
#define POLL_LINES 1023

static const u8 want_of[256] = {
	['I'] = IOPF_PERM_EXEC,
	['L'] = IOPF_PERM_READ,
	['S'] = IOPF_PERM_WRITE,
	['M'] = IOPF_PERM_READ | IOPF_PERM_WRITE,
};

/* The digit plus one; 0: none. */
static const u8 digit_of[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

struct line {
	u64 addr, size;
	u32 want;
};

/* Where the line ends, at its newline, which is there; NULL: this is no access. */
static const char *parse(const char *s, struct line *line)
{
	const char *begin = s, *digits;
	u32 digit;

	while (*s == ' ')
		s++;
	line->want = want_of[(u8)*s];
	if (!line->want || *++s != ' ')
		return NULL;
	while (*s == ' ')
		s++;

	line->addr = 0;
	for (digits = s; (digit = digit_of[(u8)*s]); s++)
		line->addr = line->addr << 4 | (digit - 1);
	if (s == digits || s - digits > 16 || *s++ != ',')
		return NULL;

	line->size = 0;
	for (digits = s; (digit = digit_of[(u8)*s]) && digit <= 10; s++)
		line->size = line->size * 10 + (digit - 1);
	if (!line->size || s - digits > 5 || line->size > LARGEST_SIZE || line->addr + line->size - 1 < line->addr)
		return NULL;
	if (*s == '\r')
		s++;
	return *s == '\n' && s - begin <= LONGEST_LINE ? s : NULL;
}

/* ==PID== and its like, or nothing at all. */
static bool is_skipped(const char *s, const char *end)
{
	const char *begin = s;
	char mark;

	while (s < end && (*s == ' ' || *s == '\r'))
		s++;
	if (s == end)
		return true;
	mark = *begin;
	if (end - begin < 5 || !strchr("=-*", mark) || begin[1] != mark)
		return false;
	for (s = begin + 2; s < end && *s >= '0' && *s <= '9'; s++)
		;
	return s > begin + 2 && end - s >= 2 && s[0] == mark && s[1] == mark;
}

static void no_access(struct iopf_trace *t, const char *s, const char *end)
{
	if (is_skipped(s, end))
		return;
	if (t->counts.malformed < IOPF_TRACE_SAMPLES) {
		size_t length = (size_t)(end - s), capacity = sizeof(t->sample[0]) - 1;
		char *sample = t->sample[t->counts.malformed];

		t->sample_line[t->counts.malformed] = t->counts.lines;
		memcpy(sample, s, length < capacity ? length : capacity);
		sample[length < capacity ? length : capacity] = '\0';
	}
	t->counts.malformed++;
}

/* Whole lines, the last one with its newline. */
static int whole_lines(struct iopf_trace *t, const char *s, const char *end)
{
	while (s < end) {
		struct line line;
		const char *newline = parse(s, &line);
		int ret;

		t->counts.lines++;
		if (likely(newline)) {
			ret = trace_access(t, line.addr, line.size, line.want);
			if (unlikely(ret))
				return ret;
		} else {
			newline = memchr(s, '\n', (size_t)(end - s));
			no_access(t, s, newline);
		}
		s = newline + 1;
		if (unlikely(!(t->counts.lines & POLL_LINES)) && trace_now_ns() - t->polled > WAIT_SLICE_NS) {
			ret = trace_poll(t);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/* Adds to the line that was cut by the end of a chunk. One that is too long is cut for good: it is no access. */
static void carry(struct iopf_trace *t, const char *s, size_t length)
{
	size_t capacity = sizeof(t->line) - 1 - t->line_length;

	if (length > capacity)
		length = capacity;
	memcpy(t->line + t->line_length, s, length);
	t->line_length += length;
}

static int carried_line(struct iopf_trace *t)
{
	size_t length = t->line_length;

	t->line_length = 0;
	t->line[length] = '\n';
	return whole_lines(t, t->line, t->line + length + 1);
}

int trace_lines(struct iopf_trace *t, const char *text, size_t length)
{
	const char *end = text + length, *newline, *rest;
	int ret;

	if (t->line_length) {
		newline = memchr(text, '\n', length);
		carry(t, text, (size_t)((newline ? newline : end) - text));
		if (!newline)
			return 0;
		ret = carried_line(t);
		if (ret)
			return ret;
		text = newline + 1;
	}
	newline = memrchr(text, '\n', (size_t)(end - text));
	rest = newline ? newline + 1 : text;
	ret = whole_lines(t, text, rest);
	if (!ret)
		carry(t, rest, (size_t)(end - rest));
	return ret;
}

int trace_last_line(struct iopf_trace *t)
{
	return t->line_length ? carried_line(t) : 0;
}
