// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/*
 * The frames of the worker pipe (docs/functions.md): u32 length of the payload, u8 type, three zeros, the
 * payload, zeros up to a multiple of 8. Integers are little-endian; a text is a u32 length, UTF-8, and a
 * zero byte.
 */

const VERSION = 4;
const FRAME_MAX = 16 << 20;
const HEADER_BYTES = 8;
const SHORT = 64; // characters, up to which a text is written by hand: a call into Buffer costs more

const TYPE = Object.freeze({
  HELLO: 1,
  SCHEMA: 2,
  STATE: 3,
  START: 4,
  BATCH: 5,
  DROP: 6,
  EVICT: 7,
  READY: 64,
  RESULT: 65,
  FAILED: 66,
});

const aligned = (length) => (length + 7) & ~7;

/* Cuts a stream of chunks into frames; a frame that lies in one chunk is not copied. */
class Splitter {
  #parts = [];
  #have = 0;
  #need = HEADER_BYTES;

  /* Calls onFrame(type, payload) for each frame that is now complete. */
  feed(chunk, onFrame) {
    this.#parts.push(chunk);
    this.#have += chunk.length;
    while (this.#have >= this.#need) {
      const bytes = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts, this.#have);
      const length = bytes.readUInt32LE(0);
      if (length > FRAME_MAX) throw new Error(`a frame of ${length} bytes`);
      this.#parts = [bytes];
      this.#need = HEADER_BYTES + aligned(length);
      if (this.#have < this.#need) return;
      this.#parts = this.#have > this.#need ? [bytes.subarray(this.#need)] : [];
      this.#have -= this.#need;
      this.#need = HEADER_BYTES;
      onFrame(bytes[4], bytes.subarray(HEADER_BYTES, HEADER_BYTES + length));
    }
  }
}

/* Reads a payload from front to back. */
class Reader {
  #bytes;
  #at = 0;

  constructor(bytes) {
    this.#bytes = bytes;
  }

  u8() {
    this.#at += 1;
    return this.#bytes.readUInt8(this.#at - 1);
  }

  u16() {
    this.#at += 2;
    return this.#bytes.readUInt16LE(this.#at - 2);
  }

  u32() {
    this.#at += 4;
    return this.#bytes.readUInt32LE(this.#at - 4);
  }

  text() {
    const length = this.u32();
    const text = this.#bytes.toString('utf8', this.#at, this.#at + length);
    this.#at += length + 1;
    if (this.#at > this.#bytes.length) throw new RangeError('a text runs over the end of its frame');
    return text;
  }
}

/* Writes one frame into a buffer that grows and is used again. */
class Writer {
  #bytes = Buffer.allocUnsafe(64 << 10);
  #at = 0;

  #room(more) {
    if (this.#at + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + more));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }

  begin(type) {
    this.#at = 0;
    this.u32(0);
    this.u32(type);
  }

  u8(value) {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  u16(value) {
    this.#room(2);
    this.#at = this.#bytes.writeUInt16LE(value, this.#at);
  }

  u32(value) {
    this.#room(4);
    this.#put(this.#at, value);
    this.#at += 4;
  }

  #put(at, value) {
    const bytes = this.#bytes;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
  }

  text(value) {
    this.#room(5 + value.length * 3);
    const start = this.#at + 4;
    const length = this.#ascii(value, start) ? value.length : this.#bytes.write(value, start, 'utf8');
    this.#put(this.#at, length);
    this.#at = start + length + 1;
    this.#bytes[start + length] = 0;
  }

  /* False: the text is long, or not ASCII, and is yet to be written. */
  #ascii(value, start) {
    const { length } = value;
    const bytes = this.#bytes;
    if (length > SHORT) return false;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) return false;
      bytes[start + i] = code;
    }
    return true;
  }

  /* The place of a u32 that is only known later. */
  hole() {
    this.u32(0);
    return this.#at - 4;
  }

  fill(hole, value) {
    this.#put(hole, value);
  }

  /* A copy, since writing it out may outlast the next begin(). */
  end() {
    const length = this.#at - HEADER_BYTES;
    this.#put(0, length);
    for (let left = aligned(length) - length; left > 0; left--) this.u8(0);
    return Buffer.from(this.#bytes.subarray(0, this.#at));
  }
}

module.exports = { VERSION, TYPE, FRAME_MAX, HEADER_BYTES, Splitter, Reader, Writer };
