/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "v5.14"
#define FACET_TITLE "the first merged form"
#define FACET_COMMIT ""
#define FACET_RELEASES "v5.14 to v6.7"
#define FACET_SUMMARY \
	"Handlers for single faults, the domain looked up when the work runs, the device's lock held across report."
#define FACET_CLAIMS_CORRECT 0

#define FACET_REPORT_RETURN int
#define FACET_RESPONSE_RETURN int
#define FACET_REMOVE_RETURN int
#define FACET_HAS_DEQUEUE 0
#define FACET_REGISTERED_HANDLER 1
#define FACET_GROUP_HOLDS FACET_HOLDS_DEVICE
#define FACET_LOOKUP FACET_BY_DOMAIN
#define FACET_ANSWERS FACET_ANSWERS_NOTHING
#define FACET_PENDING_IS_COPIES 1
#define FACET_REMOVE FACET_REMOVE_REFUSES
#define FACET_FLUSH_HOLDS_LOCK 1
