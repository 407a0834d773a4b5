/** The text of a statement (anchor/evidence/statement_text.py): one printable line. */

export const MAX_CHARACTERS = 1_000;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;

export const isStatementText = (text: string): boolean =>
  [...text].length <= MAX_CHARACTERS && text.trim() !== "" && !UNPRINTABLE.test(text);
