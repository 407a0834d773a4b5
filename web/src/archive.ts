/**
 * A ZIP file of any maker, entry by entry: what is not safe to read, or not told apart from another, is
 * refused by its name and reason, and the rest goes on.  Nothing is ever written to a disk.
 */

import { fold } from "./bag_format.ts";
import { isRefusal, malformed } from "./errors.ts";
import { message, type Message } from "./messages.ts";
import { checkHeader, type Entry, inflate, parseEntry, readDirectory, readPieces, view } from "./zip.ts";

const MAX_ARCHIVE_BYTES = 50_000_000;
const MAX_ENTRIES = 2_000;
// What all entries may unpack to: some seconds of hashing, piece by piece.
const MAX_UNPACKED_BYTES = 500_000_000;
// Deflate gives at most 1,032 for 1; documents and logs stay below this.
const MAX_RATIO = 100;
const RATIO_FREE_BYTES = 1 << 20;
// Those of a bag: the folder at the top and a folder below it, of MAX_NAME_BYTES each, and their slashes.
const MAX_NAME_CHARACTERS = 2_050;
const [DEFLATED, DESCRIPTOR] = [8, 1 << 3];
export const RECEIPT_SUFFIX = ".anchor.json";
const UNSAFE = /[\\\0]|^\/|^[A-Za-z]:|(^|\/)\.\.(\/|$)/;

/** One file in the ZIP, as it can be read. */
export interface ArchiveFile {
  readonly name: string;
  readonly size: number;
  read(): AsyncGenerator<Uint8Array>;
}

/** An entry that is not read, and why. */
export interface RefusedFile {
  readonly name: string;
  readonly reason: Message;
}

export interface Archive {
  readonly files: readonly ArchiveFile[];
  readonly refused: readonly RefusedFile[];
}

interface Listed extends Entry {
  /** Its sizes are behind its data, and in the directory. */
  readonly isStreamed: boolean;
}

/** Tell by its first bytes or its name whether a file is meant as a ZIP file. */
export async function isZip(file: File): Promise<boolean> {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return (first === 0x50 && second === 0x4b) || /\.zip$/i.test(file.name);
}

/** Tell by the names in a file whether it is the ZIP file of a bag, or one with receipts that is no bag. */
export async function sortZip(file: File): Promise<"bag" | "receipts" | null> {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  if (first !== 0x50 || second !== 0x4b) {
    return null;
  }
  try {
    const { directory, count } = await readDirectory(file);
    const refused: RefusedFile[] = [];
    const names = [...listEntries(directory, count, refused), ...refused].map(({ name }) => name);
    if (names.some((name) => /^([^/]*\/)?bagit\.txt$/.test(name))) {
      return "bag";
    }
    return names.some(isReceiptName) ? "receipts" : null;
  } catch {
    return /\.zip$/i.test(file.name) ? "bag" : null; // a damaged one is told for what it is
  }
}

export const isReceiptName = (name: string): boolean => name.toLowerCase().endsWith(RECEIPT_SUFFIX);

/** List the files of a ZIP file; refuses the whole only where its directory cannot be read, or is too long. */
export async function openArchive(file: Blob): Promise<Archive> {
  if (file.size > MAX_ARCHIVE_BYTES) {
    throw malformed(message("zip-too-large", { size: file.size, limit: MAX_ARCHIVE_BYTES }));
  }
  const { directory, count, start } = await readDirectory(file);
  if (count > MAX_ENTRIES) {
    throw malformed(message("zip-too-many", { count, limit: MAX_ENTRIES }));
  }
  const refused: RefusedFile[] = [];
  const listed = listEntries(directory, count, refused);
  const offsets = listed.map(({ offset }) => offset).sort((one, other) => one - other);
  const names = countNames(listed);
  const files: ArchiveFile[] = [];
  let unpacked = 0;
  for (const entry of listed) {
    const { name, size, packed } = entry;
    const refuse = (reason: Message) => refused.push({ name, reason });
    if (UNSAFE.test(name) || name.length > MAX_NAME_CHARACTERS) {
      refuse(message("zip-name-unsafe"));
    } else if (names.get(fold(name))! > 1) {
      refuse(message("zip-name-double"));
    } else if (size > MAX_RATIO * packed + RATIO_FREE_BYTES) {
      refuse(message("zip-bomb", { size, packed }));
    } else if (unpacked + size > MAX_UNPACKED_BYTES) {
      refuse(message("zip-unpacked-too-large", { limit: MAX_UNPACKED_BYTES }));
    } else {
      try {
        const data = await locate(file, entry, start, offsets);
        unpacked += size;
        if (!name.endsWith("/")) {
          files.push({ name, size, read: () => readEntry(file.slice(data, data + packed), entry) });
        } else if (size > 0) {
          refuse(message("zip-directory-invalid"));
        }
      } catch (error) {
        refuse(reasonOf(error));
      }
    }
  }
  return { files, refused };
}

