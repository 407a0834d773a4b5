// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnchorRegistry} from "../../../../contracts/AnchorRegistry.sol";
import {ReferenceTree} from "./ReferenceTree.sol";
import {Slots} from "./Slots.sol";
import {VM, bound} from "./Vm.sol";

/// @notice A fresh registry, and the steps that the tests of single calls share.
abstract contract RegistryTest {
    bytes32 internal constant CLOSED = bytes32(type(uint256).max);

    AnchorRegistry internal immutable REGISTRY = new AnchorRegistry();

    function _owner(bytes32 log) internal pure returns (address) {
        return address(uint160(uint256(log)));
    }

    /// @dev Any log number of the same owner.
    function _toOwned(bytes32 log, bytes32 number) internal pure returns (bytes32) {
        return bytes32(uint256(number) << 160 | uint256(uint160(_owner(log))));
    }

    function _toRoot(bytes32 word) internal pure returns (bytes32) {
        return bytes32(bound(uint256(word), 1, type(uint256).max - 1));
    }

    function _load(bytes32 slot) internal view returns (bytes32) {
        return VM.load(address(REGISTRY), slot);
    }

    function _leaves(bytes32 seed, uint256 size) internal pure returns (bytes32[] memory d) {
        d = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) {
            d[i] = keccak256(abi.encode(seed, i));
        }
    }

    function _authorise(bytes32 log, address key, uint72 id) internal returns (uint72) {
        VM.assume(key != address(0) && key != _owner(log));
        id = uint72(bound(id, 1, type(uint72).max));
        _setOperator(log, key, id);
        return id;
    }

    function _setOperator(bytes32 log, address key, uint72 id) internal {
        VM.prank(_owner(log));
        REGISTRY.setOperator(log, key, id);
    }

    function _anchorFirst(bytes32 log, bytes32 root, uint256 size) internal {
        VM.prank(_owner(log));
        REGISTRY.anchor(log, root, size, new bytes32[](0));
    }

    /// @dev Anchors the first `oldSize` of the `newSize` leaves that come back.
    function _anchorTree(bytes32 log, bytes32 seed, uint256 oldSize, uint256 newSize)
        internal
        returns (uint256, uint256, bytes32[] memory d)
    {
        newSize = bound(newSize, 2, 100);
        oldSize = bound(oldSize, 1, newSize - 1);
        d = _leaves(seed, newSize);
        _anchorFirst(log, ReferenceTree.root(d, oldSize), oldSize);
        return (oldSize, newSize, d);
    }

    function _close(bytes32 log, uint96 number, bytes32 root) internal returns (bytes32 newLog) {
        newLog = _toOwned(log, bytes32(uint256(number)));
        VM.assume(newLog != log);
        _anchorFirst(log, root, 1);
        VM.prank(_owner(log));
        REGISTRY.succeed(log, root, newLog);
    }

    function _refuse(address sender, bytes memory call, bytes memory reason) internal {
        VM.prank(sender);
        (bool accepted, bytes memory answer) = address(REGISTRY).call(call);
        VM.assertTrue(!accepted, "accepted");
        VM.assertEq(answer, reason, "the reason");
    }

    function _assertNotAnchored(bytes32 log, bytes32 root) internal view {
        VM.assertEq(_load(Slots.anchors(log, root)), 0, "anchored");
    }

    function _assertUntouched(bytes32 log, bytes32 root) internal view {
        _assertNotAnchored(log, root);
        VM.assertEq(_load(Slots.heads(log)), 0, "head");
    }
}
