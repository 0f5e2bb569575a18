/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "lkml-v8"
#define FACET_TITLE "the patch that was reviewed"
#define FACET_COMMIT ""
#define FACET_RELEASES ""
#define FACET_SUMMARY \
	"Counted, but the response re-obtains the fault param from the device, and removal leaves it attached."
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
