/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "refcount"
#define FACET_TITLE "the reference travels with the group"
#define FACET_COMMIT "a74c077b9021"
#define FACET_RELEASES ""
#define FACET_SUMMARY \
	"Found once under RCU; a handler that refuses puts the reference twice."
#define FACET_CLAIMS_CORRECT 0

#define FACET_REPORT_RETURN int
#define FACET_RESPONSE_RETURN int
#define FACET_REMOVE_RETURN int
#define FACET_HAS_DEQUEUE 0
#define FACET_LOOKUP FACET_BY_DOMAIN
#define FACET_ANSWERS FACET_ANSWERS_NOTHING
#define FACET_PENDING_IS_COPIES 1
#define FACET_REFUSAL_BREAKS 1
#define FACET_REMOVE FACET_REMOVE_REFUSES
