// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IAnchorRegistry
/// @notice Keeps the heads of append-only Merkle logs (RFC 9162 section 2.1, SHA-256). A head is
/// accepted only with a proof that it extends the one before it, so within one log not even its
/// owner can rewrite, fork or drop what was anchored. All the owner can do is close the log, for
/// all to see, and go on in another from an anchor of its choice ({succeed}).
///
/// @dev A log's id is `uint96 number ‖ address owner`: the low 160 bits own the log, for ever. The
/// owner, meant to be a cold key or a multisig, authorises operator keys, log by log.
///
/// **A root commits to leaves, not to a size.** The chain checks that the proofs' shapes fit the
/// claimed sizes and that the roots match; a size, and with it an index, stays the operator's claim
/// until somebody recomputes the root from all leaves.
///
/// **The storage layout is public API**, so that values can be proven with `eth_getProof` long
/// after nodes dropped the events (EIP-4444). `H` is keccak256 of the two words back to back, an
/// address or an integer is left-padded to a word:
///
/// | value                  | slot                     |
/// | ---------------------- | ------------------------ |
/// | anchors[log][root]     | H(root ‖ H(log ‖ 0))     |
/// | heads[log]             | H(log ‖ 1)               |
/// | operatorKeys[log][id]  | H(id ‖ H(log ‖ 2))       |
/// | operatorIds[log][key]  | H(key ‖ H(log ‖ 3))      |
/// | successors[log]        | H(log ‖ 4)               |
/// | predecessors[log]      | H(log ‖ 5)               |
/// | lastHeads[log]         | H(log ‖ 6)               |
///
/// `anchors` holds an {Anchor} in one word, from the lowest bit up: size 48, sequence 40,
/// blockNumber 48, timestamp 48, operatorId 72. `heads` holds the newest root, zero before the
/// first anchor, and all ones ("closed") once the log has a successor. `lastHeads` then holds the
/// root it had.
interface IAnchorRegistry {
    /// @notice One anchored head; all zero where there is none.
    /// @param size The leaves the operator says the root covers; never zero.
    /// @param sequence Which of the log's anchors it is, counted from 1 without gaps.
    /// @param blockNumber `block.number` at anchoring; some rollups take it from their parent chain.
    /// @param timestamp `block.timestamp` at anchoring: the root existed by then, by the chain's clock.
    /// @param operatorId Who sent it: 0 is the log's owner, else see {operatorKey}.
    struct Anchor {
        uint48 size;
        uint40 sequence;
        uint48 blockNumber;
        uint48 timestamp;
        uint72 operatorId;
    }

    /// @notice `root` became the head of `log`. `previousRoot` is zero for a log's first anchor.
    event Anchored(
        bytes32 indexed log,
        bytes32 indexed root,
        uint256 size,
        uint256 sequence,
        bytes32 previousRoot
    );

    /// @notice `key` now anchors in `log` under `id`, or no longer at all where `id` is 0.
    event OperatorSet(bytes32 indexed log, address indexed key, uint72 id);

    /// @notice `oldLog` is closed; `newLog` goes on from its anchor `fromRoot` over `size` leaves.
    event Succeeded(bytes32 indexed oldLog, bytes32 indexed newLog, bytes32 fromRoot, uint256 size);

    /// @notice The chain has no SHA-256 precompile, so the registry cannot be deployed.
    error Sha256Missing();

    /// @notice The SHA-256 precompile did not answer with a hash.
    error Sha256Failed();

    /// @notice `caller` does not own `log`.
    error NotOwner(bytes32 log, address caller);

    /// @notice `caller` is neither the owner nor an operator of `log`.
    error NotAuthorised(bytes32 log, address caller);

    /// @notice `log` was closed; ask its `successor`.
    error LogClosed(bytes32 log, bytes32 successor);

    /// @notice No tree has this root: it is zero, or the word that marks a closed log.
    error InvalidRoot(bytes32 root);

    /// @notice `size` is not above the head's (zero before the first anchor), or not below 2^48.
    error InvalidSize(uint256 size, uint256 headSize);

    /// @notice `root` is anchored in `log` already.
    error AlreadyAnchored(bytes32 log, bytes32 root);

    /// @notice `root` is not anchored in `log`.
    error NotAnchored(bytes32 log, bytes32 root);

    /// @notice A log's first anchor extends nothing and takes no proof, but `length` hashes came.
    error UnexpectedProof(bytes32 log, uint256 length);

    /// @notice The proof does not show that the new tree extends the old one.
    error InvalidConsistencyProof(
        uint256 oldSize, bytes32 oldRoot, uint256 newSize, bytes32 newRoot
    );

