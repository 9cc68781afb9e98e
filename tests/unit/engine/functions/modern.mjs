// SPDX-License-Identifier: BSD-2-Clause
export async function main(event, context) {
  await null;
  context.state.counter('sum').add(event.data.syn);
}
