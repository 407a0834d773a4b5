/** The question about a dropped policy: whose it is decides everything, and no file can tell. */

import { formatAddress, sha256 } from "../bytes.ts";
import { isRefusal } from "../errors.ts";
import { findChain } from "../release.ts";
import { parsePolicy, type TrustEntry } from "../policy.ts";
import { type Child, find, make, show } from "./elements.ts";
import type { Say } from "./report.ts";

/** What the person said of a dropped file that looks like a policy. */
export type Answer = "mine" | "file" | "neither";

/** Ask whose a dropped policy is; what it pins is shown with the question. */
export function askWhose(name: string, data: Uint8Array, say: Say): Promise<Answer> {
  const dialog = find<HTMLDialogElement>("question");
  const [entries, problem] = read(data);
  let answered: Answer = "neither"; // what Escape leaves, in whichever browser
  const button = (key: "ismine" | "isfile" | "leave", answer: Answer) => {
    const made = make("button", { type: "button", class: "plain-button" }, say(key));
    made.addEventListener("click", () => {
      answered = answer;
      dialog.close();
    });
    return made;
  };
  dialog.replaceChildren(
    make("h2", { id: "question-title" }, say("question", { name: show(name, 120) })),
    make("p", {}, say("questionwhy")),
    ...(entries
      ? [make("p", {}, say("questionpins")), make("ul", {}, ...entries.map((entry) => describe(entry, say)))]
      : [make("p", { class: "problem" }, say("questionbad", { why: show(problem) }))]),
    make("p", { class: "small" }, make("code", {}, `SHA-256 ${sha256(data)}`)),
    make("p", { class: "go" }, button("leave", "neither"), ...(entries ? [button("ismine", "mine")] : []),
      button("isfile", "file")),
  );
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(answered), { once: true });
  });
}

function read(data: Uint8Array): [TrustEntry[] | null, string] {
  try {
    return [parsePolicy(data), ""];
  } catch (error) {
    if (!isRefusal(error)) {
      throw error;
    }
    return [null, error.message];
  }
}

function describe({ chainId, owner, registry, logs, blockHashes, rpc }: TrustEntry, say: Say): HTMLElement {
  const parts: Child[] = [say("pin", {
    chain: nameChain(chainId, say), logs: logs.slice(0, 8).join(", ") + (logs.length > 8 ? ", …" : ""),
    owner: formatAddress(owner), registry: formatAddress(registry),
  })];
  if (blockHashes.length > 0) {
    parts.push("; ", say("pinblocks", { n: blockHashes.length }));
  }
  if (rpc.length > 0) {
    parts.push("; ", say("pinnodes", { names: show(rpc.map(hostOf).join(", ")) }));
  }
  return make("li", {}, ...parts);
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : "?");

/** Return a chain's name and id. */
export const nameChain = (chainId: number, say: Say): string => {
  const chain = findChain(chainId);
  const id = say("unlisted", { n: chainId });
  return chain ? `${chain.name} (${id})` : id;
};
