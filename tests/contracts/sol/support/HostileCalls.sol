// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "../../../../contracts/interfaces/IAnchorRegistry.sol";
import {GoodCalls} from "./GoodCalls.sol";
import {Mutations} from "./Mutations.sol";
import {ReferenceTree} from "./ReferenceTree.sol";
import {bound} from "./Vm.sol";

/// @notice What a stolen key tries in its own log; the owner's key is not above it.
abstract contract HostileCalls is GoodCalls {
    /// @notice The registry cannot refuse it: a first head extends nothing.
    function stolenKeyOpensWithGarbage(uint256 seed, uint256 senderSeed, bytes32 root, uint256 size)
        external
    {
        (bool found, uint256 which) = _find(seed, State.Fresh);
        if (!found) return;
        root = _toRoot(root);
        // Every other garbage is extensible: the claimed size is a power of two.
        size = size % 2 == 0 ? 2 ** bound(size / 2, 0, 47) : bound(size / 2, 1, LARGEST);
        if (_anchor(which, _insider(which, senderSeed), root, size, _none(), "")) {
            _know(which, _only(root));
        }
    }

    /// @notice The registry cannot refuse it either: the tree is consistent, only its size is not
    /// the claimed one, for which the proof has the same shape.
    function stolenKeyClaimsAnotherSize(
        uint256 seed,
        uint256 senderSeed,
        uint256 more,
        uint256 sizeSeed
    ) external {
        (bool found, uint256 which) = _find(seed, State.Open);
        if (!found) return;
        (bytes32 root, bytes32[] memory d, bytes32[] memory proof) = _grow(which, more);
        uint256 size;
        (found, size) = _findLie(which, d.length, sizeSeed);
        if (found && _anchor(which, _insider(which, senderSeed), root, size, proof, "")) {
            _know(which, d);
        }
    }

    /// @notice Rewrites one leaf under the head and proves that the forged trees are consistent.
    function stolenKeyForks(uint256 seed, uint256 senderSeed, uint256 more, uint256 rewritten)
        external
    {
        (bool found, uint256 which) = _find(seed, State.Live);
        if (!found || _headSize(which) + 5 > LARGEST) return;
        (, bytes32[] memory d,) = _grow(which, more);
        uint256 oldSize = _trueSize(which);
        d[rewritten % oldSize] ^= bytes32(uint256(1));
        bytes32 root = ReferenceTree.root(d, d.length);
        uint256 size = _headSize(which) + d.length - oldSize;
        bytes32[] memory proof = ReferenceTree.consistencyProof(oldSize, d, d.length);
        bytes memory reason = _invalidProof(which, root, size);
        _anchor(which, _insider(which, senderSeed), root, size, proof, reason);
    }

    function stolenKeyContinuesWithGarbage(
        uint256 seed,
        uint256 senderSeed,
        bytes32 root,
        uint256 size,
        bytes32[] memory proof
    ) external {
        (bool found, uint256 which) = _find(seed, State.Live);
        if (!found || _headSize(which) == LARGEST) return;
        root = _toRoot(root);
        if (REGISTRY.anchorOf(_log(which).id, root).size != 0) return; // that is replaying
        size = bound(size, _headSize(which) + 1, LARGEST);
        bytes memory reason = _invalidProof(which, root, size);
        _anchor(which, _insider(which, senderSeed), root, size, proof, reason);
    }

    function stolenKeySendsAWrongProof(
        uint256 seed,
        uint256 senderSeed,
        uint256 more,
        uint256 mutation
    ) external {
        (bool found, uint256 which) = _find(seed, State.Live);
        if (!found || _headSize(which) + 5 > LARGEST) return;
        (bytes32 root, bytes32[] memory d, bytes32[] memory proof) = _grow(which, more);
        uint256 size = _headSize(which) + d.length - _trueSize(which);
        bytes memory reason = _invalidProof(which, root, size);
        proof = Mutations.mutate(proof, mutation);
        _anchor(which, _insider(which, senderSeed), root, size, proof, reason);
    }

    function stolenKeyReplays(uint256 seed, uint256 senderSeed, uint256 recordSeed, uint256 size)
        external
    {
        (bool found, uint256 which) = _find(seed, State.Live);
        if (!found) return;
        Record[] storage anchored = _log(which).records;
        bytes32 root = anchored[recordSeed % anchored.length].root;
        (,, bytes32[] memory proof) = _grow(which, size);
        bytes memory reason =
            abi.encodeWithSelector(IAnchorRegistry.AlreadyAnchored.selector, _log(which).id, root);
        _anchor(which, _insider(which, senderSeed), root, size, proof, reason);
    }

    /// @notice A good extension, but not to a size above the head's and below 2^48.
    function stolenKeyClaimsAnImpossibleSize(
        uint256 seed,
        uint256 senderSeed,
        uint256 size,
        bool isLarge
    ) external {
        (bool found, uint256 which) = _find(seed, State.Open);
        if (!found) return;
        size = isLarge
            ? bound(size, LARGEST + 1, type(uint256).max)
            : bound(size, 0, _headSize(which));
        (bytes32 root,, bytes32[] memory proof) = _grow(which, size);
        _anchor(which, _insider(which, senderSeed), root, size, proof, _invalidSize(which, size));
    }

    function stolenKeyAnchorsNoRoot(uint256 seed, uint256 senderSeed, bool isZero) external {
        (bool found, uint256 which) = _find(seed, State.Open);
        if (!found) return;
        bytes32 root = isZero ? bytes32(0) : CLOSED_HEAD;
        bytes memory reason = abi.encodeWithSelector(IAnchorRegistry.InvalidRoot.selector, root);
        _anchor(which, _insider(which, senderSeed), root, LARGEST, _only(root), reason);
    }

    function stolenKeyOpensWithAProof(uint256 seed, uint256 senderSeed, bytes32 root) external {
        (bool found, uint256 which) = _find(seed, State.Fresh);
        if (!found) return;
        bytes memory reason =
            abi.encodeWithSelector(IAnchorRegistry.UnexpectedProof.selector, _log(which).id, 1);
        _anchor(which, _insider(which, senderSeed), _toRoot(root), 1, _only(root), reason);
    }

    /// @dev A size that is not the true one, but for which the growth to `leaves` has the shape of a
    /// growth from the head's claimed size.
    function _findLie(uint256 which, uint256 leaves, uint256 seed)
        private
        view
        returns (bool, uint256 size)
    {
        uint256 headSize = _headSize(which);
        if (headSize == 0) {
            size = bound(seed, 1, LARGEST);
            return (size != leaves, size);
        }
        for (uint256 i = 0; i < 20; ++i) {
            // Close above the head, where the shapes of small trees are, or up to four times it.
            uint256 step = i < 16 ? (seed % 16 + i) % 16 : uint256(keccak256(abi.encode(seed, i)));
            size = headSize + 1 + (i < 16 ? step : step % (3 * headSize));
            if (size <= LARGEST && size != leaves && _fits(which, leaves, size)) {
                return (true, size);
            }
        }
        return (false, 0);
    }

    function _toRoot(bytes32 word) private pure returns (bytes32) {
        return bytes32(bound(uint256(word), 1, type(uint256).max - 1));
    }

    function _none() private pure returns (bytes32[] memory) {
        return new bytes32[](0);
    }

    function _only(bytes32 word) private pure returns (bytes32[] memory) {
        return ReferenceTree.append(_none(), word);
    }
}
