/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "6.10.y"
#define FACET_TITLE "the return restored"
#define FACET_COMMIT "fca5b78511e9"
#define FACET_RELEASES "6.10.y"
#define FACET_SUMMARY \
	"v6.9 whose partial faults end their report: what it has in common with track-group stays."
#define FACET_CLAIMS_CORRECT 0

#define FACET_REPORT_RETURN void
#define FACET_HAS_DEQUEUE 0
#define FACET_LOOKUP FACET_BY_DOMAIN
#define FACET_ANSWERS FACET_ANSWERS_ALL
#define FACET_REMOVE FACET_REMOVE_ANSWERS
