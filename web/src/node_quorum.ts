/**
 * Several nodes as one view of a chain: enough of them must agree (anchor/chain/node_quorum.py, views.py).
 *
 * One that lies, lags or sits on a fork can delay a verdict, and nothing else.
 */

import type { Hex } from "./bytes.ts";
import type { Block, ChainView, Connect, Target } from "./steps.ts";
import { cannotCheck, isRefusal, type Refusal } from "./errors.ts";
import { Node } from "./node.ts";
import { areDistinct, parseNodeUrl } from "./json_rpc.ts";
import type { FinalityRule } from "./policy.ts";

const SPLIT_HINT = "one side is wrong or on a fork: nothing becomes final until they agree";
const AWAY_HINT = "nothing becomes final until enough of them answer; see to those that are named";

type Read<Value> = (node: Node) => Promise<Value>;

/** Who was asked, and who was left out and why. */
export interface Asked {
  readonly nodes: Set<string>;
  readonly notes: Set<string>;
}

/** Return what opens a view of a target's chain: by `rpc`, else by the policy's nodes. */
export function connectTo(rpc: readonly string[], quorum: number | null, asked: Asked): Connect {
  return async (target) => {
    const urls = rpc.length > 0 ? await findOnChain(rpc, target) : target.rpc;
    if (urls.length === 0) {
      throw cannotCheck(
        `no node of chain ${target.chainId} is known`, "name one you trust, here or in your policy",
      );
    }
    urls.forEach(checkUrl);
    if (!areDistinct(urls)) {
      throw cannotCheck(
        `of chain ${target.chainId} one node is named twice, and would agree with itself`,
        "name nodes of different operators",
      );
    }
    // What the policy asks for is never lowered here.
    const needed = Math.max(target.quorum, quorum ?? Math.min(2, rpc.length));
    if (needed > urls.length) {
      throw cannotCheck(
        `${needed} nodes have to agree, and ${urls.length} of chain ${target.chainId} are named`,
        "name more, each of another operator",
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
      `the nodes named are of other chains: none is of chain ${target.chainId}`,
      "name nodes of each chain, here or in a trust policy",
    );
  }
  return urls;
}

function checkUrl(url: string): void {
  try {
    parseNodeUrl(url);
  } catch (error) {
    throw cannotCheck((error as Refusal).message, (error as Refusal).hint);
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
    private readonly note: (text: string) => void,
  ) {
    this.agreed = nodes;
  }

  fetchChainId(): Promise<bigint> {
    return this.confirm((node) => node.fetchChainId());
  }

  fetchGenesis(): Promise<Hex> {
    return this.confirm(async (node) => (await node.fetchKnown(0, "genesis block")).hash);
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
    return this.confirm((node) => node.fetchKnown(number, `block ${number}`));
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
    const { found, problems } = await ask(this.agreed, async (node): Promise<[Block, Hex]> => {
      const latest = await node.fetchKnown("latest", "latest block");
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
    const { found, problems } = await ask(this.agreed, read);
    const sides = new Map<string, { value: Value; names: string[] }>();
    for (const [node, value] of found) {
      const key = JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}` : part));
      const side = sides.get(key) ?? { value, names: [] };
      side.names.push(node.name);
      sides.set(key, side);
    }
    if (sides.size > 1) {
      const named = [...sides.values()].map((side) => side.names.join(", ")).join(" against ");
      throw cannotCheck(`the nodes disagree about what is in the final block: ${named}`, SPLIT_HINT);
    }
    const [side] = sides.values();
    if (side === undefined || found.size < this.needed) {
      throw this.tooFew(found.size, problems);
    }
    return side.value;
  }

  /** Return the newest block of which enough nodes say that it is final. */
  private async agree(rule: FinalityRule): Promise<Block> {
    if (this.nodes.length === 1) {
      return this.nodes[0]!.fetchFinalBlock(rule);
    }
    const { found: finals, problems } = await ask(this.nodes, (node) => this.fetchFinal(node, rule));
    problems.forEach((problem) => this.note(`left out: ${problem}`));
    if (finals.size < this.needed) {
      throw this.tooFew(finals.size, problems);
    }
    const numbers = [...finals.values()].map((block) => Number(block.number)).sort((a, b) => b - a);
    const number = numbers[this.needed - 1]!;
    const claims = new Map([...finals].filter(([, block]) => block.number <= number));
    const ahead = [...finals.keys()].filter((node) => !claims.has(node));
    const there = await ask(ahead, (node) => node.fetchKnown(number, `block ${number}`));
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
    const { chainId, genesis } = this.target;
    const isPinned = (await node.fetchChainId()) === BigInt(chainId) &&
      (genesis === null || (await node.fetchBlock(0))?.hash === genesis);
    if (!isPinned) {
      throw cannotCheck(`the node ${node.name} is on another chain`);
    }
    if (await node.isSyncing()) {
      throw cannotCheck(`the node ${node.name} is still syncing`);
    }
    return node.fetchFinalBlock(rule);
  }

  private tooFew(number: number, problems: readonly string[]) {
    const why = problems.length > 0 ? `: ${problems.join("; ")}` : "";
    return cannotCheck(
      `${number} of ${this.nodes.length} nodes agree on what is final, and ${this.needed} have to${why}`,
      AWAY_HINT,
    );
  }
}

/** Compare each claim with what the reference says of that number. */
async function checkNoSplit(claims: Map<Node, Block>, reference: Node): Promise<void> {
  for (const [node, block] of claims) {
    const ours = claims.get(reference)!;
    const theirs = block.number === ours.number ? ours : await reference.fetchBlock(Number(block.number));
    if (theirs?.hash !== block.hash) {
      const there = theirs ? `0x${theirs.hash}` : "unknown";
      throw cannotCheck(
        `the nodes disagree about final block ${block.number}: it is 0x${block.hash} to ` +
          `${node.name} and ${there} to ${reference.name}`,
        SPLIT_HINT,
      );
    }
  }
}

/** Ask them all at once, so that one that hangs costs its own time only. */
async function ask<Value>(
  nodes: readonly Node[], read: Read<Value>,
): Promise<{ found: Map<Node, Value>; problems: string[] }> {
  const found = new Map<Node, Value>();
  const problems: string[] = [];
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
      problems.push(answer.message);
    } else {
      found.set(nodes[at]!, answer);
    }
  });
  return { found, problems };
}
