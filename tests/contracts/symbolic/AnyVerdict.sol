// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "../../../contracts/interfaces/IAnchorRegistry.sol";

/// @notice Stands in for contracts/Rfc9162.sol: every proof of any length may verify, or may not.
/// @dev The verdict on given arguments is a word of the storage, which is arbitrary and which the
/// registry never names: an uninterpreted function of all that it was asked about.
library Rfc9162 {
    bytes32 internal constant EMPTY_ROOT =
        0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;
    address internal constant SHA256 = 0x0000000000000000000000000000000000000002;

    function verifyInclusion(
        bytes32 leafHash,
        uint256 index,
        uint256 size,
        bytes32 root,
        bytes32[] calldata proof
    ) internal view {
        if (!_verdict(slotOf(1, leafHash, index, size, root, proof))) {
            revert IAnchorRegistry.InvalidInclusionProof(root, size, leafHash, index);
        }
    }

    function verifyConsistency(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) internal view {
        if (!_verdict(slotOf(2, oldRoot, oldSize, newSize, newRoot, proof))) {
            revert IAnchorRegistry.InvalidConsistencyProof(oldSize, oldRoot, newSize, newRoot);
        }
    }

    /// @dev Where the verdict lies, a chain of mappings, so that Halmos keeps them apart.
    function slotOf(
        uint256 kind,
        bytes32 a,
        uint256 b,
        uint256 c,
        bytes32 d,
        bytes32[] calldata proof
    ) internal pure returns (bytes32 slot) {
        slot = keccak256(abi.encode(a, uint256(0x616e79207665726469637400) + kind));
        slot = keccak256(abi.encode(b, slot));
        slot = keccak256(abi.encode(c, slot));
        slot = keccak256(abi.encode(d, slot));
        slot = keccak256(abi.encode(proof.length, slot));
        for (uint256 i = 0; i < proof.length; ++i) {
            slot = keccak256(abi.encode(proof[i], slot));
        }
    }

    function _verdict(bytes32 slot) private view returns (bool verified) {
        assembly ("memory-safe") {
            verified := iszero(sload(slot))
        }
    }
}
