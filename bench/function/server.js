// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * One HTTP POST an event, as Kubeless calls a function: JSON in the body, the event's other fields in
 * headers, the connection kept. Without what Kubeless adds to each request (a new VM context, metrics),
 * so it is faster than that was. Says its port on standard output; ends with standard input.
 */

const http = require('node:http');
const path = require('node:path');

const [file, name] = process.argv[2].split('.');
const main = require(path.join(__dirname, file))[name];
const context = { 'function-name': name, timeout: '10', runtime: 'nodejs', 'memory-limit': '256Mi' };

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    const { headers } = request;
    try {
      const event = {
        data: JSON.parse(Buffer.concat(chunks)),
        'event-id': headers['event-id'],
        'event-type': headers['event-type'],
        'event-time': headers['event-time'],
        'event-namespace': headers['event-namespace'],
        extensions: { request, response },
      };
      await main(event, context);
      response.end();
    } catch (error) {
      response.statusCode = 500;
      response.end(String(error));
    }
  });
});

process.stdin.on('end', () => process.exit(0)).resume();
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
