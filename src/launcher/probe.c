// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/launcher.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static void print_layers(const struct launcher *launcher)
{
	char text[CONTROL_TEXT_MAX];

	for (enum layer layer = 0; layer < LAYER_COUNT; layer++) {
		if (launcher->lacks[layer].error == 0) {
			printf("%s yes\n", layer_name(layer));
			continue;
		}
		launcher_describe(&launcher->lacks[layer], text, sizeof(text));
		/* It begins with the name. */
		printf("%s no%s\n", layer_name(layer), text + strlen(layer_name(layer)) + 1);
	}
}

/* As for a worker, up to where the program would run. */
int launcher_probe(void)
{
	static struct launcher launcher;
	char text[CONTROL_TEXT_MAX];

	cgroup_prepare();
	launcher_init(&launcher);
	launcher.sandbox.probing = true;
	launcher.sandbox.layers = LAYERS_ALL;
	launcher.function.dir = "/";
	launcher.has_function = true;
	launcher_begin(&launcher);
	while (!launcher.failure.what[0] && !launcher_take_reports(&launcher)) {
		struct pollfd fds[] = {
			{.fd = launcher.birth.init_fd, .events = POLLIN},
			{.fd = launcher.birth.runtime_fd, .events = POLLIN},
		};

		(void)poll(fds, ARRAY_SIZE(fds), -1);
	}
	if (launcher.birth.init > 0)
		(void)waitpid(launcher.birth.init, NULL, 0);
	groups_remove(&launcher.groups);
	if (launcher.failure.what[0]) {
		launcher_describe(&launcher.failure, text, sizeof(text));
		fprintf(stderr, "netlambda-worker: %s\n", text);
		return -launcher.failure.error;
	}
	print_layers(&launcher);
	return 0;
}
