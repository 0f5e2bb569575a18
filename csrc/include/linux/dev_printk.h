/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages that name their device. */
#ifndef __LINUX_DEV_PRINTK_H
#define __LINUX_DEV_PRINTK_H

#include <linux/compiler.h>
#include <linux/printk.h>

#ifndef dev_fmt
#define dev_fmt(format) format
#endif

#define __dev_said(level, dev, format, args...) __kernel_message(NULL, level, dev, dev_fmt(format), ##args)
#define __dev_once(level, dev, format, args...) __message_at(__kernel_message_once, level, dev, dev_fmt(format), ##args)
#define __dev_limited(level, dev, format, args...) __message_at(__kernel_message, level, dev, dev_fmt(format), ##args)

#define dev_emerg(dev, format, args...) __dev_said(LOGLEVEL_EMERG, dev, format, ##args)
#define dev_alert(dev, format, args...) __dev_said(LOGLEVEL_ALERT, dev, format, ##args)
#define dev_crit(dev, format, args...) __dev_said(LOGLEVEL_CRIT, dev, format, ##args)
#define dev_err(dev, format, args...) __dev_said(LOGLEVEL_ERR, dev, format, ##args)
#define dev_warn(dev, format, args...) __dev_said(LOGLEVEL_WARNING, dev, format, ##args)
#define dev_notice(dev, format, args...) __dev_said(LOGLEVEL_NOTICE, dev, format, ##args)
#define dev_info(dev, format, args...) __dev_said(LOGLEVEL_INFO, dev, format, ##args)
#define dev_dbg(dev, format, args...) __dev_said(LOGLEVEL_DEBUG, dev, format, ##args)

#define dev_err_once(dev, format, args...) __dev_once(LOGLEVEL_ERR, dev, format, ##args)
#define dev_warn_once(dev, format, args...) __dev_once(LOGLEVEL_WARNING, dev, format, ##args)
#define dev_info_once(dev, format, args...) __dev_once(LOGLEVEL_INFO, dev, format, ##args)
#define dev_dbg_once(dev, format, args...) __dev_once(LOGLEVEL_DEBUG, dev, format, ##args)

#define dev_err_ratelimited(dev, format, args...) __dev_limited(LOGLEVEL_ERR, dev, format, ##args)
#define dev_warn_ratelimited(dev, format, args...) __dev_limited(LOGLEVEL_WARNING, dev, format, ##args)
#define dev_info_ratelimited(dev, format, args...) __dev_limited(LOGLEVEL_INFO, dev, format, ##args)
#define dev_dbg_ratelimited(dev, format, args...) __dev_limited(LOGLEVEL_DEBUG, dev, format, ##args)

#endif
