// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * Batch handlers. All events that such a handler is called with succeed or fail together; what was done is
 * taken back, and the handler is called again, with those that may be all right after all.
 */

const ALERTS_MAX = 4096; // that a result can hold; an event has 64 at most
const SIZE_MAX = 8 << 20; // likewise, characters of changes and alerts

/* What becomes of an event. */
const FATE = Object.freeze({ OPEN: 0, DONE: 1, FAILED: 2, SKIPPED: 3 });

/* An event of a batch. */
class Occurrence {
  constructor(bytes, at, schema, partition, generation) {
    this.bytes = bytes;
    this.at = at;
    this.schema = schema;
    this.partition = partition;
    this.generation = generation;
    this.fate = FATE.OPEN;
    this.error = undefined; // why it failed
    this.alerts = undefined; // texts
  }
}

/* Alerts and changes of one call go into one result. */
function fits(alerts, changes) {
  const texts = alerts.flatMap((some) => some ?? []);
  return texts.length <= ALERTS_MAX && texts.reduce((sum, text) => sum + text.length, changes) <= SIZE_MAX;
}

class Many {
  #main;
  #state;
  #generations;
  #Context;
  #BatchContext;
  #eventAt;
  #keepReply;

  /*
   * `Context` is of one event, `BatchContext` of all that the handler is called with; `eventAt(bytes, at, schema)`
   * makes an event, `keepReply(value)` takes what the handler returned.
   */
  constructor({ main, state, generations, Context, BatchContext, eventAt, keepReply }) {
    this.#main = main;
    this.#state = state;
    this.#generations = generations;
    this.#Context = Context;
    this.#BatchContext = BatchContext;
    this.#eventAt = eventAt;
    this.#keepReply = keepReply;
  }

  /*
   * Runs some events. A generator: it yields promises, and is to be resumed with what becomes of them.
   * `begin()` is called before each call of the handler, `take(occurrences)` as events have their fate, in
   * order and before the next call.
   */
  *run(occurrences, result) {
    for (const occurrence of occurrences) {
      if (occurrence.generation !== this.#generations[occurrence.partition]) occurrence.fate = FATE.SKIPPED;
    }
    yield* this.#runSome(occurrences, occurrences, result);
  }

  /* Of all, some that follow each other, and those before them have their fate. */
  *#runSome(all, some, result) {
    for (;;) {
      const chosen = some.filter(({ fate }) => fate === FATE.OPEN);
      if (chosen.length === 0) break;
      result.begin();
      const { fault, failed } = yield* this.#call(chosen);
      if (fault === undefined && failed.length === 0) break;
      if (failed.length > 0) {
        this.#markFailed(all, failed);
      } else if (chosen.length === 1) {
        chosen[0].error = fault.error;
        this.#markFailed(all, chosen);
      } else {
        const middle = some.indexOf(chosen[chosen.length >> 1]);
        yield* this.#runSome(all, some.slice(0, middle), result);
        yield* this.#runSome(all, some.slice(middle), result);
        return;
      }
    }
    result.take(some);
  }

  /* Why all have failed, or which. If neither, they are done. */
  *#call(chosen) {
    const events = chosen.map(({ bytes, at, schema }) => this.#eventAt(bytes, at, schema));
    const contexts = chosen.map(({ bytes, at, schema }) => new this.#Context(bytes, at, schema));
    let fault;
    try {
      const value = this.#main(events, new this.#BatchContext(events, contexts));
      this.#keepReply(typeof value?.then === 'function' ? yield value : value);
    } catch (error) {
      fault = { error };
    }
    const alerts = contexts.map((context) => context.close());
    if (chosen.length > 1 && !fits(alerts, this.#state.eventSize)) fault ??= {};
    const failed = chosen.filter((occurrence, i) => (occurrence.error = contexts[i].failure) !== undefined);
    if (fault !== undefined || failed.length > 0) {
      this.#state.rollback();
      return { fault, failed };
    }
    this.#state.keep();
    chosen.forEach((occurrence, i) => Object.assign(occurrence, { fate: FATE.DONE, alerts: alerts[i] }));
    return { failed };
  }

  /* What is behind them in their partitions is not to be run: the engine sends it again. */
  #markFailed(all, failed) {
    for (const occurrence of failed) {
      const { partition, error } = occurrence;
      if (occurrence.fate !== FATE.OPEN) continue;
      occurrence.fate = FATE.FAILED;
      this.#generations[partition]++;
      console.error(error);
      for (const later of all.slice(all.indexOf(occurrence) + 1)) {
        if (later.partition === partition) later.fate = FATE.SKIPPED;
      }
    }
  }
}

/* Resumes a generator with what becomes of its promises. Gives a promise if there is one; undefined: it is over. */
function drive(generator) {
  const { done, value } = generator.next();
  return done ? undefined : settle(generator, value);
}

async function settle(generator, first) {
  let step = { value: first };
  while (!step.done) {
    let resume;
    try {
      const value = await step.value;
      resume = () => generator.next(value);
    } catch (error) {
      resume = () => generator.throw(error);
    }
    step = resume();
  }
}

module.exports = { FATE, Many, Occurrence, drive };
