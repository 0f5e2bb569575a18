/* SPDX-License-Identifier: GPL-2.0-only */
/* void-response, v6.9, v6.12, v6.14: a response does nothing unless the group is pending. */
void iopf_group_response(struct iopf_group *group, enum iommu_page_response_code code)
{
	struct iommu_fault_param *param = group->fault_param;

	mutex_lock(&param->lock);
	if (!list_empty(&group->pending_node)) {
		iopf_answer(param->dev, &group->last_fault, code);
		list_del_init(&group->pending_node);
	}
	mutex_unlock(&param->lock);
}
EXPORT_SYMBOL_GPL(iopf_group_response);
