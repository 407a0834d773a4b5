// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "../../../contracts/interfaces/IAnchorRegistry.sol";

/// @notice Stands in for contracts/Rfc9162.sol: every proof of any length may verify, or may not.
/// @dev The verdict is a word of the storage, which is arbitrary and which the registry never names.
library Rfc9162 {
    bytes32 internal constant EMPTY_ROOT =
        0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;
    address internal constant SHA256 = 0x0000000000000000000000000000000000000002;

    function verifyInclusion(
        bytes32 leafHash,
        uint256 index,
        uint256 size,
        bytes32 root,
        bytes32[] calldata
    ) internal view {
        if (!_verdict()) {
            revert IAnchorRegistry.InvalidInclusionProof(root, size, leafHash, index);
        }
    }

    function verifyConsistency(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] calldata
    ) internal view {
        if (!_verdict()) {
            revert IAnchorRegistry.InvalidConsistencyProof(oldSize, oldRoot, newSize, newRoot);
        }
    }

    function _verdict() private view returns (bool verified) {
        assembly ("memory-safe") {
            verified := iszero(sload(0x616e792076657264696374))
        }
    }
}
