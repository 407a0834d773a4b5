/**
 * Several nodes as one view of a chain: enough of them must agree (anchor/chain/node_quorum.py, views.py).
 *
 * One that lies, lags or sits on a fork can delay a verdict, and nothing else.
 */

import type { Hex } from "./bytes.ts";
import type { Block, ChainView, Connect, Target } from "./steps.ts";
import { cannotCheck, isRefusal, type Refusal } from "./errors.ts";
import { join, message, type Message } from "./messages.ts";
import { Node } from "./node.ts";
import { areDistinct, parseNodeUrl } from "./json_rpc.ts";
import type { FinalityRule } from "./policy.ts";

const SPLIT_HINT = message("quorum-split-hint");

type Read<Value> = (node: Node) => Promise<Value>;

interface Answers<Value> {
  readonly found: Map<Node, Value>;
  readonly problems: Message[];
}

/** Who was asked, and who was left out and why. */
export interface Asked {
  readonly nodes: Set<string>;
  readonly notes: Set<Message>;
}

/** Return what opens a view of a target's chain: by `rpc`, else by the policy's nodes. */
export function connectTo(rpc: readonly string[], quorum: number | null, asked: Asked): Connect {
  return async (target) => {
    const { chainId: chain } = target;
    const urls = rpc.length > 0 ? await findOnChain(rpc, target) : target.rpc;
    if (urls.length === 0) {
      throw cannotCheck(
        message("chain-nodes-unknown", { chain }), message("page-chain-nodes-unknown-hint"),
      );
    }
    urls.forEach(checkUrl);
    if (!areDistinct(urls)) {
      throw cannotCheck(
        message("chain-node-named-twice", { chain }), message("chain-node-named-twice-hint"),
      );
    }
    // What the policy asks for is never lowered here.
    const needed = Math.max(target.quorum, quorum ?? Math.min(2, rpc.length));
    if (needed > urls.length) {
      throw cannotCheck(
        message("chain-nodes-too-few", { needed, count: urls.length, chain }),
        message("page-chain-nodes-too-few-hint"),
      );
    }
    const nodes = urls.map((url) => new Node(url));
    nodes.forEach((node) => asked.nodes.add(node.name));
    return new Group(nodes, Math.max(needed, 1), target, (note) => asked.notes.add(note));
  };
}

/**
 * Return the nodes that were named, without those of chains that others are asked for.  A node that
 * is on none of these, or does not answer, stays: what is wrong with it is said where it is asked.
 */
async function findOnChain(rpc: readonly string[], target: Target): Promise<readonly string[]> {
  if (target.otherChains.length === 0) {
    return rpc;
  }
  const chains = await Promise.all(
    rpc.map((url) => new Node(url).fetchChainId().catch(() => null)),
  );
  const urls = rpc.filter((_, at) => !target.otherChains.includes(Number(chains[at] ?? -1)));
  if (urls.length === 0) {
    throw cannotCheck(
      message("chain-nodes-of-others", { chain: target.chainId }),
      message("page-chain-nodes-of-others-hint"),
    );
  }
  return urls;
}

function checkUrl(url: string): void {
  try {
    parseNodeUrl(url);
  } catch (error) {
    const { reason, hint } = error as Refusal;
    throw cannotCheck(reason, hint ?? undefined);
  }
}

/** A view over nodes of which `needed` have to agree; each block that is final is asked for once. */
class Group implements ChainView {
  private readonly finals = new Map<FinalityRule, Promise<Block>>();
  private agreed: readonly Node[];

  constructor(
    private readonly nodes: readonly Node[],
    readonly needed: number,
    private readonly target: Target,
    private readonly note: (text: Message) => void,
  ) {
    this.agreed = nodes;
  }

  fetchChainId(): Promise<bigint> {
    return this.confirm((node) => node.fetchChainId());
  }

  fetchGenesis(): Promise<Hex> {
    return this.confirm(async (node) => (await node.fetchKnown(0, message("block-genesis"))).hash);
  }

  fetchLatestStorage(address: Hex, slot: Hex): Promise<[Block, Hex][]> {
    return this.askLatest((node, latest) => node.fetchStorage(address, slot, latest));
  }

  fetchLatestCodeHash(address: Hex): Promise<[Block, Hex][]> {
    return this.askLatest((node, latest) => node.fetchCodeHash(address, latest));
  }

  fetchFinalBlock(rule: FinalityRule): Promise<Block> {
    const known = this.finals.get(rule) ?? this.agree(rule);
    this.finals.set(rule, known);
    return known;
  }

  fetchBlock(number: number): Promise<Block> {
    return this.confirm((node) => node.fetchKnown(number, message("block-by-number", { number })));
  }

  fetchCodeHash(address: Hex, block: Block): Promise<Hex> {
    return this.confirm((node) => node.fetchCodeHash(address, block));
  }

  fetchStorage(address: Hex, slot: Hex, block: Block): Promise<Hex> {
    return this.confirm((node) => node.fetchStorage(address, slot, block));
  }

  async fetchTakeovers(address: Hex, log: Hex, from: number, to: Block): Promise<Hex[]> {
    const { found } = await ask(this.agreed, (node) => node.fetchTakeovers(address, log, from, to));
    return [...new Set([...found.values()].flat())];
  }

