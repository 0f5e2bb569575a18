/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often which value came, at a fixed size and cost: 32 buckets for each power of two, so that a value is known to
 * 3 % however large it is. After HdrHistogram (Gil Tene).
 */
#ifndef IOPF_API_HISTOGRAM_H
#define IOPF_API_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BITS 5
#define HISTOGRAM_LINEAR (1u << HISTOGRAM_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_BITS + 1) * HISTOGRAM_LINEAR)

/* All zero: empty. */
struct histogram {
	uint64_t count, max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Values below 32 have a bucket each; above, the five bits after the highest one choose it. */
static inline unsigned int histogram_bucket(uint64_t value)
{
	unsigned int shift;

	if (value < HISTOGRAM_LINEAR)
		return (unsigned int)value;
	shift = 63 - (unsigned int)__builtin_clzll(value) - HISTOGRAM_BITS;
	return (shift + 1) * HISTOGRAM_LINEAR + (unsigned int)(value >> shift) - HISTOGRAM_LINEAR;
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->buckets[histogram_bucket(value)]++;
	histogram->count++;
	if (value > histogram->max)
		histogram->max = value;
}

static inline void histogram_merge(struct histogram *into, const struct histogram *other)
{
	unsigned int i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += other->buckets[i];
	into->count += other->count;
	if (other->max > into->max)
		into->max = other->max;
}

/* The value that so many of a million are not above; of a bucket, its highest. 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *histogram, uint64_t per_million);
/* The values that came, lowest first, each with how often: the first `max`. Returns how many there are. */
size_t histogram_values(const struct histogram *histogram, size_t max, uint64_t (*values)[2]);

#endif
