/**
 * The directory of a ZIP file, read strictly, and its entries as streams (anchor/bag/zip_directory.py).
 *
 * Every byte of the file belongs to one entry or to the directory, and both say the same of each entry.
 */

import { checkName, checkNames, MAX_FILES, MAX_TOTAL_BYTES, type BagSource } from "./bag_format.ts";
import { malformed, unknownVersion } from "./errors.ts";
import { message, type Message } from "./messages.ts";
import { cut, quote } from "./text.ts";

const MAX_DIRECTORY_BYTES = 1 << 26;
const MAX_RATIO = 100;
const RATIO_FREE_BYTES = 1 << 26;
const PIECE_BYTES = 1 << 20;
const [DEFLATED, UTF8, DESCRIPTOR, ENCRYPTED] = [8, 1 << 11, 1 << 3, 1 | 1 << 6 | 1 << 13];
const [LINK_MASK, FOLDER, REGULAR] = [0xf000, 0x4000, 0x8000];
const [FULL_16, FULL_32] = [0xffff, 0xffffffff];
// Info-ZIP's fields of another name or comment than the entry's.
const OTHER_NAMES = [0x6375, 0x7075];

export interface Entry {
  readonly rawName: Uint8Array;
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

const refused = (reason: Message) => malformed(reason, message("zip-unpack-hint"));
const damaged = () => refused(message("zip-directory-invalid"));

/** Read the directory of a bag's ZIP file. */
export async function openZip(file: Blob): Promise<BagSource> {
  const { directory, count, start } = await readDirectory(file);
  const listed: Entry[] = [];
  let at = 0;
  for (let number = 0; number < count; number += 1) {
    const [entry, end] = parseEntry(directory, at);
    listed.push(entry);
    at = end;
  }
  if (at !== directory.byteLength) {
    throw damaged();
  }
  const sum = (of: "size" | "packed") => listed.reduce((total, entry) => total + entry[of], 0);
  if (sum("size") > MAX_RATIO * sum("packed") + RATIO_FREE_BYTES) {
    throw refused(message("zip-bomb", { size: sum("size"), packed: sum("packed") }));
  }
  listed.sort((one, other) => one.offset - other.offset);
  const places = new Map<string, { entry: Entry; data: number }>();
  const folders: string[] = [];
  const tops = new Set<string>();
  let end = 0;
  for (const entry of listed) {
    const { name } = entry;
    const data = entry.offset === end ? await checkHeader(file, entry, start) : start + 1;
    end = data + entry.packed;
    if (end > start) {
      throw refused(message("zip-entries-apart", { name }));
    }
    const isFolder = name.endsWith("/");
    // The name of the folder at the top is no part of the others' names, nor of their length.
    const path = isFolder ? name.slice(0, -1) : name;
    const [top] = path.split("/", 1) as [string];
    const below = path === top ? [] : [path.slice(top.length + 1)];
    [top, ...below].forEach(checkName);
    tops.add(top);
    const [rest] = below;
    if ((rest === undefined && !isFolder) || tops.size > 1) {
      throw malformed(message("zip-top-folder"));
    }
    if (isFolder && (entry.size || entry.packed)) {
      throw damaged();
    }
    if (isFolder) {
      folders.push(...below);
    } else if (places.has(rest!)) {
      throw malformed(message("bag-name-double", { name: rest!, other: rest! }));
    } else {
      places.set(rest!, { entry, data });
    }
  }
  if (end !== start || tops.size === 0) {
    throw tops.size === 0 ? malformed(message("zip-top-folder")) : damaged();
  }
  const sizes = new Map([...places].map(([name, { entry }]) => [name, entry.size]));
  checkNames(sizes, folders);
  const packed = (name: string) => {
    const { entry, data } = places.get(name)!;
    return file.slice(data, data + entry.packed);
  };
  return {
    sizes,
    blob: (name) => (places.get(name)!.entry.method === DEFLATED ? null : packed(name)),
    read: (name) => {
      const { method, size } = places.get(name)!.entry;
      return method === DEFLATED ? inflate(packed(name), name, size) : readPieces(packed(name));
    },
  };
}

/** Yield the unpacked bytes of an entry, which are as many as it says. */
export async function* inflate(packed: Blob, name: string, size: number): AsyncGenerator<Uint8Array> {
  const reader = packed.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  let left = size;
  try {
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      left -= value!.length;
      if (left < 0) {
        break;
      }
      yield value!;
    }
  } catch {
    left = -1;
  } finally {
    reader.cancel().catch(() => {}); // what follows is not wanted
  }
  if (left !== 0) {
    throw malformed(message("zip-entry-invalid", { name }));
  }
}

