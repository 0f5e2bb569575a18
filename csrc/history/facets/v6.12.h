/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "v6.12"
#define FACET_TITLE "attach handles"
#define FACET_COMMIT "14678219cf40"
#define FACET_RELEASES "v6.12, v6.13"
#define FACET_SUMMARY \
	"A group knows its attachment, which is not counted; bad setup is answered per request."
#define FACET_CLAIMS_CORRECT 0

#define FACET_HAS_DEQUEUE 0
#define FACET_LOOKUP FACET_BY_HANDLE
#define FACET_ANSWERS FACET_ANSWERS_ALL
#define FACET_REMOVE FACET_REMOVE_ANSWERS
#define FACET_ANSWERS_PARTIALS 1
