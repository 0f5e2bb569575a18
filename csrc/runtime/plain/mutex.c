// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bug.h>
#include <linux/mutex.h>

/* Says what rule was broken. True: the caller leaves the lock as it is. */
bool mutex_misused(struct mutex *lock, bool locking)
{
	if (locking)
		return WARN(mutex_is_held_by_current(lock), "recursive mutex_lock");
	return WARN(!mutex_is_held_by_current(lock), "mutex_unlock by somebody who does not own it");
}

void mutex_destroy(struct mutex *lock)
{
	if (!WARN(mutex_is_locked(lock), "mutex_destroy of a held mutex"))
		pthread_mutex_destroy(&lock->lock);
}
