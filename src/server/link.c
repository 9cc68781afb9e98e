// SPDX-License-Identifier: BSD-2-Clause
/* Runs of events from the receive workers to the functions, and how far they are processed back. */
#include "server/link.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "net/udp_group.h"
#include "server/link_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define UPDATE_BYTES   (8U << 20) /* a worker */
#define UPDATES_A_TURN 1024       /* runs, of a worker; the loop's other sources want theirs */

/* ---- acknowledged lanes ---- */

/* True if the functions took all of it. */
static bool offer_run(struct client *client, uint8_t lane, const struct feed_run *run)
{
	const struct v2_taken *taken = &run->taken;
	const struct v2_schema *schema = &client->schemas.list[taken->schema];
	uint64_t next = agent_next(client->agent, lane), skip;
	struct agent_run events;

	if (taken->sequence > next)
		return false;
	skip = next - taken->sequence;
	if (taken->cause != V2_CAUSE_NONE) {
		const struct agent_range range = {
			next, taken->count - skip, v2_cause_name(taken->cause)};

		return agent_lost(client->agent, lane, &range);
	}
	events = (struct agent_run){
		.event_id = schema->event_id,
		.sequence = next,
		.count = taken->count - skip,
		.records = taken->records + skip * taken->stride,
		.stride = taken->stride,
		.time_ns = run->time_ns,
	};
	return agent_offer(client->agent, lane, &events) == events.count;
}

static void offer_lane(struct client *client, uint8_t lane)
{
	const struct agent *agent = client->agent;
	struct feed *feed = &client->session->feeds[lane];
	const struct feed_run *run;

	if (client->link->stopping)
		return;
	while ((run = feed_find(feed, agent->epoch, agent_next(agent, lane))) != NULL)
		if (!offer_run(client, lane, run))
			break;
	if (feed_release(feed, agent->epoch, agent->lanes[lane].stream.processed))
		session_has_room(client->session);
}

/* ---- updates ---- */

static void note_interfaces(struct client *client, const struct update *update)
{
	struct interface_event event;

	if (client->schemas.list[update->schema].event_id != EVENT_INTERFACE)
		return;
	for (uint64_t i = 0; i < update->count; i++) {
		memcpy(&event, update->records + i * update->record_bytes, sizeof(event));
		interface_table_note(&client->interfaces, &event);
	}
}

static void take_update(const struct update *update)
{
	struct client *client = update->session->user;
	struct agent *agent = client->agent;

	if (update->epoch != agent->epoch)
		return;
	if (update->cause) {
		const struct agent_range range = {update->sequence, update->count, update->cause};

		/* What cannot be declared now is part of the gap in front of the next one. */
		(void)!agent_lost(agent, V2_LANE_UPDATE, &range);
		return;
	}
	note_interfaces(client, update);
	agent_update(agent, &(struct agent_run){
				    .event_id = client->schemas.list[update->schema].event_id,
				    .sequence = update->sequence,
				    .count = update->count,
				    .records = update->records,
				    .stride = update->record_bytes,
				    .time_ns = update->time_ns,
			    });
}

/* True if there are more. */
static bool take_updates(struct receive_worker *worker)
{
	const struct update *update;

	for (int i = 0; i < UPDATES_A_TURN; i++) {
		update = receive_worker_update(worker);
		if (!update)
			return false;
		take_update(update);
		receive_worker_updated(worker);
	}
	return true;
}

/* ---- mail ---- */

static void take_session(struct session *session)
{
	struct client *client = session->user;
	struct opening *opening = atomic_exchange(&session->opened, NULL);
	uint64_t broken = atomic_exchange(&session->broken, 0);

	if (opening)
		control_opened(client, opening);
	if (broken != 0)
		control_broken(client, broken, atomic_load(&session->broken_error));
	for (int lane = 0; lane < V2_LANES_ACKED; lane++)
		offer_lane(client, (uint8_t)lane);
}

void link_take(struct link *link)
{
	bool more = false;

	for (unsigned int i = 0; i < link->worker_count && !link->stopping; i++) {
		struct receive_worker *worker = link->workers[i];
		struct session *session;

		receive_worker_begin(worker);
		while ((session = receive_worker_session(worker)) != NULL)
			take_session(session);
		more |= take_updates(worker);
		receive_worker_ring(worker);
	}
	if (more)
		loop_wake(link->loop);
}

void link_has_room(struct link *link)
{
	agents_after_commits(link->agents);
	for (unsigned int i = 0; i < link->worker_count; i++)
		receive_worker_ring(link->workers[i]);
}

/* On a worker's thread. */
static void wake(void *user)
{
	loop_wake(user);
}

/* ---- what the agents say ---- */