/** Return the reason of a refusal; what is none is a bug. */
export function reasonOf(error: unknown): Message {
  if (!isRefusal(error)) {
    throw error;
  }
  return error.reason;
}

function listEntries(directory: DataView, count: number, refused: RefusedFile[]): Listed[] {
  const listed: Listed[] = [];
  let at = 0;
  for (let number = 0; number < count; number += 1) {
    if (at + 46 > directory.byteLength || directory.getUint32(at, true) !== 0x02014b50) {
      throw malformed(message("zip-directory-invalid"));
    }
    const nameEnd = at + 46 + directory.getUint16(at + 28, true);
    const end = nameEnd + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
    if (end > directory.byteLength) {
      throw malformed(message("zip-directory-invalid"));
    }
    // Many programs write the sizes behind the data: those of the directory count here.
    const flags = directory.getUint16(at + 8, true);
    directory.setUint16(at + 8, flags & ~DESCRIPTOR, true);
    try {
      listed.push({ ...parseEntry(directory, at)[0], isStreamed: (flags & DESCRIPTOR) !== 0 });
    } catch (error) {
      const raw = new Uint8Array(directory.buffer, directory.byteOffset + at + 46, nameEnd - at - 46);
      refused.push({ name: new TextDecoder().decode(raw), reason: reasonOf(error) });
    }
    at = end;
  }
  if (at !== directory.byteLength) {
    throw malformed(message("zip-directory-invalid"));
  }
  return listed;
}

/** Return where an entry's data begins, which are its own only. */
async function locate(file: Blob, entry: Listed, start: number, offsets: readonly number[]): Promise<number> {
  const { name, offset, packed, isStreamed } = entry;
  const data = isStreamed ? await checkStreamed(file, entry, start) : await checkHeader(file, entry, start);
  const place = offsets.lastIndexOf(offset);
  const isShared = offsets.indexOf(offset) !== place;
  if (isShared || data + packed > (offsets[place + 1] ?? start)) {
    throw malformed(message("zip-entries-apart", { name }));
  }
  return data;
}

/** Compare the header of an entry whose sizes are behind its data; return where the data begin. */
async function checkStreamed(file: Blob, { name, rawName, method, offset }: Entry, limit: number): Promise<number> {
  if (offset + 30 + rawName.length > limit) {
    throw malformed(message("zip-entries-apart", { name }));
  }
  const header = await view(file, offset, 30 + rawName.length);
  const short = (at: number) => header.getUint16(at, true);
  const own = new Uint8Array(header.buffer, 30).join();
  const isSame = short(26) === rawName.length && own === rawName.join() && short(8) === method;
  if (header.getUint32(0, true) !== 0x04034b50 || !isSame) {
    throw malformed(message("zip-headers-differ", { name }));
  }
  return offset + 30 + rawName.length + short(28);
}

const readEntry = (packed: Blob, { name, method, size }: Entry): AsyncGenerator<Uint8Array> =>
  method === DEFLATED ? inflate(packed, name, size) : readPieces(packed);

/** Return how often each name is there, of those that file systems may take for the same. */
function countNames(listed: readonly Entry[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { name } of listed) {
    counts.set(fold(name), (counts.get(fold(name)) ?? 0) + 1);
  }
  return counts;
}
