// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Rfc9162} from "../../../contracts/Rfc9162.sol";
import {IAnchorRegistry} from "../../../contracts/interfaces/IAnchorRegistry.sol";

/// @notice Judges many proofs in one call. A test fixture, not part of the package.
contract Rfc9162Harness {
    struct Inclusion {
        bytes32 leafHash;
        uint256 index;
        uint256 size;
        bytes32 root;
        bytes32[] proof;
    }

    struct Consistency {
        uint256 oldSize;
        bytes32 oldRoot;
        uint256 newSize;
        bytes32 newRoot;
        bytes32[] proof;
    }

    /// @notice Case number `position` was refused, but not with the error that belongs to it.
    error WrongRefusal(uint256 position, bytes reason);

    /// @notice One byte a case: 1 accepted, 0 refused with the right error and operands.
    function judgeInclusions(Inclusion[] calldata cases) external view returns (bytes memory out) {
        out = new bytes(cases.length);
        for (uint256 i = 0; i < cases.length; ++i) {
            Inclusion calldata c = cases[i];
            try this.verifyInclusion(c) {
                out[i] = 0x01;
            } catch (bytes memory reason) {
                bytes memory expected = abi.encodeWithSelector(
                    IAnchorRegistry.InvalidInclusionProof.selector,
                    c.root,
                    c.size,
                    c.leafHash,
                    c.index
                );
                if (keccak256(reason) != keccak256(expected)) revert WrongRefusal(i, reason);
            }
        }
    }

    /// @notice One byte a case: 1 accepted, 0 refused with the right error and operands.
    function judgeConsistencies(Consistency[] calldata cases)
        external
        view
        returns (bytes memory out)
    {
        out = new bytes(cases.length);
        for (uint256 i = 0; i < cases.length; ++i) {
            Consistency calldata c = cases[i];
            try this.verifyConsistency(c) {
                out[i] = 0x01;
            } catch (bytes memory reason) {
                bytes memory expected = abi.encodeWithSelector(
                    IAnchorRegistry.InvalidConsistencyProof.selector,
                    c.oldSize,
                    c.oldRoot,
                    c.newSize,
                    c.newRoot
                );
                if (keccak256(reason) != keccak256(expected)) revert WrongRefusal(i, reason);
            }
        }
    }

    function verifyInclusion(Inclusion calldata c) external view {
        Rfc9162.verifyInclusion(c.leafHash, c.index, c.size, c.root, c.proof);
    }

    function verifyConsistency(Consistency calldata c) external view {
        Rfc9162.verifyConsistency(c.oldSize, c.oldRoot, c.newSize, c.newRoot, c.proof);
    }

    /// @notice How much memory a verification takes for good, and what it leaves in the zero slot.
    function memoryTaken(Inclusion calldata c)
        external
        view
        returns (uint256 taken, uint256 zeroSlot)
    {
        assembly ("memory-safe") {
            taken := mload(0x40)
        }
        Rfc9162.verifyInclusion(c.leafHash, c.index, c.size, c.root, c.proof);
        assembly ("memory-safe") {
            taken := sub(mload(0x40), taken)
            zeroSlot := mload(0x60)
        }
    }
}