static void on_processed(void *user _unused_, struct agent *agent, uint8_t lane, uint64_t before)
{
	const struct client *client = agent->user;

	if (client && client->epoch == agent->epoch)
		session_processed(client->session, lane, before);
}

static void on_room(void *user _unused_, struct agent *agent, uint8_t lane)
{
	if (agent->user && lane < V2_LANES_ACKED)
		offer_lane(agent->user, lane);
}

static void on_admitted(void *user _unused_, struct agent *agent, const struct v2_mark *mark)
{
	if (agent->user)
		control_admitted(agent->user, mark);
}

static const struct agents_ops agents_ops = {on_processed, on_room, on_admitted};

/* ---- clients ---- */

/* The worker that has the fewest; it keeps an agent for good. */
static unsigned int choose_worker(const struct link *link)
{
	unsigned int chosen = 0;

	for (unsigned int i = 1; i < link->worker_count; i++)
		if (link->slots[i] < link->slots[chosen])
			chosen = i;
	return chosen;
}

static uint16_t longest_record(const struct link *link)
{
	uint16_t longest = 1;

	for (uint16_t i = 0; i < link->schemas.count; i++)
		longest = MAX(longest, link->schemas.list[i].record_bytes);
	return longest;
}

static struct client *client_new(struct link *link, struct agent *agent)
{
	unsigned int worker = choose_worker(link);
	struct session_options options = {
		.switch_id = agent->switch_id,
		.slot = (uint16_t)link->slots[worker],
		.record_max = longest_record(link),
	};
	struct client *client = calloc(1, sizeof(*client));

	for (int lane = 0; lane < V2_LANES_ACKED; lane++)
		options.window[lane] = link->config->window;
	if (!client || session_new(link->workers[worker], &options, &client->session) < 0) {
		free(client);
		return NULL;
	}
	link->slots[worker]++;
	client->link = link;
	client->agent = agent;
	client->session->user = client;
	link->clients[link->client_count++] = client;
	return client;
}

struct client *link_client(struct link *link, uint32_t switch_id)
{
	struct agent *agent = agents_get(link->agents, switch_id);

	if (!agent)
		return NULL;
	if (!agent->user)
		agent->user = client_new(link, agent);
	return agent->user;
}

/* ---- life ---- */

/* What to do where there are no certificates, in full: it is what everybody meets first. */
static int check_credentials(const struct tls_config *tls, char **ret_error)
{
	if (access(tls->credentials, F_OK) == 0 || errno != ENOENT)
		return 0;
	return error_set(ret_error, -ENOENT,
		"no certificate: %s is not there. On the machine of your CA, which may be this "
		"one:\n"
		"    sudo netlambda pki init                  # makes the CA, once\n"
		"    sudo netlambda pki issue server NAME     # NAME or address that agents call "
		"this "
		"server by\n"
		"    sudo netlambda pki enroll server-NAME.pem    # here\n"
		"(certificates of another CA: \"tls\" in netlambda-server.conf(5); without any, in "
		"the "
		"clear and for trusted networks only: \"version1\": true)",
		tls->credentials);
}

int link_check(const struct config *config, char **ret_error)
{
	const struct tls_config *tls = &config->tls;
	const struct credentials_files files = {tls->credentials, tls->key, tls->ca, tls->crl};
	_cleanup_(credentials_freep) struct credentials *credentials = NULL;
	int r;

	if (!tls->credentials)
		return 0;
	r = check_credentials(tls, ret_error);
	return r < 0 ? r : credentials_load(&files, &credentials, ret_error);
}

static int describe(struct link *link)
{
	const struct config *config = link->config;

	return asprintf(&link->description, "%s%s",
		       link->worker_count > 0 ? "sealed (version 2)" : "",
		       !config->version1        ? ""
		       : link->worker_count > 0 ? "; OPEN for version 1, which is in the clear"
						: "OPEN: version 1 only, which is in the clear") < 0
		       ? -ENOMEM
		       : 0;
}

static int open_key_log(struct link *link, const char *path, char **ret_error)
{
	int r;

	if (!path)
		return 0;
	r = key_log_open(path, &link->key_log, ret_error);
	if (r == 0)
		log_warning("KEY LOG %s: whoever reads it can read and forge all that agents send",
			path);
	return r;
}

static int start_workers(struct link *link, const struct link_options *options, const int *fds)
{
	for (unsigned int i = 0; i < link->config->receive_workers; i++) {
		const struct receive_worker_options worker = {
			.index = i,
			.fd = fds[i],
			.sessions_max = link->config->switches_max,
			.update_bytes = UPDATE_BYTES,
			.drop_rate = options->drop_rate,
			.wake = wake,
			.user = link->loop,
		};
		int r = receive_worker_new(&worker, &link->workers[i]);

		if (r < 0) {
			for (unsigned int j = i + 1; j < link->config->receive_workers; j++)
				close(fds[j]);
			return r;
		}
		link->worker_count++;
	}
	return 0;
}