export async function view(file: Blob, start: number, size: number): Promise<DataView> {
  const data = await file.slice(start, start + size).arrayBuffer();
  if (start < 0 || data.byteLength !== size) {
    throw refused(message("zip-end-missing"));
  }
  return new DataView(data);
}

const bytesOf = (data: DataView, start: number, end: number) =>
  new Uint8Array(data.buffer, data.byteOffset + start, end - start);
const wide = (data: DataView, at: number) => Number(data.getBigUint64(at, true));

/** Return the directory's bytes, its count of entries, and where it begins. */
export async function readDirectory(file: Blob): Promise<{ directory: DataView; count: number; start: number }> {
  let place = file.size - 22;
  const end = await view(file, place, 22);
  const [short, long] = [(at: number) => end.getUint16(at, true), (at: number) => end.getUint32(at, true)];
  if (long(0) !== 0x06054b50 || short(20) !== 0) {
    throw refused(message("zip-end-missing"));
  }
  let [count, size, start] = [short(10), long(12), long(16)];
  let isWhole = short(4) === 0 && short(6) === 0 && short(8) === count;
  if (isWhole && (count === FULL_16 || size === FULL_32 || start === FULL_32)) {
    place -= 76;
    const record = await view(file, place, 76);
    const number = (at: number) => record.getUint32(at, true);
    if (number(0) !== 0x06064b50 || wide(record, 4) !== 44 || number(56) !== 0x07064b50 || wide(record, 64) !== place) {
      throw refused(message("zip-end-missing"));
    }
    const fields = [[count, FULL_16], [size, FULL_32], [start, FULL_32]] as const;
    const found = [wide(record, 32), wide(record, 40), wide(record, 48)] as const;
    if (fields.some(([own, full], at) => own !== full && own !== found[at])) {
      throw damaged();
    }
    [count, size, start] = found;
    isWhole = number(16) === 0 && number(20) === 0 && wide(record, 24) === count && number(60) === 0 && number(72) === 1;
  }
  if (!isWhole || start + size !== place) {
    throw damaged();
  }
  if (count > 2 * MAX_FILES || size > MAX_DIRECTORY_BYTES) {
    throw malformed(message("bag-files-too-many", { limit: MAX_FILES }));
  }
  return { directory: await view(file, start, size), count, start };
}

/** Return the entry at a place of the directory, and the place behind it. */
export function parseEntry(data: DataView, at: number): [Entry, number] {
  if (at + 46 > data.byteLength) {
    throw damaged();
  }
  const [short, long] = [(by: number) => data.getUint16(at + by, true), (by: number) => data.getUint32(at + by, true)];
  const nameEnd = at + 46 + short(28);
  const extraEnd = nameEnd + short(30);
  const end = extraEnd + short(32);
  if (long(0) !== 0x02014b50 || end > data.byteLength || short(34) !== 0) {
    throw damaged();
  }
  const [flags, method, kind] = [short(8), short(10), long(38) >>> 16 & LINK_MASK];
  const rawName = bytesOf(data, at + 46, nameEnd);
  const name = decodeName(rawName, (flags & UTF8) !== 0);
  const values = [long(24), long(20), long(42)];
  const [size, packed, offset] = widen(name, bytesOf(data, nameEnd, extraEnd), values) as [number, number, number];
  checkFlags(name, flags);
  if (kind !== 0 && kind !== (name.endsWith("/") ? FOLDER : REGULAR)) {
    throw refused(message("bag-file-kind", { name }));
  }
  if (method !== 0 && method !== DEFLATED) {
    throw unknownVersion(message("zip-method-unknown", { name, actual: method }));
  }
  if (method === 0 && packed !== size) {
    throw refused(message("zip-headers-differ", { name }));
  }
  return [{ rawName, name, flags, method, crc: long(16), packed, size, offset }, end];
}

