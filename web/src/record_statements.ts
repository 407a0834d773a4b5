/** What a record states beside its form, in the lines of a report (anchor/cli/report_text.py). */

import type { Json, Members } from "./canonical.ts";
import { join, message, type Message, type Text } from "./messages.ts";
import type { Record } from "./record.ts";
import { readGroups } from "./record_groups.ts";
import { isGroupName, labelOfGroup, type Origin, partOf } from "./release.ts";

const ID = /^[!-~]{1,200}$/;

/** Return whom a record names as its submitter; null if it names none, or in another form (anchor/evidence/record_submitter.py). */
function readSubmitter(record: Members): { account: string; actor: string } | null {
  const value = record.get("submitter");
  if (!(value instanceof Map) || value.size !== 2) {
    return null;
  }
  const [account, actor] = ["account", "actor"].map((name) => value.get(name));
  return isId(account) && isId(actor) ? { account, actor } : null;
}

const isId = (value: Json | undefined): value is string => typeof value === "string" && ID.test(value);

/** List what a record states, with the values, what the program observed, and what nothing checks. */
export function listStatements({ statements: names, members }: Record): Text[] {
  const { groups, uninterpreted } = readGroups(members);
  const list = (origin: Origin) => [...groups].flatMap(([name, value]): [Message, Json][] => {
    const part = partOf(name, value, origin);
    return part === null ? [] : [[labelOfGroup(name), part]];
  });
  const [stated, observed] = [list("stated"), list("observed")];
  const values = stated.map(([title, part]): [Message, string[]] => [title, listLeaves(part)]);
  const submitter = readSubmitter(members);
  const named = submitter ? [message("report-submitted-by", { account: submitter.account, actor: submitter.actor })] : [];
  const others = names.filter((name) => !isGroupName(name) && !(submitter && name === "submitter"));
  return [
    ...describePart(message("account-stated"), stated.map(([label]) => label)),
    ...describePart(message("account-observed"), observed.map(([label]) => label)),
    ...values.flatMap(([title, leaves]) => describePart(title, leaves, "semicolon")),
    ...(uninterpreted.length > 0 ? [message("account-uninterpreted", { names: join(uninterpreted) })] : []),
    ...named,
    ...(others.length > 0 ? [message("report-statements-unchecked", { names: join(others) })] : []),
  ];
}

function describePart(title: Message, parts: readonly Text[], separator?: "semicolon"): Message[] {
  const groups = join(parts, separator);
  return parts.length > 0 ? [message("account-part", { title, groups })] : [];
}

/** Return the texts and numbers in a value. */
function listLeaves(value: Json): string[] {
  if (value === null || typeof value !== "object") {
    return value === null ? [] : [String(value)];
  }
  return (value instanceof Map ? [...value.values()] : value).flatMap(listLeaves);
}
