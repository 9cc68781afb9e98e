// SPDX-License-Identifier: BSD-2-Clause
#include "server/session.h"

#include "server/receive_worker.h"

#include <errno.h>

#define ALIGNMENT 64 /* of the feeds */

struct opening *opening_free(struct opening *opening)
{
	if (opening && opening->aead)
		v2_aead_free(opening->aead);
	free(opening);
	return NULL;
}

int session_new(struct receive_worker *worker, const struct session_options *options,
	struct session **ret_session)
{
	const size_t size = (sizeof(struct session) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	struct session *session = aligned_alloc(ALIGNMENT, size);
	struct v2_receiver_config config = {.record_max = options->record_max};
	int r;

	if (!session)
		return -ENOMEM;
	memset(session, 0, size);
	memcpy(config.window, options->window, sizeof(config.window));
	receive_worker_configure(worker, &config);
	r = v2_receiver_init(&session->receiver, &config);
	if (r < 0) {
		free(session);
		return r;
	}
	session->worker = worker;
	session->switch_id = options->switch_id;
	session->slot = options->slot;
	*ret_session = session;
	return 0;
}

void session_free(struct session *session)
{
	opening_free(atomic_load(&session->open));
	opening_free(atomic_load(&session->opened));
	v2_receiver_done(&session->receiver);
	if (session->aead)
		v2_aead_free(session->aead);
	free(session);
}

void session_get_view(const struct session *session, struct session_view *ret_view)
{
	snapshot_get(&session->snapshot, session->view, ret_view, sizeof(*ret_view));
}
