// SPDX-License-Identifier: BSD-2-Clause
'use strict';

/* Hashes of 32 bits. hashText() is the same in all runtimes, since sketches that are kept hold it. */

/* CRC-32 of IEEE 802.3, a byte at a time. */
const CRC = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc;
});

/* MurmurHash3's finalizer (Appleby, public domain): each bit of the result depends on all. */
function mix(hash) {
  const half = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const whole = Math.imul(half ^ (half >>> 13), 0xc2b2ae35);
  return whole ^ (whole >>> 16);
}

function hashBytes(bytes) {
  let crc = -1;
  for (const byte of bytes) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
  return mix(~crc);
}

/* Of its UTF-8: the CRC, mixed. */
function hashText(text) {
  let crc = -1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return hashBytes(Buffer.from(text));
    crc = CRC[(crc ^ code) & 255] ^ (crc >>> 8);
  }
  return mix(~crc);
}

module.exports = { mix, hashText };
