/** Node's, which the types of hash-wasm name. */
interface Buffer extends Uint8Array {}
