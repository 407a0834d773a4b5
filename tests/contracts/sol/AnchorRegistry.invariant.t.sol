// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnchorRegistry} from "../../../contracts/AnchorRegistry.sol";
import {IAnchorRegistry} from "../../../contracts/interfaces/IAnchorRegistry.sol";
import {Handler} from "./support/Handler.sol";
import {Ledger} from "./support/Ledger.sol";
import {ReferenceTree} from "./support/ReferenceTree.sol";
import {VM} from "./support/Vm.sol";

/// @notice What holds after any sequence of the handler's calls.
contract AnchorRegistryInvariantTest {
    bytes32 private constant CLOSED = bytes32(type(uint256).max);

    Handler private immutable HANDLER = new Handler();
    AnchorRegistry private immutable REGISTRY = HANDLER.REGISTRY();

    /// @dev Asked for by forge: the only contract whose functions a campaign calls.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(HANDLER);
    }

    function invariant_recordsNeverChange() external view {
        for (uint256 i = 0; i < HANDLER.logCount(); ++i) {
            Ledger.Log memory log = HANDLER.logAt(i);
            for (uint256 j = 0; j < log.records.length; ++j) {
                Ledger.Record memory record = log.records[j];
                VM.assertEq(
                    abi.encode(REGISTRY.anchorOf(log.id, record.root)),
                    abi.encode(record.stored),
                    "a record changed"
                );
            }
        }
    }

    function invariant_recordsSayWhoAnchoredWhatAndWhen() external view {
        VM.assertEq(HANDLER.misstatements(), 0, "misstated records");
    }

    function invariant_sequencesHaveNoGap() external view {
        for (uint256 i = 0; i < HANDLER.logCount(); ++i) {
            Ledger.Log memory log = HANDLER.logAt(i);
            for (uint256 j = 0; j < log.records.length; ++j) {
                VM.assertEq(log.records[j].stored.sequence, j + 1, "sequence");
            }
        }
    }

    function invariant_sizesGrow() external view {
        for (uint256 i = 0; i < HANDLER.logCount(); ++i) {
            Ledger.Log memory log = HANDLER.logAt(i);
            uint256 size = 0;
            for (uint256 j = 0; j < log.records.length; ++j) {
                VM.assertTrue(log.records[j].stored.size > size, "a size did not grow");
                size = log.records[j].stored.size;
            }
        }
    }

    function invariant_everyHeadExtendsTheOneBefore() external view {
        for (uint256 i = 0; i < HANDLER.logCount(); ++i) {
            Ledger.Log memory log = HANDLER.logAt(i);
            uint256 count = log.records.length;
            for (uint256 j = count < 2 ? 0 : count - 2; j < count; ++j) {
                Ledger.Record memory record = log.records[j];
                VM.assertTrue(record.leaves != 0, "a head extends no known tree");
                VM.assertEq(
                    ReferenceTree.root(log.leaves, record.leaves), record.root, "another tree"
                );
            }
        }
    }

    function invariant_headsAreTheNewestRecords() external view {
        for (uint256 i = 0; i < HANDLER.logCount(); ++i) {
            Ledger.Log memory log = HANDLER.logAt(i);
            (bytes32 head, IAnchorRegistry.Anchor memory found) = REGISTRY.headOf(log.id);
            Ledger.Record memory newest;
            if (log.records.length != 0) newest = log.records[log.records.length - 1];
            VM.assertEq(head, newest.root, "head");
            VM.assertEq(abi.encode(found), abi.encode(newest.stored), "the head's anchor");
        }
    }

    function invariant_closedLogsAndTheirSuccessorsNameEachOther() external view {
        for (uint256 i = 0; i < HANDLER.logCount(); ++i) {
            Ledger.Log memory log = HANDLER.logAt(i);
            VM.assertEq(REGISTRY.successorOf(log.id), log.successor, "successor");
            if (log.successor == 0) continue;
            VM.assertEq(REGISTRY.predecessorOf(log.successor), log.id, "predecessor");
        }
    }

    function invariant_noCallWritesToAnotherLog() external view {
        VM.assertEq(HANDLER.strayWrites(), 0, "writes to another log");
    }

    function invariant_noOutsiderEverWrites() external view {
        VM.assertEq(HANDLER.trespasses(), 0, "accepted from outsiders");
    }

    function invariant_everyAnswerIsTheExpectedOne() external view {
        if (HANDLER.surprises() == 0) return;
        VM.assertEq(HANDLER.surprisingAnswer(), HANDLER.expectedAnswer(), "another answer");
    }

    function invariant_operatorIdsNameOneKeyForEver() external view {
        for (uint256 i = 0; i < HANDLER.logCount(); ++i) {
            Ledger.Operators memory known = HANDLER.operatorsAt(i);
            for (uint72 id = 0; id < known.keyOf.length; ++id) {
                VM.assertEq(REGISTRY.operatorKey(known.log, id), known.keyOf[id], "operator key");
            }
        }
    }

    function invariant_operatorsAreWhomTheOwnerNamedLast() external view {
        for (uint256 i = 0; i < HANDLER.logCount(); ++i) {
            Ledger.Operators memory known = HANDLER.operatorsAt(i);
            for (uint256 j = 0; j < known.keys.length; ++j) {
                uint72 id = REGISTRY.operatorId(known.log, known.keys[j]);
                VM.assertEq(id, known.idOf[j], "operator id");
                if (id != 0) VM.assertEq(known.keyOf[id], known.keys[j], "operator key");
            }
        }
    }

    function invariant_whoIsNoOperatorCannotAnchor() external {
        for (uint256 i = 0; i < HANDLER.logCount(); ++i) {
            Ledger.Operators memory known = HANDLER.operatorsAt(i);
            for (uint256 j = 0; j < known.keys.length; ++j) {
                address key = known.keys[j];
                if (key != known.owner && known.idOf[j] == 0) _assertCannotAnchor(known.log, key);
            }
        }
    }

    function invariant_closedLogsNeverMove() external view {
        for (uint256 i = 0; i < HANDLER.logCount(); ++i) {
            Ledger.Log memory log = HANDLER.logAt(i);
            if (log.successor == 0) continue;
            VM.assertEq(HANDLER.digest(i), log.closedState, "a closed log moved");
        }
    }

    /// @dev Whatever a stolen key anchored: from the first anchor, the newest and one in between.
    function invariant_theOwnerCanAlwaysMoveOn() external {
        for (uint256 i = 0; i < HANDLER.logCount(); ++i) {
            Ledger.Log memory log = HANDLER.logAt(i);
            uint256 count = log.records.length;
            if (count == 0 || log.successor != 0) continue;
            _moveOn(log, log.records[0]);
            if (count > 1) _moveOn(log, log.records[count - 1]);
            if (count > 2) _moveOn(log, log.records[1 + block.timestamp % (count - 2)]);
        }
    }

    function _assertCannotAnchor(bytes32 log, address key) private {
        bytes32[] memory proof = new bytes32[](0);
        VM.prank(key);
        (bool accepted, bytes memory answer) =
            address(REGISTRY).call(abi.encodeCall(REGISTRY.anchor, (log, log, 1, proof)));
        bytes memory reason =
            abi.encodeWithSelector(IAnchorRegistry.NotAuthorised.selector, log, key);
        VM.assertTrue(!accepted, "accepted from no operator");
        VM.assertEq(answer, reason, "the reason");
    }

    function _moveOn(Ledger.Log memory log, Ledger.Record memory from) private {
        bytes32 unused = log.id | bytes32(uint256(1) << 255);
        uint256 before = VM.snapshotState();
        VM.prank(log.owner);
        REGISTRY.succeed(log.id, from.root, unused);
        (bytes32 head, IAnchorRegistry.Anchor memory found) = REGISTRY.headOf(unused);
        VM.assertEq(head, from.root, "the successor's head");
        VM.assertEq(found.size, from.stored.size, "the successor's size");
        VM.assertEq(REGISTRY.successorOf(log.id), unused, "successor");
        VM.assertTrue(VM.revertToState(before), "state");
    }
}
