// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Rfc9162} from "./Rfc9162.sol";
import {IAnchorRegistry} from "./interfaces/IAnchorRegistry.sol";

/// @title AnchorRegistry: see {IAnchorRegistry}, whose documentation every function inherits.
/// @dev No administrator, proxy, pause or payment; it calls nothing but the SHA-256 precompile.
contract AnchorRegistry is IAnchorRegistry {
    // The layout is public API: the interface says where each value lies. Do not reorder.
    mapping(bytes32 log => mapping(bytes32 root => Anchor)) private anchors;
    mapping(bytes32 log => bytes32 root) private heads;
    mapping(bytes32 log => mapping(uint72 id => address key)) private operatorKeys;
    mapping(bytes32 log => mapping(address key => uint72 id)) private operatorIds;
    mapping(bytes32 log => bytes32 successor) private successors;
    mapping(bytes32 log => bytes32 predecessor) private predecessors;
    mapping(bytes32 log => bytes32 root) private lastHeads; // of closed logs

    bytes32 private constant CLOSED = bytes32(type(uint256).max); // head of a log with a successor

    uint256 public immutable CHAIN_ID = block.chainid;

    constructor() {
        (bool ok, bytes memory hash) = Rfc9162.SHA256.staticcall("");
        if (!ok || hash.length != 32 || bytes32(hash) != Rfc9162.EMPTY_ROOT) {
            revert Sha256Missing();
        }
    }

    function anchor(bytes32 log, bytes32 root, uint256 size, bytes32[] calldata consistencyProof)
        external
    {
        uint72 sender = 0; // the owner, for whom nothing is read
        if (!_isOwner(log)) {
            sender = operatorIds[log][msg.sender];
            if (sender == 0) revert NotAuthorised(log, msg.sender);
        }
        bytes32 head = heads[log];
        if (head == CLOSED) revert LogClosed(log, successors[log]);
        if (root == 0 || root == CLOSED) revert InvalidRoot(root);
        mapping(bytes32 root => Anchor) storage inLog = anchors[log];
        Anchor storage place = inLog[root];
        if (place.size != 0) revert AlreadyAnchored(log, root);
        Anchor storage previous = inLog[head];
        (uint48 headSize, uint40 headSequence) = (0, 0);
        if (head != 0) (headSize, headSequence) = (previous.size, previous.sequence);
        if (size <= headSize || size > type(uint48).max) revert InvalidSize(size, headSize);
        if (head != 0) Rfc9162.verifyConsistency(headSize, head, size, root, consistencyProof);
        else if (consistencyProof.length != 0) revert UnexpectedProof(log, consistencyProof.length);
        _store(place, log, head, root, uint48(size), headSequence + 1, sender);
    }

    function setOperator(bytes32 log, address key, uint72 id) external {
        _checkOwner(log);
        if (heads[log] == CLOSED) revert LogClosed(log, successors[log]);
        if (key == address(0) || key == msg.sender) revert InvalidOperatorKey(log, key);
        if (operatorIds[log][key] == id) revert OperatorUnchanged(log, key, id);
        if (id != 0) {
            address holder = operatorKeys[log][id];
            if (holder == address(0)) operatorKeys[log][id] = key;
            else if (holder != key) revert OperatorIdTaken(log, id, holder);
        }
        operatorIds[log][key] = id;
        emit OperatorSet(log, key, id);
    }

    function succeed(bytes32 oldLog, bytes32 fromRoot, bytes32 newLog) external {
        _checkOwner(oldLog);
        _checkOwner(newLog);
        bytes32 head = heads[oldLog];
        if (head == CLOSED) revert LogClosed(oldLog, successors[oldLog]);
        uint48 size = _anchored(oldLog, fromRoot).size;
        // Any log that was ever used has a head: `oldLog` itself, and a closed one too.
        if (heads[newLog] != 0) revert SuccessorInUse(newLog);
        (lastHeads[oldLog], heads[oldLog]) = (head, CLOSED);
        (successors[oldLog], predecessors[newLog]) = (newLog, oldLog);
        emit Succeeded(oldLog, newLog, fromRoot, size);
        _store(anchors[newLog][fromRoot], newLog, 0, fromRoot, size, 1, 0);
    }

    function anchorOf(bytes32 log, bytes32 root) external view returns (Anchor memory) {
        return anchors[log][root];
    }

    function headOf(bytes32 log) external view returns (bytes32 root, Anchor memory) {
        root = heads[log];
        if (root == CLOSED) root = lastHeads[log];
        return (root, anchors[log][root]);
    }

    function successorOf(bytes32 log) external view returns (bytes32) {
        return successors[log];
    }

    function predecessorOf(bytes32 log) external view returns (bytes32) {
        return predecessors[log];
    }

    function operatorKey(bytes32 log, uint72 id) external view returns (address) {
        return operatorKeys[log][id];
    }

    function operatorId(bytes32 log, address key) external view returns (uint72) {
        return operatorIds[log][key];
    }

    function verifyInclusion(
        bytes32 log,
        bytes32 root,
        bytes32 leafHash,
        uint256 index,
        bytes32[] calldata proof
    ) external view returns (Anchor memory found) {
        found = _anchored(log, root);
        Rfc9162.verifyInclusion(leafHash, index, found.size, root, proof);
    }

    function verifyConsistency(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) external view returns (bool) {
        Rfc9162.verifyConsistency(oldSize, oldRoot, newSize, newRoot, proof);
        return true;
    }

    /// @dev Writes the anchor into `place`, which is `anchors[log][root]`, and makes it the head.
    function _store(
        Anchor storage place,
        bytes32 log,
        bytes32 previousRoot,
        bytes32 root,
        uint48 size,
        uint40 sequence,
        uint72 sender
    ) private {
        place.size = size;
        place.sequence = sequence;
        place.blockNumber = uint48(block.number); // 48 bits last for millions of years
        place.timestamp = uint48(block.timestamp);
        place.operatorId = sender;
        heads[log] = root;
        emit Anchored(log, root, size, sequence, previousRoot);
    }

    function _anchored(bytes32 log, bytes32 root) private view returns (Anchor memory found) {
        found = anchors[log][root];
        if (found.size == 0) revert NotAnchored(log, root);
    }

    function _checkOwner(bytes32 log) private view {
        if (!_isOwner(log)) revert NotOwner(log, msg.sender);
    }

    function _isOwner(bytes32 log) private view returns (bool) {
        return msg.sender == address(uint160(uint256(log)));
    }
}
