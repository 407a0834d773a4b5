/**
 * The groups of a record, and what its profile demands of them (anchor/evidence/group_reading.py,
 * anchor/evidence/collection_profiles.py): a group of another form cannot be interpreted.
 */

import type { Json, Members } from "./canonical.ts";
import { join, message, named, type Message } from "./messages.ts";
import { isTime } from "./record.ts";
import { isStatementText } from "./statement_text.ts";
import release from "./release.json" with { type: "json" };

/** What a value has to be; build_page.py writes these from the package's models. */
type Form =
  | "text" | "time"
  | { readonly like: string }
  | { readonly in: readonly string[] }
  | { readonly chars: readonly [number, number] }
  | { readonly within: readonly [number, number] }
  | { readonly of: Form; readonly count: readonly [number, number] }
  | { readonly has: { readonly [name: string]: Form }; readonly needs: readonly string[] }
  | { readonly any: readonly Form[] };

const GROUPS = release.forms as unknown as { readonly [name: string]: Form };
const DEMANDS: { readonly [profile: string]: readonly (readonly string[])[] } = release.demands;

/** Tell whether a value has the form of the group of that name. */
export const isGroup = (name: string, value: Json | undefined): boolean =>
  value !== undefined && fits(value, GROUPS[name]!) && (name !== "collection" || !endsEarly(value as Members));

function fits(value: Json, form: Form): boolean {
  if (form === "time") {
    return isTime(value);
  }
  if (form === "text") {
    return typeof value === "string" && isStatementText(value);
  }
  if ("any" in form) {
    return form.any.some((each) => fits(value, each));
  }
  if ("has" in form) {
    return value instanceof Map && form.needs.every((name) => value.has(name)) &&
      [...value].every(([name, member]) => Object.hasOwn(form.has, name) && fits(member, form.has[name]!));
  }
  if ("of" in form) {
    return Array.isArray(value) && isWithin(value.length, form.count) && value.every((each) => fits(each, form.of));
  }
  if ("chars" in form) {
    return typeof value === "string" && isWithin([...value].length, form.chars);
  }
  if ("within" in form) {
    return typeof value === "number" && isWithin(value, form.within);
  }
  return typeof value === "string" &&
    ("in" in form ? form.in.includes(value) : new RegExp(form.like).test(value));
}

const isWithin = (value: number, [least, most]: readonly [number, number]) => least <= value && value <= most;

/** Tell whether a collection ends before it starts; fractions of a second have one to six digits. */
function endsEarly(collection: Members): boolean {
  const [start, end] = ["started_at", "ended_at"].map((name) => {
    const time = collection.get(name) as string | undefined;
    return time && time.slice(0, 19) + time.slice(20, -1).padEnd(6, "0");
  });
  return start !== undefined && end !== undefined && end < start;
}

/** Return what the record documents by which profile, as a clause, and whether nothing is missing that must be there. */
export function judgeAccount(record: Members): [clause: Message, isComplete: boolean] {
  const read: Members = new Map([...record].filter(([name, value]) => Object.hasOwn(GROUPS, name) && isGroup(name, value)));
  const profile = read.get("profile") as string | undefined;
  if (profile === undefined) {
    return [message("account-without-profile"), false];
  }
  const lacking = DEMANDS[profile]!.map(parseDemand).filter((demand) => !isMet(demand, read));
  const names = join(lacking.map(({ path, label }) => message("profile-member", { member: path, label: named(label) })));
  return [
    lacking.length > 0 ? message("account-incomplete", { profile, names }) : message("account-complete", { profile }),
    lacking.every(({ isMust }) => !isMust),
  ];
}

function parseDemand([demand, label]: readonly string[]) {
  const [, mark, path, least = "1", other = ""] = /^(\??)([^*|]+)(?:\*(\d+))?(?:\|(.+))?$/.exec(demand!)!;
  return { path: path!, isMust: mark === "", least: Number(least), other, label: label! };
}

function isMet({ path, least, other }: ReturnType<typeof parseDemand>, groups: Members): boolean {
  const [name, member] = path.split(".") as [string, string?];
  const owner = (member === undefined ? groups : groups.get(name) ?? new Map()) as Members;
  const value = owner.get(member ?? name);
  if (path === "clock" && value !== undefined) {
    return ["agree", "disagree"].includes((value as Members).get("state") as string);
  }
  if (Array.isArray(value)) {
    return value.length >= least;
  }
  return value instanceof Map ? value.size > 0 : value !== undefined || owner.has(other);
}
