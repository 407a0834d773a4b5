// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "./interfaces/IAnchorRegistry.sol";

/// @title Rfc9162
/// @notice Merkle proofs of RFC 9162 section 2.1 over SHA-256. Functions verify or revert.
/// @dev `node` and `last` are the RFC's fn and sn: on the level reached, the positions of the node
/// that is followed and of the level's last node.
library Rfc9162 {
    /// @dev SHA-256 of nothing, the root of a tree without leaves (section 2.1.1).
    bytes32 internal constant EMPTY_ROOT =
        0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    /// @dev The SHA-256 precompile.
    address internal constant SHA256 = 0x0000000000000000000000000000000000000002;

    /// @dev Section 2.1.3.2: reverts unless `proof` leads from the leaf at `index` to `root`.
    function verifyInclusion(
        bytes32 leafHash,
        uint256 index,
        uint256 size,
        bytes32 root,
        bytes32[] calldata proof
    ) internal view {
        if (!_isIncluded(leafHash, index, size, root, proof)) {
            revert IAnchorRegistry.InvalidInclusionProof(root, size, leafHash, index);
        }
    }

    /// @dev Section 2.1.4.2: reverts unless `proof` shows that the old tree's leaves are the new
    /// tree's first `oldSize`, with 0 < `oldSize` < `newSize`.
    function verifyConsistency(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) internal view {
        if (!_isConsistent(oldSize, oldRoot, newSize, newRoot, proof)) {
            revert IAnchorRegistry.InvalidConsistencyProof(oldSize, oldRoot, newSize, newRoot);
        }
    }

    function _isIncluded(
        bytes32 leafHash,
        uint256 index,
        uint256 size,
        bytes32 root,
        bytes32[] calldata proof
    ) private view returns (bool) {
        if (index >= size) return false;
        uint256 node = index;
        uint256 last = size - 1;
        bytes32 hash = leafHash;
        uint256 buffer = _newBuffer();
        for (uint256 i = 0; i < proof.length; ++i) {
            if (last == 0) return false; // too long
            bytes32 sibling = _read(proof, i);
            if (node & 1 == 1 || node == last) {
                hash = _hashNode(buffer, sibling, hash);
                // Not zero here: `node` is odd, or is `last`.
                while (node & 1 == 0) {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                hash = _hashNode(buffer, hash, sibling);
            }
            node >>= 1;
            last >>= 1;
        }
        return last == 0 && hash == root;
    }

    function _isConsistent(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) private view returns (bool) {
        if (oldSize == 0 || oldSize >= newSize || proof.length == 0) return false;
        uint256 node = oldSize - 1;
        uint256 last = newSize - 1;
        while (node & 1 == 1) {
            node >>= 1;
            last >>= 1;
        }
        // The proof starts from the old tree's last complete subtree. Where that is the whole old
        // tree (a power of two, nothing is left of `node`) its root is known and not repeated.
        uint256 i = node == 0 ? 0 : 1;
        bytes32 oldHash = node == 0 ? oldRoot : proof[0];
        bytes32 newHash = oldHash;
        uint256 buffer = _newBuffer();
        for (; i < proof.length; ++i) {
            if (last == 0) return false; // too long
            bytes32 sibling = _read(proof, i);
            if (node & 1 == 1 || node == last) {
                oldHash = _hashNode(buffer, sibling, oldHash);
                newHash = _hashNode(buffer, sibling, newHash);
                // Not zero here: `node` is odd, or is `last`.
                while (node & 1 == 0) {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                newHash = _hashNode(buffer, newHash, sibling);
            }
            node >>= 1;
            last >>= 1;
        }
        return last == 0 && oldHash == oldRoot && newHash == newRoot;
    }

    /// @dev `proof[i]` for an `i` that the caller bounds: the compiler's own check costs as much again.
    function _read(bytes32[] calldata proof, uint256 i) private pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := calldataload(add(proof.offset, shl(5, i)))
        }
    }

    /// @dev Allocates room for 0x01 ‖ left ‖ right and writes the prefix (section 2.1.1). One buffer
    /// serves a whole proof: `sha256(abi.encodePacked(…))` would copy and allocate for every node.
    function _newBuffer() private pure returns (uint256 buffer) {
        assembly ("memory-safe") {
            buffer := mload(0x40)
            mstore(0x40, add(buffer, 96)) // 65 bytes, in whole words
            mstore8(buffer, 0x01)
        }
    }

    /// @dev SHA-256(0x01 ‖ left ‖ right), into scratch space.
    function _hashNode(uint256 buffer, bytes32 left, bytes32 right)
        private
        view
        returns (bytes32 hash)
    {
        bool hashed;
        assembly ("memory-safe") {
            mstore(add(buffer, 1), left)
            mstore(add(buffer, 33), right)
            hashed := staticcall(gas(), SHA256, buffer, 65, 0, 32)
            // A call to an address without code succeeds and returns nothing.
            hashed := and(hashed, eq(returndatasize(), 32))
            hash := mload(0)
        }
        if (!hashed) revert IAnchorRegistry.Sha256Failed();
    }
}
