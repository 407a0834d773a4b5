// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "../../../contracts/interfaces/IAnchorRegistry.sol";
import {Prover} from "./Prover.sol";

/// @notice What a call that succeeds has done, from any storage.
contract CallProofs is Prover {
    function check_anAnchorRecordsItsCall(
        bytes32 log,
        bytes32 root,
        uint256 size,
        bytes32[] calldata proof
    ) external {
        address caller = _anyCallerInAnyBlock();
        bool isOwner = caller == _ownerOf(log);
        uint256 sender = _unless(isOwner, uint256(uint72(uint256(_operatorId(log, caller)))));
        bytes32 head = _head(log);
        uint256 headSize = _unless(head == 0, _sizeIn(_anchor(log, head)));
        uint256 headSequence = _unless(head == 0, _sequenceIn(_anchor(log, head)));
        vm.assume(_sizeIn(_anchor(log, root)) == 0);
        vm.prank(caller);
        try registry.anchor(log, root, size, proof) {
            assert(_head(log) == root);
            assert(_anchor(log, root) == _record(size, headSequence + 1, sender));
            assert(_and(root != 0, root != CLOSED));
            assert(_and(size > headSize, size < 1 << 48));
            assert(headSequence < type(uint40).max); // the count ends, and never starts again
            assert(_or(isOwner, sender != 0));
            assert(_and(head != CLOSED, _implies(head == 0, proof.length == 0)));
        } catch {}
    }

    function check_anOperatorIsSetAsAsked(bytes32 log, uint72 id) external {
        address key = svm.createAddress("key");
        address other = svm.createAddress("other");
        address caller = _anyCallerInAnyBlock();
        bytes32 othersId = _operatorId(log, other);
        bytes32 zerosKey = _operatorKey(log, 0);
        vm.prank(caller);
        try registry.setOperator(log, key, id) {
            assert(caller == _ownerOf(log));
            assert(_and(key != caller, key != address(0)));
            assert(uint72(uint256(_operatorId(log, key))) == id);
            assert(_implies(id != 0, _operatorKeyOf(log, id) == key));
            assert(_implies(other != key, _operatorId(log, other) == othersId));
            assert(_operatorKey(log, 0) == zerosKey);
        } catch {}
    }

    function check_aSuccessionClosesOneLogAndOpensTheOther(
        bytes32 oldLog,
        bytes32 fromRoot,
        bytes32 newLog
    ) external {
        address caller = _anyCallerInAnyBlock();
        (bytes32 oldHead, bytes32 newHead) = (_head(oldLog), _head(newLog));
        bytes32 oldRecord = _anchor(oldLog, fromRoot);
        vm.assume(_implies(oldHead == 0, _sizeIn(oldRecord) == 0)); // an invariant
        vm.assume(_implies(newHead == 0, _anchor(newLog, fromRoot) == 0)); // an invariant
        vm.prank(caller);
        try registry.succeed(oldLog, fromRoot, newLog) {
            assert(_and(caller == _ownerOf(oldLog), caller == _ownerOf(newLog)));
            assert(_and(oldLog != newLog, _and(oldHead != CLOSED, newHead == 0)));
            assert(_and(_head(oldLog) == CLOSED, _successor(oldLog) == newLog));
            assert(_and(_lastHead(oldLog) == oldHead, _predecessor(newLog) == oldLog));
            assert(_anchor(oldLog, fromRoot) == oldRecord);
            assert(_head(newLog) == fromRoot);
            assert(_anchor(newLog, fromRoot) == _record(_sizeIn(oldRecord), 1, 0));
        } catch {}
    }

    function check_viewsReadTheDocumentedSlots(bytes32 log, bytes32 root, uint72 id) external {
        address key = svm.createAddress("key");
        (bytes32 head, IAnchorRegistry.Anchor memory headAnchor) = registry.headOf(log);
        assert(head == _select(_head(log) == CLOSED, _lastHead(log), _head(log)));
        assert(_encode(headAnchor) == _anchor(log, head));
        assert(_encode(registry.anchorOf(log, root)) == _anchor(log, root));
        assert(registry.successorOf(log) == _successor(log));
        assert(registry.predecessorOf(log) == _predecessor(log));
        assert(registry.operatorKey(log, id) == _operatorKeyOf(log, id));
        assert(registry.operatorId(log, key) == uint72(uint256(_operatorId(log, key))));
    }

    function reach_anAnchorAfterAnother(bytes32 log, bytes32 root, bytes32[] calldata proof)
        external
    {
        address caller = _anyCallerInAnyBlock();
        bytes32 head = _head(log);
        vm.assume(_and(head != 0, caller != _ownerOf(log)));
        vm.prank(caller);
        try registry.anchor(log, root, 8, proof) {
            assert(false);
        } catch {}
    }

    function reach_anOperator(bytes32 log, uint72 id) external {
        address caller = _anyCallerInAnyBlock();
        vm.prank(caller);
        try registry.setOperator(log, address(1), id) {
            assert(id == 0);
        } catch {}
    }

    function reach_aSuccession(bytes32 oldLog, bytes32 fromRoot, bytes32 newLog) external {
        address caller = _anyCallerInAnyBlock();
        vm.assume(_anchor(newLog, fromRoot) == 0);
        vm.prank(caller);
        try registry.succeed(oldLog, fromRoot, newLog) {
            assert(false);
        } catch {}
    }

    function _anyCallerInAnyBlock() private returns (address) {
        vm.roll(svm.createUint256("blockNumber"));
        vm.warp(svm.createUint256("timestamp"));
        return svm.createAddress("caller");
    }

    function _operatorKeyOf(bytes32 log, uint72 id) private view returns (address) {
        return address(uint160(uint256(_operatorKey(log, id))));
    }

    function _encode(IAnchorRegistry.Anchor memory anchor) private pure returns (bytes32) {
        return bytes32(
            uint256(anchor.size) | uint256(anchor.sequence) << 48 | uint256(anchor.blockNumber)
                << 88 | uint256(anchor.timestamp) << 136 | uint256(anchor.operatorId) << 184
        );
    }
}