/* The sockets of both versions, and version 2's threads. `version1_fd` may be set on failure, too. */
static int open_ports(struct link *link, const struct link_options *options,
	const struct endpoint *local, int *version1_fd)
{
	const struct config *config = link->config;
	int fds[RECEIVE_WORKERS_MAX + 1], r;

	if (!config->tls.credentials) {
		r = udp_listen(local);
		if (r >= 0)
			*version1_fd = r;
		return MIN(r, 0);
	}
	r = udp_group_open(local, config->receive_workers, config->version1, fds);
	if (r < 0)
		return r;
	if (config->version1)
		*version1_fd = fds[config->receive_workers];
	return start_workers(link, options, fds);
}

/* An agent that does as it should asks at most every 300 ms, and once more where it has to begin anew. */
static void set_rates(struct link *link, const struct limits_config *limits)
{
	static const struct rate usual = {250 * NS_PER_MS, 20};

	const struct rate *hellos = limits->hellos.burst > 0 ? &limits->hellos : &usual;

	agents_limit(link->agents, &limits->incarnations);
	if (rate_equal(&link->hello_rate, hellos))
		return;
	link->hello_rate = *hellos;
	for (size_t i = 0; i < link->client_count; i++)
		link->clients[i]->hellos_full_at_ns = 0;
}

void link_set_limits(struct link *link, const struct limits_config *limits)
{
	set_rates(link, limits);
	if (link->control)
		control_server_limit(link->control, &limits->connections);
}

static int open_agents(struct link *link, const struct agents_source *source, struct store *reader)
{
	struct agents_options options = {.max = link->config->switches_max};
	struct agents_source mine = *source;
	int r;

	for (int lane = 0; lane < V2_LANES; lane++)
		options.window[lane] = link->config->window;
	mine.ops = &agents_ops;
	mine.user = link;
	r = agents_new(&options, &mine, &link->agents);
	if (r == 0)
		r = agents_restore(link->agents, reader);
	if (r == 0)
		set_rates(link, &link->config->tls.limits);
	return r;
}

int link_new(const struct link_options *options, const struct agents_source *source,
	struct store *reader, struct link **ret_link, int *ret_version1_fd, char **ret_error)
{
	_cleanup_(link_freep) struct link *link = calloc(1, sizeof(*link));
	const struct config *config = options->config;
	_cleanup_fd_ int version1_fd = -1;
	struct endpoint local;
	int r;

	if (!link)
		return -ENOMEM;
	link->loop = source->loop;
	link->config = config;
	link->clients = calloc(config->switches_max, sizeof(link->clients[0]));
	if (!link->clients)
		return -ENOMEM;
	r = endpoint_parse(config->listen, &local, ret_error);
	if (r < 0)
		return error_set(ret_error, r, "listen: %s", strerror(-r));
	if (config->tls.credentials)
		r = check_credentials(&config->tls, ret_error);
	if (r == 0)
		r = random_stream_init(&link->random);
	if (r == 0)
		r = open_agents(link, source, reader);
	if (r == 0)
		r = open_key_log(link, options->key_log, ret_error);
	if (r == 0 && config->tls.credentials)
		r = control_open(link, &local, ret_error);
	/* Both have one port, also if it was left to the kernel to choose. */
	if (r == 0 && link->control)
		r = control_server_address(link->control, &local);
	if (r == 0) {
		r = open_ports(link, options, &local, &version1_fd);
		if (r < 0)
			return error_set(ret_error, r, "cannot listen on udp %s: %s",
				config->listen, strerror(-r));
		r = describe(link);
	}
	if (r < 0)
		return r;
	*ret_link = TAKE_PTR(link);
	*ret_version1_fd = TAKE_FD(version1_fd);
	return 0;
}

void link_stop(struct link *link)
{
	link->stopping = true;
	control_stop(link);
	for (unsigned int i = 0; i < link->worker_count; i++)
		receive_worker_stop(link->workers[i]);
}

void link_free(struct link *link)
{
	for (unsigned int i = 0; i < link->worker_count; i++)
		receive_worker_stop(link->workers[i]);
	control_close(link);
	for (size_t i = 0; i < link->client_count; i++) {
		session_free(link->clients[i]->session);
		free(link->clients[i]);
	}
	for (unsigned int i = 0; i < link->worker_count; i++)
		receive_worker_free(link->workers[i]);
	if (link->agents)
		agents_free(link->agents);
	if (link->key_log)
		key_log_close(link->key_log);
	free(link->description);
	free(link->clients);
	free(link);
}

struct agents *link_agents(const struct link *link)
{
	return link->agents;
}

const char *link_describe(const struct link *link)
{
	return link->description;
}