    /// @notice The proof does not lead from `leafHash` at `index` to `root`.
    error InvalidInclusionProof(bytes32 root, uint256 size, bytes32 leafHash, uint256 index);

    /// @notice `key` cannot be an operator: it is zero, or the log's owner, who is id 0 already.
    error InvalidOperatorKey(bytes32 log, address key);

    /// @notice `id` belongs to `key` for ever.
    error OperatorIdTaken(bytes32 log, uint72 id, address key);

    /// @notice `key` has this `id` already (0: is no operator), so the call would change nothing.
    error OperatorUnchanged(bytes32 log, address key, uint72 id);

    /// @notice `log` has, or had, a head of its own and cannot become a successor.
    error SuccessorInUse(bytes32 log);

    /// @notice Makes `root` over `size` leaves the head of `log`. Owner or operator.
    /// @param log The log.
    /// @param root Its new root, not anchored in it before.
    /// @param size The new size: above the current head's and below 2^48.
    /// @param consistencyProof RFC 9162 section 2.1.4 from the current head; empty for the first.
    function anchor(bytes32 log, bytes32 root, uint256 size, bytes32[] calldata consistencyProof)
        external;

    /// @notice Authorises `key` as operator `id` of `log`, or removes it where `id` is 0. Owner.
    /// @dev An id is written once: it names one key for ever, also after the key was removed, so
    /// that an anchor always tells who sent it. A key may be removed, come back under its old id,
    /// or take another one. A call that would change nothing reverts, so that every {OperatorSet}
    /// is a change.
    /// @param log The log, which need not have an anchor yet.
    /// @param key The operator's address: neither zero nor the owner's.
    /// @param id The id, or 0 to remove.
    function setOperator(bytes32 log, address key, uint72 id) external;

    /// @notice Closes `oldLog` for ever and opens `newLog` with one of its anchors. Owner of both.
    /// @dev The way out after a stolen operator key anchored what nobody can extend, or after the
    /// tree's right edge was lost. Any anchor of `oldLog` will do, so nothing an operator anchors
    /// after a good anchor can stand in the way. Before the first good one there is nothing to go on
    /// from: remove the key and start another log; better, let the owner anchor first. Operators
    /// are per log: `newLog` should not have any yet, or one of them could anchor in it first (the
    /// owner would then choose another number).
    /// @param oldLog The log to close; all its anchors stay.
    /// @param fromRoot The anchor to go on from; what was anchored after it is abandoned.
    /// @param newLog A log that never had a head. Its first anchor is `fromRoot`, at this block.
    function succeed(bytes32 oldLog, bytes32 fromRoot, bytes32 newLog) external;

    /// @notice The id the chain it was deployed on gives itself. It is part of the code, so that
    /// one address has another code hash on every chain.
    function CHAIN_ID() external view returns (uint256);

    /// @notice The anchor of `root` in `log`; all zero where there is none.
    function anchorOf(bytes32 log, bytes32 root) external view returns (Anchor memory);

    /// @notice The newest root of `log` and its anchor, also once it is closed; all zero before the
    /// first.
    function headOf(bytes32 log) external view returns (bytes32 root, Anchor memory);

    /// @notice The log that succeeded `log`; zero while it is open.
    function successorOf(bytes32 log) external view returns (bytes32);

    /// @notice The log that `log` succeeded, from whose anchor it started; zero where there is none.
    function predecessorOf(bytes32 log) external view returns (bytes32);

    /// @notice The key that `id` of `log` was given to, for ever; zero for none.
    function operatorKey(bytes32 log, uint72 id) external view returns (address);

    /// @notice The id under which `key` may anchor in `log` while that is open; 0 for none.
    function operatorId(bytes32 log, address key) external view returns (uint72);

    /// @notice Returns the anchor of `root` if the leaf is under it, else reverts.
    /// @param log The log.
    /// @param root An anchored root of it.
    /// @param leafHash SHA-256(0x00 ‖ record). Hash the record yourself: a hash that somebody hands
    /// you may be an inner node's.
    /// @param index The leaf's index, as claimed; see the note on sizes above.
    /// @param proof RFC 9162 section 2.1.3, leaf side first.
    function verifyInclusion(
        bytes32 log,
        bytes32 root,
        bytes32 leafHash,
        uint256 index,
        bytes32[] calldata proof
    ) external view returns (Anchor memory);

    /// @notice Reverts unless the tree under `newRoot` extends the one under `oldRoot`.
    /// @dev RFC 9162 section 2.1.4: `0 < oldSize < newSize`. The roots need not be anchored.
    /// @return Always true: a call to an address without code would succeed and return nothing.
    function verifyConsistency(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) external view returns (bool);
}
