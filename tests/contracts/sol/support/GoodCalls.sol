// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Expected} from "./Expected.sol";
import {ReferenceTree} from "./ReferenceTree.sol";
import {VM, bound} from "./Vm.sol";

/// @notice What owners and operators do on an ordinary day.
abstract contract GoodCalls is Expected {
    uint256 private records; // so that no two leaves of a campaign are equal

    /// @notice Anchors the tree with up to five leaves more, under its true size where the head has
    /// its own. After a lie about a size the honest extension may fit no more.
    function growHonestly(uint256 seed, uint256 senderSeed, uint256 more) external {
        (bool found, uint256 which) = _find(seed, State.Open);
        if (!found) return;
        (bytes32 root, bytes32[] memory d, bytes32[] memory proof) = _grow(which, more);
        uint256 size = _headSize(which) + d.length - _trueSize(which);
        bytes memory reason = _toExtension(which, root, d.length, size);
        bool accepted = _anchor(which, _insider(which, senderSeed), root, size, proof, reason);
        if (accepted) _know(which, d);
    }

    /// @notice The owner authorises, renames or removes a key, or tries what is not allowed.
    function setOperator(uint256 seed, uint256 keySeed, uint72 id) external {
        (bool found, uint256 which) = _find(seed, State.Open);
        if (!found) return;
        address key = keyAt(bound(keySeed, 0, KEYS - 1));
        id = uint72(bound(id, 0, IDS));
        _setOperator(which, _log(which).owner, key, id, _toSetOperator(which, key, id));
    }

    function removeOperator(uint256 seed, uint256 keySeed) external {
        (bool found, uint256 which) = _find(seed, State.Open);
        address key = _insider(which, keySeed | 1);
        if (!found || key == _log(which).owner) return;
        _setOperator(which, _log(which).owner, key, 0, "");
    }

    function takeOperatorBack(uint256 seed, uint72 id) external {
        (bool found, uint256 which) = _find(seed, State.Open);
        if (!found) return;
        for (uint256 i = 0; i < IDS; ++i) {
            uint72 candidate = uint72((id % IDS + i) % IDS + 1);
            address key = keyOf[which][candidate];
            if (key == address(0) || idOf[which][key] != 0) continue;
            _setOperator(which, _log(which).owner, key, candidate, "");
            return;
        }
    }

    /// @notice The owner slips: the id names another key, removed or not.
    function giveAwayATakenId(uint256 seed, uint256 keySeed, uint72 id) external {
        (bool found, uint256 which) = _find(seed, State.Open);
        if (!found) return;
        for (uint256 i = 0; i < IDS; ++i) {
            uint72 taken = uint72((id % IDS + i) % IDS + 1);
            address key = keyAt(bound(keySeed, 0, KEYS - 1));
            if (keyOf[which][taken] == address(0) || keyOf[which][taken] == key) continue;
            _setOperator(which, _log(which).owner, key, taken, _toSetOperator(which, key, taken));
            return;
        }
    }

    /// @notice The owner goes on from any anchor in an unused log.
    function moveOn(uint256 seed, uint256 recordSeed, uint256 nextSeed) external {
        (bool found, uint256 which) = _find(seed, State.Live);
        if (!found) return;
        address owner = _log(which).owner;
        uint256 next;
        (found, next) = _findOf(owner, nextSeed, State.Fresh);
        if (!found) return;
        Record[] storage anchored = _log(which).records;
        _succeed(which, owner, anchored[recordSeed % anchored.length].root, next, "");
    }

    function letTimePass(uint256 blocks, uint256 time) external {
        VM.roll(block.number + bound(blocks, 1, 1000));
        VM.warp(block.timestamp + bound(time, 1, 1 days));
    }

    function _trueSize(uint256 which) internal view returns (uint256) {
        return _log(which).leaves.length;
    }

    /// @dev The log's tree with one to five more leaves, its root, and the proof that it extends
    /// the head; for a log without one there is nothing to prove.
    function _grow(uint256 which, uint256 more)
        internal
        returns (bytes32 root, bytes32[] memory d, bytes32[] memory proof)
    {
        d = _log(which).leaves;
        uint256 oldSize = d.length;
        for (uint256 i = 0; i < bound(more, 1, 5); ++i) {
            d = ReferenceTree.append(d, keccak256(abi.encode(++records)));
        }
        root = ReferenceTree.root(d, d.length);
        if (oldSize != 0) proof = ReferenceTree.consistencyProof(oldSize, d, d.length);
    }
}
