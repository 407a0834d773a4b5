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

// A custody event or a notice makes sense together with its kind only, and the kind with it.
const OF_KIND: { readonly [kind: string]: string } = { "custody-event": "custody", supersedes: "notice", withdraws: "notice" };

/** The groups of a record, and the names of those that have another form. */
export interface Groups {
  readonly groups: Members;
  readonly uninterpreted: readonly string[];
}

/** Read the groups of a record. */
export function readGroups(record: Members): Groups {
  const present = Object.keys(GROUPS).filter((name) => record.has(name));
  const read = new Set(present.filter((name) => isGroup(name, record)));
  if (read.has("items") && read.has("manifest")) {
    read.delete("items");
    read.delete("manifest");
  }
  return {
    groups: new Map([...read].map((name) => [name, record.get(name)!])),
    uninterpreted: present.filter((name) => !read.has(name)),
  };
}

function isGroup(name: string, record: Members): boolean {
  const value = record.get(name)!;
  if (!fits(value, GROUPS[name]!)) {
    return false;
  }
  switch (name) {
    case "collection":
      return !endsEarly(value as Members);
    case "items":
      return (value as Members[]).every((item) => (item.get("digests") as Members).size > 0);
    case "kind": {
      const other = Object.hasOwn(OF_KIND, value as string) ? OF_KIND[value as string]! : null;
      return other === null || (record.has(other) && isGroup(other, record));
    }
    case "custody":
      return record.get("kind") === "custody-event";
    case "notice":
      return record.get("kind") === ((value as Members).has("replacement") ? "supersedes" : "withdraws");
    default:
      return true;
  }
}

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
  const read = readGroups(record).groups;
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
