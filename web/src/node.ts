/** Strictly decoded reads from one node (Ethereum execution APIs; anchor/chain/node.py). */

import { encodeUtf8, fromHex, type Hex, keccak256 } from "./bytes.ts";
import type { Json, Members } from "./canonical.ts";
import type { Block } from "./steps.ts";
import { cannotCheck } from "./errors.ts";
import { NodeRefusal, Rpc } from "./json_rpc.ts";
import { message, type Message } from "./messages.ts";
import type { FinalityRule } from "./policy.ts";

// The registry's packed anchor keeps 48 bits for each.
const MAX_BLOCK = 2 ** 48 - 1;
// "Unknown block" in the execution APIs: what a node says to a tag that it has not.
const UNKNOWN_BLOCK_CODES = [-39001, -32001, -32602, -32000];
const NO_SUCH_METHOD = -32601;
const SUCCEEDED = keccak256(encodeUtf8("Succeeded(bytes32,bytes32,bytes32,uint256)"));
// A log is closed once; more events are a node's own.
const MAX_HINTS = 16;

/** A tag (`latest`, `finalized`), or a number. */
type BlockId = string | number;

/** One node's answers as values of this page. */
export class Node {
  readonly name: string;
  private readonly rpc: Rpc;

  constructor(url: string) {
    this.rpc = new Rpc(url);
    this.name = this.rpc.name;
  }

  async fetchChainId(): Promise<bigint> {
    return this.quantity(await this.rpc.call("eth_chainId"), this.resultOf("eth_chainId"));
  }

  /** Return a block's number, hash and time; null where the node does not know it. */
  async fetchBlock(block: BlockId): Promise<Block | null> {
    const id = typeof block === "number" ? `0x${block.toString(16)}` : block;
    const members = await this.rpc.call("eth_getBlockByNumber", [id, false]);
    if (members === null) {
      return null;
    }
    if (!(members instanceof Map)) {
      throw cannotCheck(message("node-block-malformed", { name: this.name }));
    }
    const found = this.readBlock(members);
    if (typeof block === "number" && found.number !== block) {
      throw cannotCheck(message("node-returned-other-block", { name: this.name }));
    }
    return found;
  }

  private readBlock(members: Members): Block {
    const { name } = this;
    const number = this.quantity(members.get("number"), this.part(message("block-number")));
    const timestamp = this.quantity(members.get("timestamp"), this.part(message("block-timestamp")));
    const label = this.part(message("block-hash"));
    const hash = this.data(members.get("hash"), label);
    if (hash.length !== 64) {
      throw cannotCheck(message("node-value-not-hash", { label }));
    }
    if (number > MAX_BLOCK || timestamp > MAX_BLOCK) {
      throw cannotCheck(message("node-block-impossible", { name, number, time: timestamp }));
    }
    return { number: Number(number), hash, timestamp: Number(timestamp) };
  }

  /** Return the block; a refusal where the node has none. */
  async fetchKnown(block: BlockId, which: Message): Promise<Block> {
    const found = await this.fetchBlock(block);
    if (found === null) {
      throw cannotCheck(message("node-has-no-block", { name: this.name, block: which }));
    }
    return found;
  }

  /** Return the newest block that is final by `rule`. */
  async fetchFinalBlock(rule: FinalityRule): Promise<Block> {
    if (rule !== "finalized") {
      const latest = await this.fetchKnown("latest", message("block-latest"));
      const number = Math.max(Number(latest.number) - rule, 0);
      return rule === 0 ? latest : this.fetchKnown(number, message("block-by-number", { number }));
    }
    let block: Block | null = null;
    try {
      block = await this.fetchBlock("finalized");
    } catch (error) {
      if (!(error instanceof NodeRefusal && UNKNOWN_BLOCK_CODES.includes(error.rpcCode))) {
        throw error;
      }
    }
    if (block === null) {
      throw cannotCheck(
        message("node-final-block-unknown", { name: this.name }),
        message("node-final-block-unknown-hint"),
      );
    }
    // Asked for afterwards, `latest` is above any tag that follows it with a delay.
    const latest = await this.fetchKnown("latest", message("block-latest"));
    if (block.number >= latest.number && latest.number > 0) {
      throw cannotCheck(
        message("node-finalized-tag-meaningless", { name: this.name }),
        message("node-finalized-tag-meaningless-hint"),
      );
    }
    return block;
  }

  /** Say whether the node is still catching up, and so knows an old state only. */
  async isSyncing(): Promise<boolean> {
    try {
      return (await this.rpc.call("eth_syncing")) !== false;
    } catch (error) {
      if (error instanceof NodeRefusal && error.rpcCode === NO_SUCH_METHOD) {
        return false; // some providers answer for many nodes and do not say
      }
      throw error;
    }
  }

  async fetchCodeHash(address: Hex, block: Block): Promise<Hex> {
    const code = await this.rpc.call("eth_getCode", [`0x${address}`, blockParam(block)]);
    return keccak256(fromHex(this.data(code, this.resultOf("eth_getCode"))));
  }

  async fetchStorage(address: Hex, slot: Hex, block: Block): Promise<Hex> {
    const params = [`0x${address}`, `0x${slot}`, blockParam(block)];
    const answer = await this.rpc.call("eth_getStorageAt", params);
    const held = this.data(answer, this.resultOf("eth_getStorageAt"));
    if (held.length !== 64) {
      const size = held.length / 2;
      throw cannotCheck(message("node-storage-word-length", { name: this.name, size }));
    }
    return held;
  }

  /** Return the roots of which `Succeeded` events of the log say that a successor began with them. */
  async fetchTakeovers(address: Hex, log: Hex, from: number, to: Block): Promise<Hex[]> {
    const logs = await this.rpc.call("eth_getLogs", [{
      address: `0x${address}`, topics: [`0x${SUCCEEDED}`, `0x${log}`],
      fromBlock: `0x${from.toString(16)}`, toBlock: `0x${to.number.toString(16)}`,
    }]);
    return (Array.isArray(logs) ? logs : []).slice(0, MAX_HINTS).flatMap((event) => {
      const data = event instanceof Map ? event.get("data") : null;
      return typeof data === "string" && /^0x[0-9a-f]{128}$/.test(data) ? data.slice(2, 66) : [];
    });
  }

  private quantity(value: Json | undefined, label: Message): bigint {
    if (typeof value !== "string" || !/^0x(0|[1-9a-f][0-9a-f]{0,63})$/.test(value)) {
      throw cannotCheck(message("node-value-not-quantity", { label }));
    }
    return BigInt(value);
  }

  private data(value: Json | undefined, label: Message): Hex {
    if (typeof value !== "string" || value.length % 2 || !/^0x[0-9a-f]*$/.test(value)) {
      throw cannotCheck(message("node-value-not-data", { label }));
    }
    return value.slice(2);
  }

  private part(part: Message): Message {
    return message("node-part", { name: this.name, part });
  }

  private resultOf(method: string): Message {
    return message("node-method-result", { name: this.name, method });
  }
}

const blockParam = (block: Block) => ({ "blockHash": `0x${block.hash}`, "requireCanonical": true });
