// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnchorRegistry} from "../../../contracts/AnchorRegistry.sol";
import {Rfc9162} from "../../../contracts/Rfc9162.sol";
import {IAnchorRegistry} from "../../../contracts/interfaces/IAnchorRegistry.sol";
import {ReferenceTree} from "./support/ReferenceTree.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {Slots} from "./support/Slots.sol";
import {VM, bound} from "./support/Vm.sol";

/// @notice Single calls with arbitrary arguments; sequences of them are the invariants' business.
contract AnchorRegistryTest is RegistryTest {
    uint256 private constant LARGEST = type(uint48).max;

    function testFuzz_deploysOnlyWhereThePrecompileHashes(bytes memory answer) external {
        if (keccak256(answer) == keccak256(bytes.concat(Rfc9162.EMPTY_ROOT))) return;
        VM.mockCall(Rfc9162.SHA256, "", answer);
        VM.expectRevert(abi.encodeWithSelector(IAnchorRegistry.Sha256Missing.selector));
        new AnchorRegistry();
    }

    function testFuzz_deploysOnlyWhereThePrecompileAnswersRightly(bytes32 answer) external {
        VM.assume(answer != Rfc9162.EMPTY_ROOT);
        VM.mockCall(Rfc9162.SHA256, "", bytes.concat(answer));
        VM.expectRevert(abi.encodeWithSelector(IAnchorRegistry.Sha256Missing.selector));
        new AnchorRegistry();
    }

    function testFuzz_deploysOnlyWhereThePrecompileAnswersWithNothingMore(bytes memory tail)
        external
    {
        VM.assume(tail.length != 0);
        VM.mockCall(Rfc9162.SHA256, "", bytes.concat(Rfc9162.EMPTY_ROOT, tail));
        VM.expectRevert(abi.encodeWithSelector(IAnchorRegistry.Sha256Missing.selector));
        new AnchorRegistry();
    }

    function test_deploysOnlyWhereThePrecompileSucceeds() external {
        VM.mockCallRevert(Rfc9162.SHA256, "", bytes.concat(Rfc9162.EMPTY_ROOT));
        VM.expectRevert(abi.encodeWithSelector(IAnchorRegistry.Sha256Missing.selector));
        new AnchorRegistry();
    }

    function testFuzz_namesTheChainItWasDeployedOn(uint64 chain, uint64 later) external {
        VM.chainId(chain);
        AnchorRegistry registry = new AnchorRegistry();
        VM.chainId(later);
        VM.assertEq(registry.CHAIN_ID(), chain, "chain id");
    }

    function testFuzz_refusesEther(bytes32 log, address key, uint72 id, uint96 value) external {
        VM.assume(_owner(log) != address(REGISTRY)); // to which this test gives ether
        value = uint96(bound(value, 1, type(uint96).max));
        bytes32[] memory none = new bytes32[](0);
        bytes[] memory calls = new bytes[](6);
        calls[0] = "";
        calls[1] = abi.encodeCall(REGISTRY.anchor, (log, bytes32(uint256(1)), 1, none));
        calls[2] = abi.encodeCall(REGISTRY.setOperator, (log, key, id));
        calls[3] = abi.encodeCall(REGISTRY.succeed, (log, log, log));
        calls[4] = abi.encodeCall(REGISTRY.headOf, (log));
        calls[5] = abi.encodeCall(REGISTRY.CHAIN_ID, ());
        for (uint256 i = 0; i < calls.length; ++i) {
            // Nobody's mistake may look like a refusal of the arguments, so it is the log's owner.
            VM.deal(_owner(log), type(uint128).max);
            VM.prank(_owner(log));
            (bool accepted, bytes memory answer) = address(REGISTRY).call{value: value}(calls[i]);
            VM.assertTrue(!accepted && answer.length == 0, "took ether");
        }
        VM.assertEq(address(REGISTRY).balance, 0, "balance");
    }

    function testFuzz_refusesUnknownSelectors(bytes4 selector, bytes memory arguments) external {
        VM.assume(!_isKnown(selector));
        (bool accepted, bytes memory answer) =
            address(REGISTRY).call(bytes.concat(selector, arguments));
        VM.assertTrue(!accepted && answer.length == 0, "unknown selector");
    }

    function testFuzz_refusesAStrangersAnchor(
        bytes32 log,
        address stranger,
        bytes32 root,
        uint256 size,
        bytes32[] memory proof
    ) external {
        VM.assume(stranger != _owner(log));
        _refuse(
            stranger,
            abi.encodeCall(REGISTRY.anchor, (log, root, size, proof)),
            abi.encodeWithSelector(IAnchorRegistry.NotAuthorised.selector, log, stranger)
        );
        _assertUntouched(log, root);
    }

    function testFuzz_refusesAnOperatorOfAnotherLog(
        bytes32 log,
        bytes32 other,
        address key,
        uint72 id,
        bytes32 root
    ) external {
        VM.assume(log != other && key != _owner(log));
        _authorise(other, key, id);
        _refuse(
            key,
            abi.encodeCall(REGISTRY.anchor, (log, root, 1, new bytes32[](0))),
            abi.encodeWithSelector(IAnchorRegistry.NotAuthorised.selector, log, key)
        );
        _assertUntouched(log, root);
    }

    function testFuzz_keepsTheFirstHeadInOneWordAtItsSlot(
        bytes32 log,
        bytes32 root,
        uint256 size,
        uint256 blockNumber,
        uint256 time,
        address key,
        uint72 id
    ) external {
        root = _toRoot(root);
        size = bound(size, 1, LARGEST);
        blockNumber = bound(blockNumber, 1, type(uint48).max);
        time = bound(time, 1, type(uint48).max);
        id = _authorise(log, key, id);
        VM.roll(blockNumber);
        VM.warp(time);
        VM.prank(key);
        REGISTRY.anchor(log, root, size, new bytes32[](0));

        uint256 word = size | 1 << 48 | blockNumber << 88 | time << 136 | uint256(id) << 184;
        VM.assertEq(_load(Slots.anchors(log, root)), bytes32(word), "anchor's word");
        VM.assertEq(_load(Slots.heads(log)), root, "head's slot");
        (bytes32 head, IAnchorRegistry.Anchor memory found) = REGISTRY.headOf(log);
        VM.assertEq(head, root, "head");
        VM.assertEq(found.size, size, "size");
        VM.assertEq(found.sequence, 1, "sequence");
        VM.assertEq(found.blockNumber, blockNumber, "block number");
        VM.assertEq(found.timestamp, time, "timestamp");
        VM.assertEq(found.operatorId, id, "operator id");
        VM.assertEq(abi.encode(REGISTRY.anchorOf(log, root)), abi.encode(found), "anchor");
    }

    function testFuzz_acceptsTheOwnersFirstHead(bytes32 log, bytes32 root, uint256 size) external {
        root = _toRoot(root);
        size = bound(size, 1, LARGEST);
        _anchorFirst(log, root, size);
        VM.assertEq(REGISTRY.anchorOf(log, root).size, size, "size");
        VM.assertEq(REGISTRY.anchorOf(log, root).operatorId, 0, "the owner's id");
    }

    function testFuzz_refusesSizesThatDoNotFit(bytes32 log, bytes32 root, uint256 size) external {
        root = _toRoot(root);
        size = bound(size, LARGEST + 1, type(uint256).max);
        _refuseSize(log, root, 0, 0);
        _refuseSize(log, root, size, 0);
        _refuseSize(log, root, LARGEST + 1, 0);
        _assertUntouched(log, root);
    }

    function testFuzz_refusesSizesThatDoNotGrow(
        bytes32 log,
        bytes32 root,
        bytes32 next,
        uint256 headSize,
        uint256 size
    ) external {
        (root, next) = (_toRoot(root), _toRoot(next));
        VM.assume(root != next);
        headSize = bound(headSize, 1, LARGEST);
        _anchorFirst(log, root, headSize);
        _refuseSize(log, next, bound(size, 0, headSize), headSize);
        _refuseSize(log, next, bound(size, LARGEST + 1, type(uint256).max), headSize);
    }

    function testFuzz_refusesWhatIsNoRoot(bytes32 log, uint256 size, bytes32[] memory proof)
        external
    {
        bytes32[2] memory words = [bytes32(0), CLOSED];
        for (uint256 i = 0; i < words.length; ++i) {
            _refuse(
                _owner(log),
                abi.encodeCall(REGISTRY.anchor, (log, words[i], size, proof)),
                abi.encodeWithSelector(IAnchorRegistry.InvalidRoot.selector, words[i])
            );
        }
    }

    function testFuzz_refusesAProofForTheFirstHead(
        bytes32 log,
        bytes32 root,
        uint256 size,
        bytes32[] memory proof
    ) external {
        VM.assume(proof.length != 0);
        root = _toRoot(root);
        _refuse(
            _owner(log),
            abi.encodeCall(REGISTRY.anchor, (log, root, bound(size, 1, LARGEST), proof)),
            abi.encodeWithSelector(IAnchorRegistry.UnexpectedProof.selector, log, proof.length)
        );
        _assertUntouched(log, root);
    }

    function testFuzz_anchorsARootOnce(
        bytes32 log,
        bytes32 root,
        uint256 size,
        bytes32[] memory proof
    ) external {
        root = _toRoot(root);
        _anchorFirst(log, root, 1);
        _refuse(
            _owner(log),
            abi.encodeCall(REGISTRY.anchor, (log, root, size, proof)),
            abi.encodeWithSelector(IAnchorRegistry.AlreadyAnchored.selector, log, root)
        );
    }

    function testFuzz_acceptsATreeThatExtendsTheHead(
        bytes32 log,
        bytes32 seed,
        uint256 oldSize,
        uint256 newSize
    ) external {
        bytes32[] memory d;
        (oldSize, newSize, d) = _anchorTree(log, seed, oldSize, newSize);
        bytes32 newRoot = ReferenceTree.root(d, newSize);
        bytes32[] memory proof = ReferenceTree.consistencyProof(oldSize, d, newSize);
        VM.prank(_owner(log));
        REGISTRY.anchor(log, newRoot, newSize, proof);
        VM.assertEq(REGISTRY.anchorOf(log, newRoot).sequence, 2, "sequence");
        VM.assertEq(REGISTRY.anchorOf(log, newRoot).size, newSize, "size");
        VM.assertEq(_load(Slots.heads(log)), newRoot, "head");
    }

    function testFuzz_refusesATreeThatRewritesTheHead(
        bytes32 log,
        bytes32 seed,
        uint256 oldSize,
        uint256 newSize,
        uint256 rewritten
    ) external {
        bytes32[] memory d;
        (oldSize, newSize, d) = _anchorTree(log, seed, oldSize, newSize);
        bytes32 oldRoot = ReferenceTree.root(d, oldSize);
        d[bound(rewritten, 0, oldSize - 1)] = keccak256(abi.encode(seed));
        bytes32 root = ReferenceTree.root(d, newSize);
        bytes32[] memory proof = ReferenceTree.consistencyProof(oldSize, d, newSize);
        _refuse(
            _owner(log),
            abi.encodeCall(REGISTRY.anchor, (log, root, newSize, proof)),
            abi.encodeWithSelector(
                IAnchorRegistry.InvalidConsistencyProof.selector, oldSize, oldRoot, newSize, root
            )
        );
        _assertNotAnchored(log, root);
    }

    function testFuzz_answersNothingForWhatIsUnknown(
        bytes32 log,
        bytes32 root,
        address key,
        uint72 id
    ) external view {
        _assertUntouched(log, root);
        VM.assertEq(REGISTRY.successorOf(log), 0, "successor");
        VM.assertEq(REGISTRY.predecessorOf(log), 0, "predecessor");
        VM.assertEq(REGISTRY.operatorKey(log, id), address(0), "key");
        VM.assertEq(REGISTRY.operatorId(log, key), 0, "id");
    }

    function testFuzz_verifiesLeavesOfAnchoredRootsOnly(
        bytes32 log,
        bytes32 seed,
        uint256 oldSize,
        uint256 newSize,
        uint256 index
    ) external {
        bytes32[] memory d;
        (oldSize, newSize, d) = _anchorTree(log, seed, oldSize, newSize);
        bytes32 root = ReferenceTree.root(d, oldSize);
        index = bound(index, 0, oldSize - 1);
        bytes32[] memory proof = ReferenceTree.inclusionProof(index, d, oldSize);
        VM.assertEq(
            abi.encode(REGISTRY.verifyInclusion(log, root, d[index], index, proof)),
            abi.encode(REGISTRY.anchorOf(log, root)),
            "anchor"
        );
        bytes32 newRoot = ReferenceTree.root(d, newSize);
        VM.expectRevert(abi.encodeWithSelector(IAnchorRegistry.NotAnchored.selector, log, newRoot));
        REGISTRY.verifyInclusion(log, newRoot, d[index], index, proof);
        VM.expectRevert(
            abi.encodeWithSelector(
                IAnchorRegistry.InvalidInclusionProof.selector, root, oldSize, newRoot, index
            )
        );
        REGISTRY.verifyInclusion(log, root, newRoot, index, proof);
    }

    function testFuzz_neverTakesAFailedHashForAHash(bytes memory answer, bool isRevert) external {
        VM.assume(isRevert || answer.length != 32);
        bytes32[] memory d = _leaves(0, 3);
        bytes32 oldRoot = ReferenceTree.root(d, 2);
        bytes32 newRoot = ReferenceTree.root(d, 3);
        bytes32[] memory proof = ReferenceTree.consistencyProof(2, d, 3);
        if (isRevert) VM.mockCallRevert(Rfc9162.SHA256, "", answer);
        else VM.mockCall(Rfc9162.SHA256, "", answer);
        VM.expectRevert(abi.encodeWithSelector(IAnchorRegistry.Sha256Failed.selector));
        REGISTRY.verifyConsistency(2, oldRoot, 3, newRoot, proof);
        VM.clearMockedCalls();
        REGISTRY.verifyConsistency(2, oldRoot, 3, newRoot, proof);
    }

    /// @dev Whoever relays a call must not be able to turn a right proof into a wrong one.
    function testFuzz_neverCallsARightProofWrongForWantOfGas(uint256 allowance) external view {
        bytes32[] memory d = _leaves(0, 200);
        bytes memory call = abi.encodeCall(
            REGISTRY.verifyConsistency,
            (
                131,
                ReferenceTree.root(d, 131),
                200,
                ReferenceTree.root(d, 200),
                ReferenceTree.consistencyProof(131, d, 200)
            )
        );
        (bool verified, bytes memory answer) =
            address(REGISTRY).staticcall{gas: bound(allowance, 0, 20_000)}(call);
        if (verified || answer.length == 0) return; // or it ran out of gas itself
        VM.assertEq(
            answer, abi.encodeWithSelector(IAnchorRegistry.Sha256Failed.selector), "the reason"
        );
    }

    function _refuseSize(bytes32 log, bytes32 root, uint256 size, uint256 headSize) internal {
        _refuse(
            _owner(log),
            abi.encodeCall(REGISTRY.anchor, (log, root, size, new bytes32[](0))),
            abi.encodeWithSelector(IAnchorRegistry.InvalidSize.selector, size, headSize)
        );
        _assertNotAnchored(log, root);
    }

    function _isKnown(bytes4 selector) private view returns (bool) {
        bytes4[12] memory known = [
            REGISTRY.anchor.selector,
            REGISTRY.setOperator.selector,
            REGISTRY.succeed.selector,
            REGISTRY.CHAIN_ID.selector,
            REGISTRY.anchorOf.selector,
            REGISTRY.headOf.selector,
            REGISTRY.successorOf.selector,
            REGISTRY.predecessorOf.selector,
            REGISTRY.operatorKey.selector,
            REGISTRY.operatorId.selector,
            REGISTRY.verifyInclusion.selector,
            REGISTRY.verifyConsistency.selector
        ];
        for (uint256 i = 0; i < known.length; ++i) {
            if (selector == known[i]) return true;
        }
        return false;
    }
}
