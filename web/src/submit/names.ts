/** Names of files: the API's rules (anchor/service/schemas.py), and how a name is shown. */

import { show } from "../page/elements.ts";
import type { Fault } from "./entry.ts";

const MAX_NAME_CHARACTERS = 4_096;
const MOST_SHOWN = 200;
const LONE_SURROGATE = /\p{Surrogate}/u;
// Characters that steer or hide others, which `show` spells out.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/u;

/** Return why the service would refuse a name; null if it takes it. */
export function faultOfName(name: string): Fault | null {
  if (name === "") {
    return "name-empty";
  }
  if (name.includes("\0")) {
    return "name-nul";
  }
  if (LONE_SURROGATE.test(name)) {
    return "name-surrogate";
  }
  return [...name].length > MAX_NAME_CHARACTERS ? "name-long" : null;
}

/** Tell whether a name looks like another one until its hidden characters are spelled out. */
export const hasHidden = (name: string): boolean => HIDDEN.test(name);

/** Return a name as it may be shown. */
export const showName = (name: string): string => show(name.replace(/\p{Surrogate}/gu, spellOut), MOST_SHOWN);

const spellOut = (half: string): string => `\\u{${half.charCodeAt(0).toString(16)}}`;
