// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that explores for another one ends with it, however that ends.
 *
 * The kernel does it: a worker may be deep in a core that never comes back, and a thread that watches would keep the
 * process alive when a core ends the one that explores. The signal comes when the *thread* ends that started this
 * process, so that thread has to stay as long as its workers do.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "explore.h"

int xp_end_with(int parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return -errno;
	if (getppid() != parent)	/* it was faster */
		raise(SIGKILL);
	return 0;
}