function decodeName(raw: Uint8Array, isUtf8: boolean): string {
  try {
    if (isUtf8 || raw.every((byte) => byte < 128)) {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
    }
  } catch { /* refused below */ }
  const name = quote(cut(String.fromCharCode(...raw.subarray(0, 80))), true);
  throw refused(message("zip-name-not-utf8", { name }));
}

function checkFlags(name: string, flags: number): void {
  if (flags & ENCRYPTED) {
    throw refused(message("zip-encrypted", { name }));
  }
  if (flags & DESCRIPTOR) {
    throw refused(message("zip-descriptor", { name }));
  }
  if (flags & ~(UTF8 | 6)) {
    throw damaged();
  }
}

/** Return sizes and offset, with those of 64 bits in place of the full ones of 32. */
function widen(name: string, extra: Uint8Array, values: number[]): number[] {
  const data = new DataView(extra.buffer, extra.byteOffset, extra.length);
  const ambiguous = () => refused(message("zip-fields-invalid", { name }));
  let own: DataView | null = null;
  for (let at = 0; at < extra.length;) {
    if (at + 4 > extra.length) {
      throw ambiguous();
    }
    const [kind, end] = [data.getUint16(at, true), at + 4 + data.getUint16(at + 2, true)];
    if (end > extra.length || OTHER_NAMES.includes(kind) || (kind === 1 && own)) {
      throw ambiguous();
    }
    own = kind === 1 ? new DataView(extra.buffer, extra.byteOffset + at + 4, end - at - 4) : own;
    at = end;
  }
  const full = values.filter((value) => value === FULL_32).length;
  if (full === 0) {
    return values;
  }
  if (own?.byteLength !== 8 * full) {
    throw ambiguous();
  }
  let next = 0;
  const widened = values.map((value) => (value === FULL_32 ? wide(own, 8 * next++) : value));
  if (widened.some((value) => value > MAX_TOTAL_BYTES)) {
    throw ambiguous();
  }
  return widened;
}

/** Compare an entry's own header with the directory; return where its data begins. */
export async function checkHeader(file: Blob, entry: Entry, limit: number): Promise<number> {
  const { name, offset } = entry;
  const apart = () => refused(message("zip-entries-apart", { name }));
  if (offset + 30 > limit) {
    throw apart();
  }
  // Most headers are short: one read gets all of it.
  let data = await view(file, offset, Math.min(limit - offset, 30 + entry.rawName.length + 256));
  const [short, long] = [(at: number) => data.getUint16(at, true), (at: number) => data.getUint32(at, true)];
  const nameEnd = 30 + short(26);
  const end = nameEnd + short(28);
  if (long(0) !== 0x04034b50 || offset + end > limit) {
    throw apart();
  }
  if (end > data.byteLength) {
    data = await view(file, offset, end);
  }
  const [size, packed] = widen(name, bytesOf(data, nameEnd, end), [long(22), long(18)]);
  const own = [bytesOf(data, 30, nameEnd).join(), short(6), short(8), long(14), packed, size];
  const listed = [entry.rawName.join(), entry.flags, entry.method, entry.crc, entry.packed, entry.size];
  if (own.some((value, at) => value !== listed[at])) {
    throw refused(message("zip-headers-differ", { name }));
  }
  return offset + end;
}

/** Yield the bytes of a file in pieces. */
export async function* readPieces(file: Blob): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.size; at += PIECE_BYTES) {
    yield new Uint8Array(await file.slice(at, at + PIECE_BYTES).arrayBuffer());
  }
}
