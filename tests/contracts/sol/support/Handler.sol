// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "../../../../contracts/interfaces/IAnchorRegistry.sol";
import {HostileCalls} from "./HostileCalls.sol";
import {bound} from "./Vm.sol";

/// @notice All that a campaign may do; here, what people try in logs that are not theirs, and what
/// owners try against the rules of succession.
contract Handler is HostileCalls {
    function outsiderAnchors(uint256 seed, uint256 senderSeed, uint256 more) external {
        (bool found, uint256 which) = _find(seed, State.Open);
        if (!found) return;
        address sender = _outsider(which, senderSeed);
        (bytes32 root, bytes32[] memory d, bytes32[] memory proof) = _grow(which, more);
        uint256 size = _headSize(which) + d.length - _trueSize(which);
        _anchor(which, sender, root, size, proof, _notAuthorised(which, sender));
    }

    function outsiderSetsOperator(uint256 seed, uint256 senderSeed, uint256 keySeed, uint72 id)
        external
    {
        (bool found, uint256 which) = _find(seed, State.Open);
        if (!found) return;
        address sender = _notTheOwner(which, senderSeed);
        address key = keyAt(bound(keySeed, 0, KEYS - 1));
        _setOperator(which, sender, key, uint72(bound(id, 0, IDS)), _notOwner(which, sender));
    }

    function outsiderSucceeds(uint256 seed, uint256 senderSeed, uint256 nextSeed) external {
        (bool found, uint256 which) = _find(seed, State.Live);
        if (!found) return;
        address sender = _notTheOwner(which, senderSeed);
        uint256 next;
        // The sender's own log, if there is one: only the old log's owner is in the way.
        (found, next) = _findOf(sender, nextSeed, State.Fresh);
        if (!found) (, next) = _find(nextSeed, State.Open);
        _succeed(which, sender, _log(which).records[0].root, next, _notOwner(which, sender));
    }

    function ownerSucceedsIntoAnothersLog(uint256 seed, uint256 nextSeed) external {
        (bool found, uint256 which) = _find(seed, State.Live);
        if (!found) return;
        address owner = _log(which).owner;
        uint256 next;
        (found, next) = _findOf(_owner(owner == _owner(0) ? 1 : 0), nextSeed, State.Fresh);
        if (!found) return;
        _succeed(which, owner, _log(which).records[0].root, next, _notOwner(next, owner));
    }

    function ownerSucceedsIntoAUsedLog(uint256 seed, uint256 nextSeed, bool isClosed) external {
        (bool found, uint256 which) = _find(seed, State.Live);
        if (!found) return;
        address owner = _log(which).owner;
        uint256 next = which; // itself, where no other will do
        (bool other, uint256 used) = _findOf(owner, nextSeed, isClosed ? State.Closed : State.Live);
        if (other) next = used;
        bytes memory reason =
            abi.encodeWithSelector(IAnchorRegistry.SuccessorInUse.selector, _log(next).id);
        _succeed(which, owner, _log(which).records[0].root, next, reason);
    }

    function ownerSucceedsFromNothing(uint256 seed, uint256 nextSeed, bytes32 root) external {
        (bool found, uint256 which) = _find(seed, State.Open);
        if (!found || REGISTRY.anchorOf(_log(which).id, root).size != 0) return;
        address owner = _log(which).owner;
        uint256 next;
        (found, next) = _findOf(owner, nextSeed, State.Fresh);
        if (!found) return;
        bytes memory reason =
            abi.encodeWithSelector(IAnchorRegistry.NotAnchored.selector, _log(which).id, root);
        _succeed(which, owner, root, next, reason);
    }

    /// @notice Everything an insider may do in an open log, in a closed one.
    function insiderUsesAClosedLog(uint256 seed, uint256 senderSeed, uint256 nextSeed, uint72 id)
        external
    {
        (bool found, uint256 which) = _find(seed, State.Closed);
        if (!found) return;
        address owner = _log(which).owner;
        bytes memory reason = _logClosed(which);
        (bytes32 root, bytes32[] memory d, bytes32[] memory proof) = _grow(which, 1);
        uint256 size = _headSize(which) + d.length - _trueSize(which);
        _anchor(which, _insider(which, senderSeed), root, size, proof, reason);
        address key = keyAt(bound(senderSeed, 0, KEYS - 1));
        _setOperator(which, owner, key, uint72(bound(id, 0, IDS)), reason);
        uint256 next;
        (found, next) = _findOf(owner, nextSeed, State.Fresh);
        if (!found) return;
        _succeed(which, owner, _log(which).records[0].root, next, reason);
    }

    /// @dev Operators are among them, and the other owner.
    function _notTheOwner(uint256 which, uint256 seed) private view returns (address sender) {
        sender = seed % 2 == 0 ? _insider(which, seed / 2 | 1) : _outsider(which, seed / 2);
        if (sender == _log(which).owner) sender = _outsider(which, seed / 2);
    }
}
