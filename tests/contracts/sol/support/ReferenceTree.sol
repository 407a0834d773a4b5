// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice RFC 9162 section 2.1 word for word: the recursive definitions, over leaf hashes.
/// @dev The contract's verifiers are iterative and share nothing with it; that is its worth. `d` may
/// be longer than the tree: `n` says how many of its hashes are leaves.
library ReferenceTree {
    /// @dev MTH(D_n), section 2.1.1.
    function root(bytes32[] memory d, uint256 n) internal pure returns (bytes32) {
        return n == 0 ? sha256("") : _root(d, 0, n);
    }

    /// @dev PATH(m, D_n), section 2.1.3.1.
    function inclusionProof(uint256 m, bytes32[] memory d, uint256 n)
        internal
        pure
        returns (bytes32[] memory)
    {
        return _path(m, d, 0, n);
    }

    /// @dev PROOF(m, D_n) for 0 < m < n, section 2.1.4.1.
    function consistencyProof(uint256 m, bytes32[] memory d, uint256 n)
        internal
        pure
        returns (bytes32[] memory)
    {
        return _subproof(m, d, 0, n, true);
    }

    /// @dev On which side each hash of PATH(m, D_n) stands. Two claims of one shape fold a path in
    /// the same way, so no verifier can tell them apart: a root commits to leaves, not to a size.
    function inclusionShape(uint256 m, uint256 n) internal pure returns (bytes memory) {
        if (n == 1) return "";
        uint256 k = split(n);
        if (m < k) return bytes.concat(inclusionShape(m, k), "R");
        return bytes.concat(inclusionShape(m - k, n - k), "L");
    }

    /// @dev The part each hash of PROOF(m, D_n) plays, the old root's too where it is implied.
    function consistencyShape(uint256 m, uint256 n) internal pure returns (bytes memory) {
        return _subproofShape(m, n, true);
    }

    /// @dev The largest power of two smaller than n: k < n <= 2k.
    function split(uint256 n) internal pure returns (uint256 k) {
        k = 1;
        while (2 * k < n) k *= 2;
    }

    function hashNode(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(hex"01", left, right));
    }

    function append(bytes32[] memory proof, bytes32 node)
        internal
        pure
        returns (bytes32[] memory longer)
    {
        longer = new bytes32[](proof.length + 1);
        for (uint256 i = 0; i < proof.length; ++i) {
            longer[i] = proof[i];
        }
        longer[proof.length] = node;
    }

    function _root(bytes32[] memory d, uint256 start, uint256 n) private pure returns (bytes32) {
        if (n == 1) return d[start];
        uint256 k = split(n);
        return hashNode(_root(d, start, k), _root(d, start + k, n - k));
    }

    function _path(uint256 m, bytes32[] memory d, uint256 start, uint256 n)
        private
        pure
        returns (bytes32[] memory)
    {
        if (n == 1) return new bytes32[](0);
        uint256 k = split(n);
        if (m < k) return append(_path(m, d, start, k), _root(d, start + k, n - k));
        return append(_path(m - k, d, start + k, n - k), _root(d, start, k));
    }

    function _subproof(uint256 m, bytes32[] memory d, uint256 start, uint256 n, bool b)
        private
        pure
        returns (bytes32[] memory)
    {
        if (m == n) {
            bytes32[] memory none = new bytes32[](0);
            return b ? none : append(none, _root(d, start, n));
        }
        uint256 k = split(n);
        if (m <= k) return append(_subproof(m, d, start, k, b), _root(d, start + k, n - k));
        return append(_subproof(m - k, d, start + k, n - k, false), _root(d, start, k));
    }

    function _subproofShape(uint256 m, uint256 n, bool b) private pure returns (bytes memory) {
        if (m == n) return b ? bytes("O") : bytes("S"); // the old root, or the first hash sent
        uint256 k = split(n);
        if (m <= k) return bytes.concat(_subproofShape(m, k, b), "R");
        return bytes.concat(_subproofShape(m - k, n - k, false), "L");
    }
}
