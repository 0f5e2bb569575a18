// SPDX-License-Identifier: GPL-2.0-only
#include "histogram.h"

static uint64_t highest_of(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < HISTOGRAM_LINEAR)
		return bucket;
	shift = bucket / HISTOGRAM_LINEAR - 1;
	return (((uint64_t)(bucket % HISTOGRAM_LINEAR + HISTOGRAM_LINEAR) + 1) << shift) - 1;
}

uint64_t histogram_quantile(const struct histogram *histogram, uint64_t per_million)
{
	/* The rank, rounded up, without count * per_million, which may overflow. */
	uint64_t rank = histogram->count / 1000000 * per_million +
			(histogram->count % 1000000 * per_million + 999999) / 1000000;
	uint64_t seen = 0;
	unsigned int bucket;

	if (!rank)
		rank = 1;
	for (bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
		seen += histogram->buckets[bucket];
		if (seen >= rank)
			return highest_of(bucket) < histogram->max ? highest_of(bucket) : histogram->max;
	}
	return histogram->max;
}

size_t histogram_values(const struct histogram *histogram, size_t max, uint64_t (*values)[2])
{
	unsigned int bucket;
	size_t n = 0;

	for (bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
		if (!histogram->buckets[bucket])
			continue;
		if (n < max) {
			values[n][0] = highest_of(bucket) < histogram->max ? highest_of(bucket) : histogram->max;
			values[n][1] = histogram->buckets[bucket];
		}
		n++;
	}
	return n;
}
