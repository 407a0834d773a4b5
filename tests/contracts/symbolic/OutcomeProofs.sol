// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnchorRegistry} from "../../../contracts/AnchorRegistry.sol";
import {IAnchorRegistry} from "../../../contracts/interfaces/IAnchorRegistry.sol";
import {Prover} from "./Prover.sol";
import {Rfc9162 as AnyVerdict} from "./AnyVerdict.sol";

/// @notice A call succeeds if and only if it should, from any storage.
contract OutcomeProofs is Prover {
    function check_anAnchorIsAcceptedIffItShould(
        bytes32 log,
        bytes32 root,
        uint256 size,
        bytes32[] calldata proof
    ) external {
        address caller = _anyCallerInAnyBlock();
        bytes32 head = _head(log);
        uint256 headSize = _unless(head == 0, _sizeIn(_anchor(log, head)));
        uint256 headSequence = _unless(head == 0, _sequenceIn(_anchor(log, head)));
        bytes32 slot = AnyVerdict.slotOf(2, head, headSize, size, root, proof);
        bool isVerified = vm.load(address(registry), slot) == 0;
        bool isExpected = _and(
            _and(_or(caller == _ownerOf(log), _idOf(log, caller) != 0), head != CLOSED),
            _and(_and(root != 0, root != CLOSED), _sizeIn(_anchor(log, root)) == 0)
        );
        isExpected = _and(isExpected, _and(size > headSize, size < 1 << 48));
        isExpected = _and(isExpected, headSequence < type(uint40).max);
        isExpected = _and(isExpected, _implies(head == 0, proof.length == 0));
        isExpected = _and(isExpected, _implies(head != 0, isVerified));
        bool isDone;
        vm.prank(caller);
        try registry.anchor(log, root, size, proof) {
            isDone = true;
        } catch {}
        assert(isDone == isExpected);
    }

    function check_anOperatorIsSetIffItShould(bytes32 log, uint72 id) external {
        address key = svm.createAddress("key");
        address caller = _anyCallerInAnyBlock();
        address holder = address(uint160(uint256(_operatorKey(log, id))));
        bool isExpected = _and(
            _and(caller == _ownerOf(log), _head(log) != CLOSED),
            _and(_and(key != address(0), key != caller), _idOf(log, key) != id)
        );
        isExpected = _and(isExpected, _or(id == 0, _or(holder == address(0), holder == key)));
        bool isDone;
        vm.prank(caller);
        try registry.setOperator(log, key, id) {
            isDone = true;
        } catch {}
        assert(isDone == isExpected);
    }

    function check_theOwnerCanAlwaysSucceed(bytes32 oldLog, bytes32 fromRoot, bytes32 newLog)
        external
    {
        address caller = _anyCallerInAnyBlock();
        bool isExpected = _and(
            _and(caller == _ownerOf(oldLog), caller == _ownerOf(newLog)),
            _and(
                _and(_head(oldLog) != CLOSED, _head(newLog) == 0),
                _sizeIn(_anchor(oldLog, fromRoot)) != 0
            )
        );
        bool isDone;
        vm.prank(caller);
        try registry.succeed(oldLog, fromRoot, newLog) {
            isDone = true;
        } catch {}
        assert(isDone == isExpected);
    }

    function check_viewsNeverRevert(bytes32 log, bytes32 root, uint72 id) external {
        address key = svm.createAddress("key");
        bytes[6] memory calls = [
            abi.encodeCall(registry.headOf, (log)),
            abi.encodeCall(registry.anchorOf, (log, root)),
            abi.encodeCall(registry.successorOf, (log)),
            abi.encodeCall(registry.predecessorOf, (log)),
            abi.encodeCall(registry.operatorKey, (log, id)),
            abi.encodeCall(registry.operatorId, (log, key))
        ];
        for (uint256 i = 0; i < 6; ++i) {
            (bool isDone,) = address(registry).staticcall(calls[i]);
            assert(isDone);
        }
        assert(registry.CHAIN_ID() == block.chainid);
    }

    function check_inclusionReturnsTheAnchor(
        bytes32 log,
        bytes32 root,
        bytes32 leafHash,
        uint256 index,
        bytes32[] calldata proof
    ) external view {
        bytes32 record = _anchor(log, root);
        bytes32 slot = AnyVerdict.slotOf(1, leafHash, index, _sizeIn(record), root, proof);
        bool isVerified = vm.load(address(registry), slot) == 0;
        bool isDone;
        bytes32 found;
        try registry.verifyInclusion(log, root, leafHash, index, proof) returns (
            IAnchorRegistry.Anchor memory anchor
        ) {
            isDone = true;
            found = _encode(anchor);
        } catch {}
        assert(isDone == _and(_sizeIn(record) != 0, isVerified));
        assert(_implies(isDone, found == record));
    }

    function check_consistencyReturnsTrue(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) external view {
        bytes32 slot = AnyVerdict.slotOf(2, oldRoot, oldSize, newSize, newRoot, proof);
        bool isVerified = vm.load(address(registry), slot) == 0;
        bool isDone;
        bool answer = true;
        try registry.verifyConsistency(oldSize, oldRoot, newSize, newRoot, proof) returns (
            bool value
        ) {
            (isDone, answer) = (true, value);
        } catch {}
        assert(_and(isDone == isVerified, answer));
    }

    function check_aNewRegistryIsEmpty(bytes32 log, bytes32 root, uint72 id) external {
        registry = new AnchorRegistry();
        address key = svm.createAddress("key");
        assert(_anchor(log, root) == 0);
        assert(_head(log) == 0);
        assert(_operatorKey(log, id) == 0);
        assert(_operatorId(log, key) == 0);
        assert(_successor(log) == 0);
        assert(_predecessor(log) == 0);
        assert(_lastHead(log) == 0);
    }

    function _idOf(bytes32 log, address key) private view returns (uint72) {
        return uint72(uint256(_operatorId(log, key)));
    }

    function _anyCallerInAnyBlock() private returns (address) {
        vm.roll(svm.createUint256("blockNumber"));
        vm.warp(svm.createUint256("timestamp"));
        return svm.createAddress("caller");
    }

    function _encode(IAnchorRegistry.Anchor memory anchor) private pure returns (bytes32) {
        return bytes32(
            uint256(anchor.size) | uint256(anchor.sequence) << 48 | uint256(anchor.blockNumber)
                << 88 | uint256(anchor.timestamp) << 136 | uint256(anchor.operatorId) << 184
        );
    }
}
