/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "locking"
#define FACET_TITLE "one fault param, its own lock"
#define FACET_COMMIT "cc7338e9d807"
#define FACET_RELEASES ""
#define FACET_SUMMARY \
	"No references: the device's lock protects, also while flush waits for works that need it."
#define FACET_CLAIMS_CORRECT 0

#define FACET_REPORT_RETURN int
#define FACET_RESPONSE_RETURN int
#define FACET_REMOVE_RETURN int
#define FACET_HAS_DEQUEUE 0
#define FACET_GROUP_HOLDS FACET_HOLDS_DEVICE
#define FACET_LOOKUP FACET_BY_DOMAIN
#define FACET_ANSWERS FACET_ANSWERS_NOTHING
#define FACET_PENDING_IS_COPIES 1
#define FACET_REMOVE FACET_REMOVE_REFUSES
#define FACET_FLUSH_HOLDS_LOCK 1
