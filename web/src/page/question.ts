/** The question about a dropped policy: whose it is decides everything, and no file can tell. */

import { formatAddress, sha256 } from "../bytes.ts";
import { isRefusal } from "../errors.ts";
import { join, message, type Message, type Text } from "../messages.ts";
import { findChain, nameOf } from "../release.ts";
import { parsePolicy, type TrustEntry } from "../policy.ts";
import { find, make, show } from "./elements.ts";
import type { Say } from "./report.ts";

/** What the person said of a dropped file that looks like a policy. */
export type Answer = "mine" | "file" | "neither";

/** Ask whose a dropped policy is; what it pins is shown with the question. */
export function askWhose(name: string, data: Uint8Array, say: Say): Promise<Answer> {
  const dialog = find<HTMLDialogElement>("question");
  const [entries, reason] = read(data);
  const shown = show(name, 120);
  let answered: Answer = "neither"; // what Escape leaves, in whichever browser
  const button = (label: Message, answer: Answer) => {
    const made = make("button", { type: "button", class: "plain-button" }, say(label));
    made.addEventListener("click", () => {
      answered = answer;
      dialog.close();
    });
    return made;
  };
  dialog.replaceChildren(
    make("h2", { id: "question-title" }, say(message("page-policy-question", { name: shown }))),
    make("p", {}, say(message("page-policy-question-reason"))),
    ...(entries
      ? [make("p", {}, say(message("page-policy-pins"))),
        make("ul", {}, ...entries.map((entry) => make("li", {}, say(describe(entry)))))]
      : [make("p", { class: "problem" }, show(say(message("page-policy-unreadable", { reason }))))]),
    make("p", { class: "small" }, make("code", {}, `SHA-256 ${sha256(data)}`)),
    make("p", { class: "go" }, button(message("page-policy-leave"), "neither"),
      ...(entries ? [button(message("page-policy-mine"), "mine")] : []),
      button(message("page-policy-is-file"), "file")),
  );
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(answered), { once: true });
  });
}

function read(data: Uint8Array): [TrustEntry[] | null, Text] {
  try {
    return [parsePolicy(data), ""];
  } catch (error) {
    if (!isRefusal(error)) {
      throw error;
    }
    return [null, error.reason];
  }
}

function describe({ chainId, owner, registry, logs, blockHashes, rpc }: TrustEntry): Text {
  const chain = nameChain(chainId);
  const shown = join([...logs.slice(0, 8).map(String), ...(logs.length > 8 ? ["…"] : [])]);
  const parts = [message("page-policy-pin", {
    chain,
    logs: shown,
    owner: formatAddress(owner),
    registry: formatAddress(registry),
  })];
  if (blockHashes.length > 0) {
    parts.push(message("page-policy-pin-blocks", { count: blockHashes.length }));
  }
  if (rpc.length > 0) {
    const names = join(rpc.map((url) => show(hostOf(url))));
    parts.push(message("page-policy-pin-nodes", { names }));
  }
  return join(parts, "semicolon");
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : "?");

/** Return a chain's id and name. */
function nameChain(chain: number): Message {
  const found = findChain(chain);
  return found
    ? message("chain-with-name", { chain, name: nameOf(found) })
    : message("chain-by-number", { chain });
}
