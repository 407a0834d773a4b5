// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "../../../contracts/interfaces/IAnchorRegistry.sol";
import {Rfc9162Harness} from "./Rfc9162Harness.sol";
import {Mutations} from "./support/Mutations.sol";
import {ReferenceTree} from "./support/ReferenceTree.sol";
import {VM, bound} from "./support/Vm.sol";

/// @notice The verifiers against the RFC's recursive definitions, over random trees.
contract Rfc9162Test {
    // A tree of that many leaves has incomplete subtrees on seven levels; more only repeat them.
    uint256 private constant LARGEST = 200;
    // Of two claims about trees this small, many have the same shape.
    uint256 private constant SMALL = 12;

    Rfc9162Harness private immutable HARNESS = new Rfc9162Harness();

    function testFuzz_provesEveryLeafOfEveryTree(bytes32 seed, uint256 index, uint256 size)
        external
        view
    {
        HARNESS.verifyInclusion(_inclusion(seed, index, size));
    }

    function testFuzz_provesEveryTreeConsistentWithItsPrefixes(
        bytes32 seed,
        uint256 oldSize,
        uint256 newSize
    ) external view {
        HARNESS.verifyConsistency(_consistency(seed, oldSize, newSize));
    }

    /// Memory that is not marked as taken would be handed out again, and hashed over.
    function test_takesMemoryForItsBufferAndLeavesTheZeroSlotAlone() external view {
        (uint256 taken, uint256 zeroSlot) = HARNESS.memoryTaken(_inclusion(0, 3, 7));
        require(taken == 96, "memory of the buffer");
        require(zeroSlot == 0, "zero slot");
    }

    function testFuzz_refusesAnInclusionProofWithOneBitFlipped(
        bytes32 seed,
        uint256 index,
        uint256 size,
        uint256 position
    ) external {
        Rfc9162Harness.Inclusion memory c = _inclusion(seed, index, bound(size, 2, LARGEST));
        c.proof = Mutations.flip(c.proof, position);
        _refuseInclusion(c);
    }

    function testFuzz_refusesAnInclusionProofWithAHashDropped(
        bytes32 seed,
        uint256 index,
        uint256 size,
        uint256 position
    ) external {
        Rfc9162Harness.Inclusion memory c = _inclusion(seed, index, bound(size, 2, LARGEST));
        c.proof = Mutations.drop(c.proof, position);
        _refuseInclusion(c);
    }

    function testFuzz_refusesAnInclusionProofWithAHashInserted(
        bytes32 seed,
        uint256 index,
        uint256 size,
        uint256 position,
        bytes32 node
    ) external {
        Rfc9162Harness.Inclusion memory c = _inclusion(seed, index, size);
        c.proof = Mutations.insert(c.proof, position, node);
        _refuseInclusion(c);
    }

    function testFuzz_refusesAnInclusionProofWithTwoHashesSwapped(
        bytes32 seed,
        uint256 index,
        uint256 size,
        uint256 position
    ) external {
        Rfc9162Harness.Inclusion memory c = _inclusion(seed, index, bound(size, 4, LARGEST));
        if (c.proof.length < 2) return; // the last leaf may hang right under the root
        c.proof = Mutations.swap(c.proof, position);
        _refuseInclusion(c);
    }

    function testFuzz_refusesAnotherLeafOrRoot(
        bytes32 seed,
        uint256 index,
        uint256 size,
        uint8 bit,
        bool isRoot
    ) external {
        Rfc9162Harness.Inclusion memory c = _inclusion(seed, index, size);
        bytes32 flip = bytes32(uint256(1) << bit);
        if (isRoot) c.root ^= flip;
        else c.leafHash ^= flip;
        _refuseInclusion(c);
    }

    /// @dev How far a claim can be stretched, exactly.
    function testFuzz_acceptsAnotherIndexOrSizeJustWhereThePathHasTheSameShape(
        bytes32 seed,
        uint256 index,
        uint256 size,
        uint256 claimedIndex,
        uint256 claimedSize
    ) external {
        Rfc9162Harness.Inclusion memory c = _inclusion(seed, index, bound(size, 1, SMALL));
        bytes memory shape = ReferenceTree.inclusionShape(c.index, c.size);
        c.size = bound(claimedSize, 1, SMALL);
        c.index = bound(claimedIndex, 0, c.size - 1);
        bytes memory claimed = ReferenceTree.inclusionShape(c.index, c.size);
        if (keccak256(claimed) == keccak256(shape)) HARNESS.verifyInclusion(c);
        else _refuseInclusion(c);
    }

    function testFuzz_refusesAnIndexOutsideTheTree(
        bytes32 seed,
        uint256 index,
        uint256 size,
        uint256 outside
    ) external {
        Rfc9162Harness.Inclusion memory c = _inclusion(seed, index, size);
        c.index = bound(outside, c.size, type(uint256).max);
        _refuseInclusion(c);
    }

    function testFuzz_refusesEveryLeafOfAnEmptyTree(
        bytes32 leafHash,
        uint256 index,
        bytes32 root,
        bytes32[] memory proof
    ) external {
        _refuseInclusion(Rfc9162Harness.Inclusion(leafHash, index, 0, root, proof));
        _refuseInclusion(Rfc9162Harness.Inclusion(leafHash, 0, 0, leafHash, new bytes32[](0)));
    }

    function testFuzz_refusesAConsistencyProofWithOneBitFlipped(
        bytes32 seed,
        uint256 oldSize,
        uint256 newSize,
        uint256 position
    ) external {
        Rfc9162Harness.Consistency memory c = _consistency(seed, oldSize, newSize);
        c.proof = Mutations.flip(c.proof, position);
        _refuseConsistency(c);
    }

    function testFuzz_refusesAConsistencyProofWithAHashDropped(
        bytes32 seed,
        uint256 oldSize,
        uint256 newSize,
        uint256 position
    ) external {
        Rfc9162Harness.Consistency memory c = _consistency(seed, oldSize, newSize);
        c.proof = Mutations.drop(c.proof, position);
        _refuseConsistency(c);
    }

    function testFuzz_refusesAConsistencyProofWithAHashInserted(
        bytes32 seed,
        uint256 oldSize,
        uint256 newSize,
        uint256 position,
        bytes32 node
    ) external {
        Rfc9162Harness.Consistency memory c = _consistency(seed, oldSize, newSize);
        c.proof = Mutations.insert(c.proof, position, node);
        _refuseConsistency(c);
    }

    function testFuzz_refusesAConsistencyProofWithTwoHashesSwapped(
        bytes32 seed,
        uint256 oldSize,
        uint256 newSize,
        uint256 position
    ) external {
        Rfc9162Harness.Consistency memory c = _consistency(seed, oldSize, newSize);
        if (c.proof.length < 2) return; // a power of two doubled at most
        c.proof = Mutations.swap(c.proof, position);
        _refuseConsistency(c);
    }

    function testFuzz_refusesAnotherOldOrNewRoot(
        bytes32 seed,
        uint256 oldSize,
        uint256 newSize,
        uint8 bit,
        bool isOld
    ) external {
        Rfc9162Harness.Consistency memory c = _consistency(seed, oldSize, newSize);
        bytes32 flip = bytes32(uint256(1) << bit);
        if (isOld) c.oldRoot ^= flip;
        else c.newRoot ^= flip;
        _refuseConsistency(c);
    }

    /// @dev How far a claim can be stretched, exactly.
    function testFuzz_acceptsOtherSizesJustWhereTheirProofHasTheSameShape(
        bytes32 seed,
        uint256 oldSize,
        uint256 newSize,
        uint256 claimedOld,
        uint256 claimedNew
    ) external {
        Rfc9162Harness.Consistency memory c = _consistency(seed, oldSize, bound(newSize, 2, SMALL));
        bytes memory shape = ReferenceTree.consistencyShape(c.oldSize, c.newSize);
        c.newSize = bound(claimedNew, 2, SMALL);
        c.oldSize = bound(claimedOld, 1, c.newSize - 1);
        bytes memory claimed = ReferenceTree.consistencyShape(c.oldSize, c.newSize);
        if (keccak256(claimed) == keccak256(shape)) HARNESS.verifyConsistency(c);
        else _refuseConsistency(c);
    }

    function testFuzz_refusesSizesThatDoNotGrow(
        bytes32 seed,
        uint256 oldSize,
        uint256 newSize,
        uint256 claimedOld,
        uint256 claimedNew
    ) external {
        Rfc9162Harness.Consistency memory c = _consistency(seed, oldSize, newSize);
        c.newSize = claimedNew;
        c.oldSize = bound(claimedOld, claimedNew, type(uint256).max);
        _refuseConsistency(c);
        c.oldSize = c.newSize;
        _refuseConsistency(c);
    }

    function testFuzz_refusesToExtendNothing(bytes32 seed, uint256 oldSize, uint256 newSize)
        external
    {
        Rfc9162Harness.Consistency memory c = _consistency(seed, oldSize, newSize);
        c.oldSize = 0;
        _refuseConsistency(c);
        c.proof = new bytes32[](0);
        _refuseConsistency(c);
    }

    /// @dev The algorithm of section 2.1.4.2 alone would follow the last leaf's path up to both.
    function testFuzz_refusesEqualSizesWhateverProofLeadsToTheirRoot(bytes32 seed, uint256 size)
        external
    {
        size = 2 * bound(size, 1, LARGEST / 2 - 1) + 1;
        Rfc9162Harness.Inclusion memory last = _inclusion(seed, size - 1, size);
        bytes32[] memory proof = Mutations.insert(last.proof, 0, last.leafHash);
        _refuseConsistency(Rfc9162Harness.Consistency(size, last.root, size, last.root, proof));
    }

    /// @dev No claim of any size makes the verifiers loop, overflow or answer with a panic.
    function testFuzz_refusesRandomProofsOfAnySize(
        uint256 oldSize,
        bytes32 oldRoot,
        uint256 newSize,
        bytes32 newRoot,
        bytes32[] memory proof
    ) external {
        _refuseConsistency(Rfc9162Harness.Consistency(oldSize, oldRoot, newSize, newRoot, proof));
        if (newSize == 1 && proof.length == 0 && oldRoot == newRoot) return; // a true statement
        _refuseInclusion(Rfc9162Harness.Inclusion(oldRoot, oldSize, newSize, newRoot, proof));
    }

    function _inclusion(bytes32 seed, uint256 index, uint256 size)
        private
        pure
        returns (Rfc9162Harness.Inclusion memory c)
    {
        size = bound(size, 1, LARGEST);
        index = bound(index, 0, size - 1);
        bytes32[] memory d = _leaves(seed, size);
        bytes32[] memory proof = ReferenceTree.inclusionProof(index, d, size);
        return Rfc9162Harness.Inclusion(d[index], index, size, ReferenceTree.root(d, size), proof);
    }

    function _consistency(bytes32 seed, uint256 oldSize, uint256 newSize)
        private
        pure
        returns (Rfc9162Harness.Consistency memory)
    {
        newSize = bound(newSize, 2, LARGEST);
        oldSize = bound(oldSize, 1, newSize - 1);
        bytes32[] memory d = _leaves(seed, newSize);
        return Rfc9162Harness.Consistency(
            oldSize,
            ReferenceTree.root(d, oldSize),
            newSize,
            ReferenceTree.root(d, newSize),
            ReferenceTree.consistencyProof(oldSize, d, newSize)
        );
    }

    function _leaves(bytes32 seed, uint256 size) private pure returns (bytes32[] memory d) {
        d = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) {
            d[i] = keccak256(abi.encode(seed, i));
        }
    }

    function _refuseInclusion(Rfc9162Harness.Inclusion memory c) private {
        VM.expectRevert(
            abi.encodeWithSelector(
                IAnchorRegistry.InvalidInclusionProof.selector, c.root, c.size, c.leafHash, c.index
            )
        );
        HARNESS.verifyInclusion(c);
    }

    function _refuseConsistency(Rfc9162Harness.Consistency memory c) private {
        VM.expectRevert(
            abi.encodeWithSelector(
                IAnchorRegistry.InvalidConsistencyProof.selector,
                c.oldSize,
                c.oldRoot,
                c.newSize,
                c.newRoot
            )
        );
        HARNESS.verifyConsistency(c);
    }
}
