// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "../../../../contracts/interfaces/IAnchorRegistry.sol";
import {Ledger} from "./Ledger.sol";
import {Slots} from "./Slots.sol";
import {VM} from "./Vm.sol";

/// @notice Sends calls to the registry, holds each answer against the expected one, and enters what
/// was accepted in the ledger, be it right or wrong: the invariants judge.
abstract contract Witness is Ledger {
    uint256 public acceptances;
    mapping(bytes4 selector => uint256) public refusals;

    uint256 public trespasses; // accepted from who may not make the call
    uint256 public strayWrites; // slots written beside those of the call's own log
    uint256 public misstatements; // records that do not say who anchored what and when
    uint256 public surprises; // answers other than the expected one, of which this is the last:
    bytes public surprisingCall;
    bytes public surprisingAnswer;
    bytes public expectedAnswer;

    /// @param reason The error to expect; empty where the call is to be accepted.
    function _anchor(
        uint256 which,
        address sender,
        bytes32 root,
        uint256 size,
        bytes32[] memory proof,
        bytes memory reason
    ) internal returns (bool accepted) {
        bytes32 id = _log(which).id;
        accepted = _send(
            sender,
            _mayAnchor(which, sender),
            abi.encodeCall(REGISTRY.anchor, (id, root, size, proof)),
            reason,
            [Slots.anchors(id, root), Slots.heads(id), 0, 0, 0, 0]
        );
        if (accepted) _enter(which, root, size, idOf[which][sender]);
    }

    function _setOperator(
        uint256 which,
        address sender,
        address key,
        uint72 id,
        bytes memory reason
    ) internal {
        bytes32 log = _log(which).id;
        bool accepted = _send(
            sender,
            sender == _log(which).owner,
            abi.encodeCall(REGISTRY.setOperator, (log, key, id)),
            reason,
            [Slots.operatorKeys(log, id), Slots.operatorIds(log, key), 0, 0, 0, 0]
        );
        if (!accepted) return;
        idOf[which][key] = id;
        if (id != 0 && keyOf[which][id] == address(0)) keyOf[which][id] = key;
    }

    function _succeed(
        uint256 which,
        address sender,
        bytes32 fromRoot,
        uint256 next,
        bytes memory reason
    ) internal {
        Log storage log = _log(which);
        bytes32 newLog = _log(next).id;
        bool accepted = _send(
            sender,
            sender == log.owner && sender == _log(next).owner,
            abi.encodeCall(REGISTRY.succeed, (log.id, fromRoot, newLog)),
            reason,
            [
                Slots.heads(log.id),
                Slots.lastHeads(log.id),
                Slots.successors(log.id),
                Slots.predecessors(newLog),
                Slots.heads(newLog),
                Slots.anchors(newLog, fromRoot)
            ]
        );
        if (!accepted) return;
        if (log.successor == 0) (log.successor, log.closedState) = (newLog, digest(which));
        Record memory from; // stays empty, or of no known tree, only after a breach
        for (uint256 i = 0; i < log.records.length; ++i) {
            if (log.records[i].root == fromRoot) from = log.records[i];
        }
        _enter(next, fromRoot, from.stored.size, 0);
        if (from.leaves == 0 || from.leaves > log.leaves.length) return;
        bytes32[] memory d = new bytes32[](from.leaves);
        for (uint256 i = 0; i < d.length; ++i) {
            d[i] = log.leaves[i];
        }
        _know(next, d);
    }

    /// @dev Says which leaves the newest record is the root of.
    function _know(uint256 which, bytes32[] memory d) internal {
        Log storage log = _log(which);
        log.records[log.records.length - 1].leaves = d.length;
        log.leaves = d;
    }

    /// @dev Adds the log's newest record as the registry shows it, over leaves nobody knows yet.
    function _enter(uint256 which, bytes32 root, uint256 size, uint72 operatorId) private {
        Log storage log = _log(which);
        IAnchorRegistry.Anchor memory stored = REGISTRY.anchorOf(log.id, root);
        Record storage added = log.records.push();
        (added.root, added.stored) = (root, stored);
        bytes memory stated = abi.encode(stored);
        bytes memory known =
            abi.encode(size, log.records.length, block.number, block.timestamp, operatorId);
        if (keccak256(stated) != keccak256(known)) ++misstatements;
        delete log.leaves;
        log.leaves.push(root);
    }

    function _send(
        address sender,
        bool mayCall,
        bytes memory call,
        bytes memory reason,
        bytes32[6] memory slots
    ) private returns (bool accepted) {
        bytes memory answer;
        VM.record();
        VM.prank(sender);
        (accepted, answer) = address(REGISTRY).call(call);
        (, bytes32[] memory written) = VM.accesses(address(REGISTRY));
        if (accepted) {
            ++acceptances;
            if (!mayCall) ++trespasses;
            for (uint256 i = 0; i < written.length; ++i) {
                if (!_isAmong(written[i], slots)) ++strayWrites;
            }
        } else {
            ++refusals[bytes4(answer)];
        }
        if (accepted != (reason.length == 0) || keccak256(answer) != keccak256(reason)) {
            ++surprises;
            (surprisingCall, surprisingAnswer, expectedAnswer) = (call, answer, reason);
        }
    }

    function _isAmong(bytes32 slot, bytes32[6] memory slots) private pure returns (bool) {
        for (uint256 i = 0; i < slots.length; ++i) {
            if (slot == slots[i]) return true;
        }
        return false;
    }
}
