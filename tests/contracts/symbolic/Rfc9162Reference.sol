// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice RFC 9162's recursive definitions of its proofs, read backwards from the last hash.
/// @dev The contract walks up by the bits of two positions; this walks down by splitting trees.
library Rfc9162Reference {
    /// @notice The root that PATH(m, D_n) of section 2.1.3.1 leads to.
    /// @return fits Whether a proof for this leaf has this length.
    function rootOfInclusion(
        uint256 m,
        uint256 n,
        bytes32 leafHash,
        bytes32[] memory proof,
        uint256 length
    ) internal pure returns (bool fits, bytes32 root) {
        if (n == 1) return (length == 0, leafHash);
        if (length == 0) return (false, 0);
        bytes32 sibling = proof[length - 1];
        uint256 k = _split(n);
        if (m < k) {
            (fits, root) = rootOfInclusion(m, k, leafHash, proof, length - 1);
            return (fits, _node(root, sibling));
        }
        (fits, root) = rootOfInclusion(m - k, n - k, leafHash, proof, length - 1);
        return (fits, _node(sibling, root));
    }

    /// @notice Both roots that SUBPROOF(m, D_n, b) of section 2.1.4.1 leads to.
    /// @param b Whether D[0:m] is the whole old tree, whose root the proof then leaves out.
    /// @return fits Whether a proof between these sizes has this length.
    function rootsOfConsistency(
        uint256 m,
        uint256 n,
        bool b,
        bytes32 wholeRoot,
        bytes32[] memory proof,
        uint256 length
    ) internal pure returns (bool fits, bytes32 oldRoot, bytes32 newRoot) {
        if (m == n && b) return (length == 0, wholeRoot, wholeRoot);
        if (length == 0) return (false, 0, 0);
        bytes32 last = proof[length - 1];
        if (m == n) return (length == 1, last, last);
        uint256 k = _split(n);
        if (m <= k) {
            (fits, oldRoot, newRoot) = rootsOfConsistency(m, k, b, wholeRoot, proof, length - 1);
            return (fits, oldRoot, _node(newRoot, last));
        }
        (fits, oldRoot, newRoot) =
            rootsOfConsistency(m - k, n - k, false, wholeRoot, proof, length - 1);
        return (fits, _node(last, oldRoot), _node(last, newRoot));
    }

    /// @dev The largest power of two smaller than `n`.
    function _split(uint256 n) private pure returns (uint256 k) {
        k = 1;
        while (k << 1 < n) k <<= 1;
    }

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