  /** Return what `read` finds in each node's newest block; of `needed` nodes at least. */
  private async askLatest(read: (node: Node, latest: Block) => Promise<Hex>): Promise<[Block, Hex][]> {
    const { found, problems } = await this.askAgreed(async (node): Promise<[Block, Hex]> => {
      const latest = await node.fetchKnown("latest", message("block-latest"));
      return [latest, await read(node, latest)];
    });
    if (found.size < this.needed) {
      throw this.tooFew(found.size, problems);
    }
    return [...found.values()];
  }

  /** Return what `read` finds at enough of the nodes, all of which have to find the same. */
  private async confirm<Value>(read: Read<Value>): Promise<Value> {
    if (this.nodes.length === 1) {
      return read(this.nodes[0]!);
    }
    const { found, problems } = await this.askAgreed(read);
    const sides = new Map<string, { value: Value; names: string[] }>();
    for (const [node, value] of found) {
      const key = JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}` : part));
      const side = sides.get(key) ?? { value, names: [] };
      side.names.push(node.name);
      sides.set(key, side);
    }
    if (sides.size > 1) {
      const against = [...sides.values()].map(({ names }) => join(names))
        .reduce((one, other) => message("nodes-against", { one, other }));
      throw cannotCheck(message("nodes-disagree-final-content", { sides: against }), SPLIT_HINT);
    }
    const [side] = sides.values();
    if (side === undefined || found.size < this.needed) {
      throw this.tooFew(found.size, problems);
    }
    return side.value;
  }

  /** Ask the nodes that agreed on the final block, and if too few answer, the others too. */
  private async askAgreed<Value>(read: Read<Value>): Promise<Answers<Value>> {
    const first = await ask(this.agreed, read);
    if (first.found.size >= this.needed) {
      return first;
    }
    const others = this.nodes.filter((node) => !this.agreed.includes(node));
    const more = await ask(others, async (node) => {
      await this.checkPins(node);
      return read(node);
    });
    return {
      found: new Map([...first.found, ...more.found]),
      problems: [...first.problems, ...more.problems],
    };
  }

  /** Return the newest block of which enough nodes say that it is final. */
  private async agree(rule: FinalityRule): Promise<Block> {
    if (this.nodes.length === 1) {
      return this.nodes[0]!.fetchFinalBlock(rule);
    }
    const { found: finals, problems } = await ask(this.nodes, (node) => this.fetchFinal(node, rule));
    problems.forEach((reason) => this.note(message("node-left-out", { reason })));
    if (finals.size < this.needed) {
      throw this.tooFew(finals.size, problems);
    }
    const numbers = [...finals.values()].map((block) => Number(block.number)).sort((a, b) => b - a);
    const number = numbers[this.needed - 1]!;
    const claims = new Map([...finals].filter(([, block]) => block.number <= number));
    const ahead = [...finals.keys()].filter((node) => !claims.has(node));
    const there = await ask(ahead, (node) => node.fetchKnown(number, message("block-by-number", { number })));
    there.found.forEach((block, node) => claims.set(node, block));
    const by = [...claims].filter(([, block]) => block.number === number).map(([node]) => node);
    if (by.length < this.needed) {
      throw this.tooFew(by.length, [...problems, ...there.problems]);
    }
    await checkNoSplit(claims, by[0]!);
    this.agreed = by;
    return claims.get(by[0]!)!;
  }

  private async fetchFinal(node: Node, rule: FinalityRule): Promise<Block> {
    await this.checkPins(node);
    if (await node.isSyncing()) {
      throw cannotCheck(message("node-still-syncing", { name: node.name }));
    }
    return node.fetchFinalBlock(rule);
  }

  private async checkPins(node: Node): Promise<void> {
    const { chainId, genesis } = this.target;
    const isPinned = (await node.fetchChainId()) === BigInt(chainId) &&
      (genesis === null || (await node.fetchBlock(0))?.hash === genesis);
    if (!isPinned) {
      throw cannotCheck(message("node-on-other-chain", { name: node.name }));
    }
  }

  private tooFew(count: number, problems: readonly Message[]) {
    const { needed, nodes: { length: total } } = this;
    const reason = join(problems, "semicolon");
    return cannotCheck(
      problems.length > 0
        ? message("quorum-too-few-agree-because", { count, total, needed, reason })
        : message("quorum-too-few-agree", { count, total, needed }),
      message("quorum-too-few-agree-hint"),
    );
  }
}

/** Compare each claim with what the reference says of that number. */
async function checkNoSplit(claims: Map<Node, Block>, reference: Node): Promise<void> {
  for (const [node, block] of claims) {
    const ours = claims.get(reference)!;
    const theirs = block.number === ours.number ? ours : await reference.fetchBlock(Number(block.number));
    if (theirs?.hash !== block.hash) {
      const otherHash = theirs ? `0x${theirs.hash}` : message("block-unknown");
      throw cannotCheck(
        message("nodes-disagree-final-block", {
          number: block.number,
          hash: block.hash,
          name: node.name,
          other_hash: otherHash,
          other: reference.name,
        }),
        SPLIT_HINT,
      );
    }
  }
}

/** Ask them all at once, so that one that hangs costs its own time only. */
async function ask<Value>(
  nodes: readonly Node[], read: Read<Value>,
): Promise<Answers<Value>> {
  const found = new Map<Node, Value>();
  const problems: Message[] = [];
  const answers = await Promise.all(
    nodes.map((node) => read(node).catch((error: unknown) => {
      if (!isRefusal(error)) {
        throw error;
      }
      return error;
    })),
  );
  answers.forEach((answer, at) => {
    if (isRefusal(answer)) {
      problems.push(answer.reason);
    } else {
      found.set(nodes[at]!, answer);
    }
  });
  return { found, problems };
}
