/** Files that somebody chose or dropped, each with its path below what was chosen. */

/** One file; `again` reads from the disk what the browser knows of it, where the browser can. */
export interface ChosenFile {
  readonly name: string;
  readonly file: File;
  readonly isText: boolean;
  readonly again: (() => Promise<File>) | null;
}

/** Return the files of an input. */
export function* listChosen(files: FileList): Generator<ChosenFile> {
  for (const file of files) {
    yield { name: file.webkitRelativePath || file.name, file, isText: false, again: null };
  }
}

/**
 * Return the files that were dropped, and those in dropped folders; of what cannot be listed, its name.
 *
 * What was dropped is gone once the event is over: this has to be called while it lasts.
 */
export function listDropped(dropped: DataTransfer): AsyncGenerator<ChosenFile | string> {
  const entries = [...dropped.items].map((each) => each.webkitGetAsEntry()).filter((each) => each !== null);
  return walk(entries, [...dropped.files]);
}

async function* walk(entries: FileSystemEntry[], files: File[]): AsyncGenerator<ChosenFile | string> {
  if (entries.length === 0) {
    // What a script dropped has no place on a disk.
    for (const file of files) {
      yield { name: file.name, file, isText: false, again: null };
    }
  }
  for (const entry of entries) {
    yield* list(entry);
  }
}

async function* list(entry: FileSystemEntry): AsyncGenerator<ChosenFile | string> {
  const name = entry.fullPath.replace(/^\//, "");
  try {
    if (isFile(entry)) {
      const again = () => new Promise<File>((resolve, reject) => entry.file(resolve, reject));
      yield { name, file: await again(), isText: false, again };
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      // Browsers give some hundred at a time, and none at the end.
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) {
        return;
      }
      for (const each of some) {
        yield* list(each);
      }
    }
  } catch {
    yield name;
  }
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
