/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_ALARMS_H
#define AGENT_ALARMS_H

/*
 * Thresholds of sources and targets as the operator says them: on the command line, and in a file that
 * is read again while the agent runs. Pure but for reading that file.
 */

#include "agent/fanout.h"
#include "base/attr.h"

/* A window of ten seconds, and what is worth a word in most networks. */
extern const struct fanout_options alarms_default;

/*
 * "source-ports=100": sets the one that it names. Returns 0, or -EINVAL with a message in `ret_error`
 * (to be freed) that says what was expected.
 */
int alarm_parse(const char *text, struct fanout_options *options, char **ret_error) _must_check_;

/* Several, with commas between. Some may be set if it fails. */
int alarms_parse(const char *list, struct fanout_options *options, char **ret_error) _must_check_;

/*
 * A file with one of these a line; blank lines and what is behind a # are nothing. Thresholds that it
 * does not name are as in `options`, which are changed only if all of it is right. Returns 0 or a
 * negative errno, with a message likewise that names the file and the line.
 */
int alarms_read(const char *path, struct fanout_options *options, char **ret_error) _must_check_;

#endif
