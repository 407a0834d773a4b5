// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Wrong proofs near a right one. None of them equals it.
library Mutations {
    uint256 internal constant KINDS = 4;

    /// @dev One mutation that `proof` is long enough for, chosen by `seed`.
    function mutate(bytes32[] memory proof, uint256 seed) internal pure returns (bytes32[] memory) {
        uint256 kind = seed % KINDS;
        seed /= KINDS;
        if (kind == 0 && proof.length > 0) return flip(proof, seed);
        if (kind == 1 && proof.length > 0) return drop(proof, seed);
        if (kind == 2 && proof.length > 1) return swap(proof, seed);
        return insert(proof, seed, keccak256(abi.encode(seed)));
    }

    /// @dev Flips any one bit of the proof.
    function flip(bytes32[] memory proof, uint256 seed)
        internal
        pure
        returns (bytes32[] memory flipped)
    {
        flipped = insert(proof, proof.length, 0);
        uint256 bit = seed % (256 * proof.length);
        flipped[bit / 256] ^= bytes32(uint256(1) << (bit % 256));
        return drop(flipped, proof.length);
    }

    /// @dev Leaves out any one hash.
    function drop(bytes32[] memory proof, uint256 seed)
        internal
        pure
        returns (bytes32[] memory shorter)
    {
        uint256 position = seed % proof.length;
        shorter = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < shorter.length; ++i) {
            shorter[i] = proof[i < position ? i : i + 1];
        }
    }

    /// @dev Puts `node` before any of the hashes, or behind the last.
    function insert(bytes32[] memory proof, uint256 seed, bytes32 node)
        internal
        pure
        returns (bytes32[] memory longer)
    {
        uint256 position = seed % (proof.length + 1);
        longer = new bytes32[](proof.length + 1);
        for (uint256 i = 0; i < longer.length; ++i) {
            longer[i] = i < position ? proof[i] : i == position ? node : proof[i - 1];
        }
    }

    /// @dev Exchanges any two hashes.
    function swap(bytes32[] memory proof, uint256 seed)
        internal
        pure
        returns (bytes32[] memory swapped)
    {
        uint256 one = seed % proof.length;
        uint256 other = (one + 1 + (seed / proof.length) % (proof.length - 1)) % proof.length;
        swapped = flip(flip(proof, 0), 0); // a copy
        (swapped[one], swapped[other]) = (proof[other], proof[one]);
    }
}
