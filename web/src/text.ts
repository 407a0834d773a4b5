/** How values are spelled in sentences, as Python's formats spell them. */

/** Spell a whole number with commas between its thousands. */
export const count = (value: number): string => value.toLocaleString("en-US");

/** Quote a text as Python's `repr` does; with `isAscii` as its `ascii`. */
export function quote(text: string, isAscii = false): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const letters = [...text].map((letter) => {
    if (letter === mark || letter === "\\") {
      return `\\${letter}`;
    }
    const isShown = letter === " " || (isAscii ? /[!-~]/ : /[^\p{C}\p{Z}]/u).test(letter);
    return isShown ? letter : escape(letter);
  });
  return mark + letters.join("") + mark;
}

const ESCAPES: { readonly [letter: string]: string } = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escape(letter: string): string {
  const digits = letter.codePointAt(0)!.toString(16);
  const [mark, length] = digits.length < 3 ? ["x", 2] : digits.length < 5 ? ["u", 4] : ["U", 8];
  return ESCAPES[letter] ?? `\\${mark}${digits.padStart(length as number, "0")}`;
}

/** Cut a foreign text to so many characters. */
export const cut = (text: string, most = 80): string => [...text].slice(0, most).join("");

/** Spell Unix seconds as YYYY-MM-DD hh:mm:ss, in UTC. */
export const formatTime = (seconds: number): string =>
  new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
