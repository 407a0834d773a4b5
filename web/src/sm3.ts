/** SM3 (GB/T 32905-2016), fed in pieces. */

import { toHex } from "./bytes.ts";

const START = [
  0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
];
const turn = (word: number, by: number) => (word << by) | (word >>> (32 - by));

// What round j adds: its constant, turned j times.
const ROUNDS = Int32Array.from({ length: 64 }, (_, j) => turn(j < 16 ? 0x79cc4519 : 0x7a879d8a, j % 32));

export class Sm3 {
  private readonly state = Int32Array.from(START);
  private readonly words = new Int32Array(68);
  private readonly rest = new Uint8Array(64);
  private size = 0;

  /** Take more of the message. */
  update(data: Uint8Array): this {
    let at = 0;
    const held = this.size % 64;
    this.size += data.length;
    if (held > 0) {
      at = Math.min(64 - held, data.length);
      this.rest.set(data.subarray(0, at), held);
      if (held + at < 64) {
        return this;
      }
      this.compress(this.rest, 0);
    }
    for (; at + 64 <= data.length; at += 64) {
      this.compress(data, at);
    }
    this.rest.set(data.subarray(at));
    return this;
  }

  /** Return the hash of the whole message, in hex: padded with a bit, zeros, and its length. */
  digest(): string {
    const bits = this.size * 8;
    const end = new Uint8Array(((119 - (this.size % 64)) % 64) + 9);
    end[0] = 0x80;
    const view = new DataView(end.buffer);
    view.setUint32(end.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(end.length - 4, bits >>> 0);
    this.update(end);
    const out = new DataView(new ArrayBuffer(32));
    this.state.forEach((word, at) => out.setInt32(at * 4, word));
    return toHex(new Uint8Array(out.buffer));
  }

  private compress(data: Uint8Array, at: number): void {
    const { words: w, state } = this;
    for (let j = 0; j < 16; j++, at += 4) {
      w[j] = (data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!;
    }
    for (let j = 16; j < 68; j++) {
      const x = w[j - 16]! ^ w[j - 9]! ^ turn(w[j - 3]!, 15);
      w[j] = x ^ turn(x, 15) ^ turn(x, 23) ^ turn(w[j - 13]!, 7) ^ w[j - 6]!;
    }
    let a = state[0]!, b = state[1]!, c = state[2]!, d = state[3]!;
    let e = state[4]!, f = state[5]!, g = state[6]!, h = state[7]!;
    for (let j = 0; j < 64; j++) {
      const a12 = turn(a, 12);
      const ss1 = turn((a12 + e + ROUNDS[j]!) | 0, 7);
      const ff = j < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
      const gg = j < 16 ? e ^ f ^ g : (e & f) | (~e & g);
      const tt1 = (ff + d + (ss1 ^ a12) + (w[j]! ^ w[j + 4]!)) | 0;
      const tt2 = (gg + h + ss1 + w[j]!) | 0;
      d = c;
      c = turn(b, 9);
      b = a;
      a = tt1;
      h = g;
      g = turn(f, 19);
      f = e;
      e = tt2 ^ turn(tt2, 9) ^ turn(tt2, 17);
    }
    state[0]! ^= a;
    state[1]! ^= b;
    state[2]! ^= c;
    state[3]! ^= d;
    state[4]! ^= e;
    state[5]! ^= f;
    state[6]! ^= g;
    state[7]! ^= h;
  }
}
