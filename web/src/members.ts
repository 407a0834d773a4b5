/** What a member's value has to be, in the words of pydantic (anchor/base/messages/validation.py). */

import type { Refusal } from "./errors.ts";
import { message, type Message } from "./messages.ts";

type Refuse = (reason: Message) => Refusal;

export function asInteger(value: unknown, least: number, most: number, refuse: Refuse): number {
  if (typeof value !== "number") {
    throw refuse(message("value-not-integer"));
  }
  if (value < least) {
    throw refuse(message("value-below-limit", { limit: least }));
  }
  if (value > most) {
    throw refuse(message("value-above-limit", { limit: most }));
  }
  return value;
}

/** Return a list of at most `most` items, and of one at least where `least` is not 0. */
export function asList<Item>(
  value: Item | Item[] | undefined, least: number, most: number, refuse: Refuse,
): Item[] {
  if (!Array.isArray(value)) {
    throw refuse(message("value-not-list"));
  }
  const [kind, found] = [message("value-kind-list"), value.length];
  if (found < least) {
    throw refuse(message("value-items-too-few-for-one", { kind, limit: least, actual: found }));
  }
  if (found > most) {
    throw refuse(message("value-items-too-many", { kind, limit: most, actual: found }));
  }
  return value;
}
