// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * Records: an event's bytes, and decoders that are built from the schemas that the engine announces. A
 * decoder makes a plain object, once a function first looks at event.data; a function that does not
 * look pays nothing. Counters are always of type number: beyond 2^53 the nearest one that a double can
 * hold (an error of at most one part in 2^53), so that arithmetic never meets two types.
 */

const os = require('node:os');

const LITTLE = os.endianness() === 'LE'; // records are in the machine's own order
const IP_SLOTS = 8192; // a power of two

const ipv4Text = (word) => `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;

/* RFC 5952: lower case, no leading zeroes, the longest run of two or more zero groups becomes "::". */
function ipv6Text(hex) {
  const groups = hex.match(/.{4}/g).map((group) => parseInt(group, 16));
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > bestLength) [best, bestLength] = [i, length];
  }
  const text = (from, to) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return best < 0 ? text(0, 8) : `${text(0, best)}::${text(best + bestLength, 8)}`;
}

const word = (b, at) => b[at] | (b[at + 1] << 8) | (b[at + 2] << 16) | (b[at + 3] << 24);

/*
 * Texts of addresses that were seen lately, by the four words of the address: pairs of slots, in which a
 * new address goes first and what was first becomes second. The same text object each time makes it a
 * cheap key, too.
 */
const ipWords = new Int32Array(IP_SLOTS * 4);
const ipTexts = new Array(IP_SLOTS).fill('::');

function makeIpText(bytes, at) {
  if (bytes.readUInt32BE(at + 8) === 0xffff && bytes.readUInt32BE(at) === 0 && bytes.readUInt32BE(at + 4) === 0) {
    return ipv4Text(bytes.readUInt32BE(at + 12));
  }
  return ipv6Text(bytes.toString('hex', at, at + 16));
}

function ipSlotHolds(slot, a, b, c, d) {
  const at = slot * 4;
  return ipWords[at + 3] === d && ipWords[at + 2] === c && ipWords[at + 1] === b && ipWords[at] === a;
}

/* Each bit of the result depends on all: neighbours in a network differ in the last word's upper bits alone. */
function mix(hash) {
  const half = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const whole = Math.imul(half ^ (half >>> 13), 0xc2b2ae35);
  return whole ^ (whole >>> 16);
}

function readIp(bytes, at) {
  const a = word(bytes, at);
  const b = word(bytes, at + 4);
  const c = word(bytes, at + 8);
  const d = word(bytes, at + 12);
  const slot = mix(Math.imul(Math.imul(Math.imul(a, 0x85ebca6b) ^ b, 0xc2b2ae35) ^ c, 0x27d4eb2f) ^ d) & (IP_SLOTS - 2);
  if (ipSlotHolds(slot, a, b, c, d)) return ipTexts[slot];
  if (ipSlotHolds(slot + 1, a, b, c, d)) return ipTexts[slot + 1];
  ipTexts[slot + 1] = ipTexts[slot];
  ipWords.copyWithin(slot * 4 + 4, slot * 4, slot * 4 + 4);
  ipWords.set([a, b, c, d], slot * 4);
  ipTexts[slot] = makeIpText(bytes, at);
  return ipTexts[slot];
}

const readU16 = LITTLE ? (b, at) => b[at] | (b[at + 1] << 8) : (b, at) => b.readUInt16BE(at);
const readU32 = LITTLE
  ? (b, at) => (b[at] | (b[at + 1] << 8) | (b[at + 2] << 16) | (b[at + 3] << 24)) >>> 0
  : (b, at) => b.readUInt32BE(at);
const high = LITTLE ? 4 : 0; // where a u64's upper half is
const readU64 = (b, at) => readU32(b, at + high) * 4294967296 + readU32(b, at + 4 - high);
const readBigU64 = LITTLE ? (b, at) => b.readBigUInt64LE(at) : (b, at) => b.readBigUInt64BE(at);
const readUint = { 1: (b, at) => b[at], 2: readU16, 4: readU32, 8: readU64 };
const readInt = {
  1: (b, at) => (b[at] << 24) >> 24,
  2: (b, at) => (readU16(b, at) << 16) >> 16,
  4: (b, at) => readU32(b, at) | 0,
  8: (b, at) => Number(BigInt.asIntN(64, readBigU64(b, at))),
};

/* "000" to "999", and what ends a time. */
const threeDigits = Array.from({ length: 1000 }, (_, i) => String(i).padStart(3, '0'));
const lastDigits = threeDigits.map((text) => `${text}Z`);

/* The text of the second that was asked for last: events come close together in time. */
let lastSecond = NaN;
let lastPrefix = '';

function secondText(second) {
  if (second !== lastSecond) {
    lastSecond = second;
    lastPrefix = `${new Date(second * 1000).toISOString().slice(0, 19)}.`;
  }
  return lastPrefix;
}

/*
 * RFC 3339 with nanoseconds; "" for 0, which means unknown. Without loss:
 * 2^48 ns = 281474 s + 976710656 ns, and 2^32 ns = 4 s + 294967296 ns. In integers where it can be, which
 * halves the time it takes: the estimate of whole seconds in the rest is off by one at most.
 */
function readTime(b, at) {
  const upper = readU32(b, at + high);
  const lower = readU32(b, at + 4 - high);
  if (upper === 0 && lower === 0) return '';
  const rest = (upper >>> 16) * 976710656 + (upper & 0xffff) * 294967296 + lower;
  let carry = (rest * 1e-9) >>> 0;
  if (carry * 1e9 > rest) carry--;
  else if ((carry + 1) * 1e9 <= rest) carry++;
  const ns = (rest - carry * 1e9) | 0;
  const us = (ns / 1000) | 0;
  const ms = (us / 1000) | 0;
  const prefix = secondText((upper >>> 16) * 281474 + (upper & 0xffff) * 4 + carry);
  return prefix + threeDigits[ms] + threeDigits[us - ms * 1000] + lastDigits[ns - us * 1000];
}

/* Milliseconds since the epoch, with a fraction. */
const readTimeMs = (b, at) => readU64(b, at) / 1e6;

function fieldReader({ name, kind, size }) {
  if (kind === 'ip' && size === 16) return readIp;
  if (kind === 'time' && size === 8) return readTime;
  const reader = kind === 'int' ? readInt[size] : readUint[size];
  if (!reader) throw new Error(`field ${name}: cannot read a ${kind} of ${size} bytes`);
  return reader;
}

/*
 * {id, name, recordSize, fields: [{name, kind, offset, size}]} with its decoders added. The decoder of
 * whole records is compiled, so that all its objects share one shape.
 */
function compileSchema(schema) {
  const readers = schema.fields.map(fieldReader);
  const members = schema.fields.map((field, i) => `${JSON.stringify(field.name)}: r${i}(b, at + ${field.offset})`);
  const names = readers.map((_, i) => `r${i}`);
  const make = new Function(...names, `'use strict'; return (b, at) => ({ ${members.join(', ')} });`);
  const byName = new Map(schema.fields.map((field, i) => [field.name, (b, at) => readers[i](b, at + field.offset)]));
  const last = schema.fields.find((field) => field.name === 'last' && field.kind === 'time');

  return {
    ...schema,
    stride: (schema.recordSize + 7) & ~7, // bytes of a record in a batch
    decode: make(...readers),
    /* A function (bytes, at) => value, or undefined. */
    reader: (name) => byName.get(name),
    /* The record's own `last` in milliseconds; 0: unknown. */
    lastMs: last ? (b, at) => readTimeMs(b, at + last.offset) : () => 0,
  };
}

/* Reads a SCHEMA frame. */
function readSchema(reader) {
  const schema = { id: reader.u32(), name: reader.text(), recordSize: reader.u16(), fields: [] };
  const count = reader.u16();
  for (let i = 0; i < count; i++) {
    schema.fields.push({ name: reader.text(), kind: reader.text(), offset: reader.u16(), size: reader.u16() });
  }
  for (const { name, offset, size } of schema.fields) {
    if (offset + size > schema.recordSize) throw new Error(`field ${name} lies outside its record`);
  }
  return compileSchema(schema);
}

module.exports = { compileSchema, readSchema, readTime, readTimeMs, readLe32: (b, at) => word(b, at) >>> 0 };
