/* SPDX-License-Identifier: GPL-2.0-only */
/* v5.14 to v7.2: a queue and its workqueue. */
struct iopf_queue *iopf_queue_alloc(const char *name)
{
	struct iopf_queue *queue = kzalloc(sizeof(*queue), GFP_KERNEL);

	if (!queue)
		return NULL;

	queue->wq = alloc_workqueue("iopf_queue/%s", WQ_UNBOUND, 0, name);
	if (!queue->wq) {
		kfree(queue);
		return NULL;
	}
	mutex_init(&queue->lock);
	INIT_LIST_HEAD(&queue->devices);
	return queue;
}
EXPORT_SYMBOL_GPL(iopf_queue_alloc);
