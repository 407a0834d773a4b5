// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "../../../contracts/interfaces/IAnchorRegistry.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {Slots} from "./support/Slots.sol";
import {VM} from "./support/Vm.sol";

/// @notice The owner's calls with arbitrary arguments: operators and succession.
contract AnchorRegistryOwnerTest is RegistryTest {
    function testFuzz_refusesAStrangersOperator(
        bytes32 log,
        address stranger,
        address key,
        uint72 id
    ) external {
        VM.assume(stranger != _owner(log));
        _refuse(
            stranger,
            abi.encodeCall(REGISTRY.setOperator, (log, key, id)),
            abi.encodeWithSelector(IAnchorRegistry.NotOwner.selector, log, stranger)
        );
        VM.assertEq(_load(Slots.operatorKeys(log, id)), 0, "key");
        VM.assertEq(_load(Slots.operatorIds(log, key)), 0, "id");
    }

    function testFuzz_refusesAnOperatorsOperator(bytes32 log, address key, uint72 id, address other)
        external
    {
        id = _authorise(log, key, id);
        _refuse(
            key,
            abi.encodeCall(REGISTRY.setOperator, (log, other, id)),
            abi.encodeWithSelector(IAnchorRegistry.NotOwner.selector, log, key)
        );
    }

    function testFuzz_refusesKeysThatCanBeNoOperators(bytes32 log, uint72 id) external {
        address[2] memory keys = [address(0), _owner(log)];
        for (uint256 i = 0; i < keys.length; ++i) {
            _refuse(
                _owner(log),
                abi.encodeCall(REGISTRY.setOperator, (log, keys[i], id)),
                abi.encodeWithSelector(IAnchorRegistry.InvalidOperatorKey.selector, log, keys[i])
            );
        }
    }

    function testFuzz_givesAnIdToOneKeyForEver(
        bytes32 log,
        address key,
        uint72 id,
        address other,
        bool isRemoved
    ) external {
        id = _authorise(log, key, id);
        VM.assume(other != key && other != address(0) && other != _owner(log));
        if (isRemoved) _setOperator(log, key, 0);
        _refuse(
            _owner(log),
            abi.encodeCall(REGISTRY.setOperator, (log, other, id)),
            abi.encodeWithSelector(IAnchorRegistry.OperatorIdTaken.selector, log, id, key)
        );
        VM.assertEq(REGISTRY.operatorKey(log, id), key, "key");
        VM.assertEq(_load(Slots.operatorKeys(log, id)), bytes32(uint256(uint160(key))), "slot");
    }

    function testFuzz_removesAKeyAndTakesItBack(bytes32 log, address key, uint72 id) external {
        id = _authorise(log, key, id);
        VM.assertEq(_load(Slots.operatorIds(log, key)), bytes32(uint256(id)), "id's slot");
        _setOperator(log, key, 0);
        VM.assertEq(REGISTRY.operatorId(log, key), 0, "removed");
        _refuse(
            key,
            abi.encodeCall(REGISTRY.anchor, (log, CLOSED, 1, new bytes32[](0))),
            abi.encodeWithSelector(IAnchorRegistry.NotAuthorised.selector, log, key)
        );
        _setOperator(log, key, id);
        VM.assertEq(REGISTRY.operatorId(log, key), id, "back");
    }

    function testFuzz_refusesAChangeThatChangesNothing(bytes32 log, address key, uint72 id)
        external
    {
        VM.assume(key != address(0) && key != _owner(log));
        _refuse(
            _owner(log),
            abi.encodeCall(REGISTRY.setOperator, (log, key, 0)),
            abi.encodeWithSelector(IAnchorRegistry.OperatorUnchanged.selector, log, key, 0)
        );
        id = _authorise(log, key, id);
        _refuse(
            _owner(log),
            abi.encodeCall(REGISTRY.setOperator, (log, key, id)),
            abi.encodeWithSelector(IAnchorRegistry.OperatorUnchanged.selector, log, key, id)
        );
    }

    function testFuzz_refusesAStrangersSuccession(
        bytes32 oldLog,
        bytes32 newLog,
        address stranger,
        bytes32 root
    ) external {
        root = _toRoot(root);
        _anchorFirst(oldLog, root, 1);
        bytes memory call = abi.encodeCall(REGISTRY.succeed, (oldLog, root, newLog));
        bytes4 notOwner = IAnchorRegistry.NotOwner.selector;
        if (stranger != _owner(oldLog)) {
            _refuse(stranger, call, abi.encodeWithSelector(notOwner, oldLog, stranger));
        }
        address owner = _owner(oldLog);
        if (owner == _owner(newLog)) return;
        _refuse(owner, call, abi.encodeWithSelector(notOwner, newLog, owner));
    }

    function testFuzz_succeedsFromWhatIsAnchoredOnly(
        bytes32 oldLog,
        bytes32 root,
        bytes32 other,
        uint96 number
    ) external {
        root = _toRoot(root);
        VM.assume(other != root);
        _anchorFirst(oldLog, root, 1);
        bytes32[3] memory words = [other, bytes32(0), CLOSED];
        for (uint256 i = 0; i < words.length; ++i) {
            _refuse(
                _owner(oldLog),
                abi.encodeCall(
                    REGISTRY.succeed, (oldLog, words[i], _toOwned(oldLog, bytes32(uint256(number))))
                ),
                abi.encodeWithSelector(IAnchorRegistry.NotAnchored.selector, oldLog, words[i])
            );
        }
    }

    function testFuzz_succeedsIntoAnUnusedLogOnly(bytes32 log, uint96 number, bytes32 root)
        external
    {
        root = _toRoot(root);
        bytes32 newLog = _close(log, number, root);
        bytes32[2] memory used = [log, newLog];
        for (uint256 i = 0; i < used.length; ++i) {
            _refuse(
                _owner(log),
                abi.encodeCall(REGISTRY.succeed, (newLog, root, used[i])),
                abi.encodeWithSelector(IAnchorRegistry.SuccessorInUse.selector, used[i])
            );
        }
    }

    function testFuzz_closesALogForEver(bytes32 log, uint96 number, bytes32 root) external {
        bytes32 newLog = _close(log, number, _toRoot(root));
        VM.assertEq(_load(Slots.heads(log)), CLOSED, "closed head");
        VM.assertEq(_load(Slots.successors(log)), newLog, "successor's slot");
        VM.assertEq(REGISTRY.successorOf(log), newLog, "successor");
        VM.assertEq(_load(Slots.predecessors(newLog)), log, "predecessor's slot");
        VM.assertEq(REGISTRY.predecessorOf(newLog), log, "predecessor");
        VM.assertEq(_load(Slots.lastHeads(log)), _toRoot(root), "last head's slot");
        (bytes32 head, IAnchorRegistry.Anchor memory last) = REGISTRY.headOf(log);
        VM.assertEq(head, _toRoot(root), "head");
        VM.assertEq(abi.encode(last), abi.encode(REGISTRY.anchorOf(log, head)), "the head's anchor");
    }

    function testFuzz_refusesEveryCallInAClosedLog(
        bytes32 log,
        uint96 number,
        bytes32 word,
        uint256 size,
        bytes32[] memory proof
    ) external {
        bytes memory reason = abi.encodeWithSelector(
            IAnchorRegistry.LogClosed.selector, log, _close(log, number, _toRoot(word))
        );
        address owner = _owner(log);
        _refuse(owner, abi.encodeCall(REGISTRY.anchor, (log, word, size, proof)), reason);
        _refuse(owner, abi.encodeCall(REGISTRY.anchor, (log, CLOSED, size, proof)), reason);
        _refuse(
            owner, abi.encodeCall(REGISTRY.setOperator, (log, _owner(word), uint72(size))), reason
        );
        bytes32 other = _toOwned(log, word);
        _refuse(owner, abi.encodeCall(REGISTRY.succeed, (log, _toRoot(word), other)), reason);
    }
}
