// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Prover} from "./Prover.sol";
import {Rfc9162Reference} from "./Rfc9162Reference.sol";

/// @notice The registry accepts a proof if and only if the RFC's recursive definitions do.
/// @dev For all sizes and indices up to a bound, proofs of every length from none to two too many,
/// and all hashes. SHA-256 is any function of 65 bytes: nothing is assumed about collisions.
contract VerifierProofs is Prover {
    function check_inclusionProofsAreTheRfcs() external {
        uint256 size = svm.createUint256("size");
        uint256 index = svm.createUint256("index");
        for (uint256 n = 1; n <= _maxSize(); ++n) {
            if (size != n) continue;
            for (uint256 m = 0; m < n; ++m) {
                if (index == m) return _compareInclusions(m, n);
            }
        }
    }

    function check_consistencyProofsAreTheRfcs() external {
        uint256 newSize = svm.createUint256("newSize");
        uint256 oldSize = svm.createUint256("oldSize");
        for (uint256 n = 2; n <= _maxSize(); ++n) {
            if (newSize != n) continue;
            for (uint256 m = 1; m < n; ++m) {
                if (oldSize == m) return _compareConsistencies(m, n);
            }
        }
    }

    function check_anchorsFollowTheHeadByTheRfcs() external {
        uint256 newSize = svm.createUint256("newSize");
        uint256 oldSize = svm.createUint256("oldSize");
        for (uint256 n = 2; n <= _maxAnchoredSize(); ++n) {
            if (newSize != n) continue;
            for (uint256 m = 1; m < n; ++m) {
                if (oldSize == m) return _compareAnchors(m, n);
            }
        }
    }

    function check_noLeafLiesBeyondTheSize(
        bytes32 log,
        bytes32 root,
        bytes32 leafHash,
        uint256 index,
        bytes32[] calldata proof
    ) external view {
        vm.assume(index >= _sizeIn(_anchor(log, root)));
        try registry.verifyInclusion(log, root, leafHash, index, proof) {
            assert(false);
        } catch {}
    }

    function check_noProofLeadsFromNothingOrBackwards(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) external view {
        vm.assume(_or(oldSize == 0, oldSize >= newSize));
        assert(!_isConsistent(oldSize, oldRoot, newSize, newRoot, proof));
    }

    function _maxSize() internal pure virtual returns (uint256) {
        return 16;
    }

    function _maxAnchoredSize() internal pure virtual returns (uint256) {
        return 8;
    }

    function _compareInclusions(uint256 m, uint256 n) internal {
        bytes32 log = svm.createBytes32("log");
        bytes32 root = svm.createBytes32("root");
        bytes32 leafHash = svm.createBytes32("leafHash");
        vm.store(address(registry), _anchorSlot(log, root), bytes32(n));
        uint256 longest = _depth(n) + 2;
        bytes32[] memory all = _anyProof(longest);
        uint256 fitting = longest; // compared last, as it doubles the paths
        for (uint256 length = 0; length <= longest; ++length) {
            (bool fits,) = Rfc9162Reference.rootOfInclusion(m, n, leafHash, all, length);
            if (fits) fitting = length;
            else assert(!_isIncluded(log, root, leafHash, m, _first(all, length)));
        }
        (, bytes32 expected) = Rfc9162Reference.rootOfInclusion(m, n, leafHash, all, fitting);
        bool isIncluded = _isIncluded(log, root, leafHash, m, _first(all, fitting));
        assert(isIncluded == (root == expected));
    }

    function _compareConsistencies(uint256 m, uint256 n) internal {
        bytes32 oldRoot = svm.createBytes32("oldRoot");
        bytes32 newRoot = svm.createBytes32("newRoot");
        uint256 longest = _depth(n) + 3;
        bytes32[] memory all = _anyProof(longest);
        uint256 fitting = longest; // compared last, as it doubles the paths
        for (uint256 length = 0; length <= longest; ++length) {
            (bool fits,,) = _rootsOfConsistency(m, n, oldRoot, all, length);
            if (fits) fitting = length;
            else assert(!_isConsistent(m, oldRoot, n, newRoot, _first(all, length)));
        }
        (, bytes32 expectedOld, bytes32 expectedNew) =
            _rootsOfConsistency(m, n, oldRoot, all, fitting);
        bool isConsistent = _isConsistent(m, oldRoot, n, newRoot, _first(all, fitting));
        assert(isConsistent == _and(oldRoot == expectedOld, newRoot == expectedNew));
    }

    function _compareAnchors(uint256 m, uint256 n) internal {
        bytes32 log = svm.createBytes32("log");
        bytes32 newRoot = svm.createBytes32("newRoot");
        vm.assume(newRoot != 0);
        vm.assume(newRoot != CLOSED);
        vm.assume(_anchor(log, newRoot) == 0);
        bytes32 oldRoot = svm.createBytes32("oldRoot");
        vm.assume(oldRoot != 0);
        vm.assume(oldRoot != CLOSED);
        vm.assume(oldRoot != newRoot);
        vm.store(address(registry), _headSlot(log), oldRoot);
        vm.store(address(registry), _anchorSlot(log, oldRoot), bytes32(m | 1 << 48));
        bytes32[] memory all = _anyProof(_depth(n) + 3);
        uint256 fitting = all.length; // compared last, as it doubles the paths
        for (uint256 length = 0; length <= all.length; ++length) {
            (bool fits,,) = _rootsOfConsistency(m, n, oldRoot, all, length);
            if (fits) fitting = length;
            else assert(!_isAnchored(log, newRoot, n, _first(all, length)));
        }
        (, bytes32 expectedOld, bytes32 expectedNew) =
            _rootsOfConsistency(m, n, oldRoot, all, fitting);
        bool isAnchored = _isAnchored(log, newRoot, n, _first(all, fitting));
        assert(isAnchored == _and(oldRoot == expectedOld, newRoot == expectedNew));
        bytes32 expectedHead = isAnchored ? newRoot : oldRoot;
        bytes32 expectedRecord = isAnchored ? _record(n, 2, 0) : bytes32(0);
        assert(_head(log) == expectedHead && _anchor(log, newRoot) == expectedRecord);
    }

    function _isIncluded(
        bytes32 log,
        bytes32 root,
        bytes32 leafHash,
        uint256 index,
        bytes32[] memory proof
    ) internal view returns (bool) {
        try registry.verifyInclusion(log, root, leafHash, index, proof) {
            return true;
        } catch {
            return false;
        }
    }

    function _isConsistent(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] memory proof
    ) internal view returns (bool) {
        try registry.verifyConsistency(oldSize, oldRoot, newSize, newRoot, proof) {
            return true;
        } catch {
            return false;
        }
    }

    function _isAnchored(bytes32 log, bytes32 root, uint256 size, bytes32[] memory proof)
        internal
        returns (bool)
    {
        vm.prank(_ownerOf(log));
        try registry.anchor(log, root, size, proof) {
            return true;
        } catch {
            return false;
        }
    }

    function _rootsOfConsistency(
        uint256 m,
        uint256 n,
        bytes32 oldRoot,
        bytes32[] memory proof,
        uint256 length
    ) internal pure returns (bool, bytes32, bytes32) {
        return Rfc9162Reference.rootsOfConsistency(m, n, true, oldRoot, proof, length);
    }

    function _anyProof(uint256 length) internal returns (bytes32[] memory proof) {
        proof = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) {
            proof[i] = svm.createBytes32("hash");
        }
    }

    function _first(bytes32[] memory all, uint256 length)
        internal
        pure
        returns (bytes32[] memory proof)
    {
        proof = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) {
            proof[i] = all[i];
        }
    }

    function _depth(uint256 n) internal pure returns (uint256 depth) {
        while (n > uint256(1) << depth) ++depth;
    }
}

/// @notice The same further up, which takes longer.
contract DeepVerifierProofs is VerifierProofs {
    function _maxSize() internal pure override returns (uint256) {
        return 32;
    }

    function _maxAnchoredSize() internal pure override returns (uint256) {
        return 16;
    }
}
