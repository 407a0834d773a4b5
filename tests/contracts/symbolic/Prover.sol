// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnchorRegistry} from "../../../contracts/AnchorRegistry.sol";

/// @notice The cheat codes of Foundry that the proofs use.
interface Vm {
    function assume(bool condition) external pure;
    function load(address account, bytes32 slot) external view returns (bytes32 value);
    function prank(address sender) external;
    function roll(uint256 blockNumber) external;
    function store(address account, bytes32 slot, bytes32 value) external;
    function warp(uint256 timestamp) external;
}

/// @notice The cheat codes that only Halmos has. What they create takes every value there is.
interface Svm {
    function createAddress(string calldata name) external returns (address);
    function createBytes32(string calldata name) external returns (bytes32);
    function createCalldata(address account, bool includeViews) external returns (bytes memory);
    function createUint(uint256 bits, string calldata name) external returns (uint256);
    function createUint256(string calldata name) external returns (uint256);
    function enableSymbolicStorage(address account) external;
}

/// @notice A registry with any storage, and the slots where the interface says its values lie.
/// @dev Halmos proves a `check_` function when no path through it ends in a panic. A `reach_`
/// function ends in one on purpose, to show that what the proofs speak of can happen at all.
abstract contract Prover {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    Svm internal constant svm = Svm(address(uint160(uint256(keccak256("svm cheat code")))));

    bytes32 internal constant CLOSED = bytes32(type(uint256).max);

    AnchorRegistry internal registry;

    function setUp() public {
        registry = new AnchorRegistry();
        svm.enableSymbolicStorage(address(registry));
    }

    function _anchor(bytes32 log, bytes32 root) internal view returns (bytes32) {
        return vm.load(address(registry), _anchorSlot(log, root));
    }

    function _head(bytes32 log) internal view returns (bytes32) {
        return vm.load(address(registry), _headSlot(log));
    }

    function _operatorKey(bytes32 log, uint72 id) internal view returns (bytes32) {
        bytes32 ofLog = _hash(log, bytes32(uint256(2)));
        return vm.load(address(registry), _hash(bytes32(uint256(id)), ofLog));
    }

    function _operatorId(bytes32 log, address key) internal view returns (bytes32) {
        bytes32 ofLog = _hash(log, bytes32(uint256(3)));
        return vm.load(address(registry), _hash(_toWord(key), ofLog));
    }

    function _successor(bytes32 log) internal view returns (bytes32) {
        return vm.load(address(registry), _hash(log, bytes32(uint256(4))));
    }

    function _predecessor(bytes32 log) internal view returns (bytes32) {
        return vm.load(address(registry), _hash(log, bytes32(uint256(5))));
    }

    /// @dev The root that was the head before the log was closed.
    function _lastHead(bytes32 log) internal view returns (bytes32) {
        return vm.load(address(registry), _hash(log, bytes32(uint256(6))));
    }

    function _anchorSlot(bytes32 log, bytes32 root) internal pure returns (bytes32) {
        return _hash(root, _hash(log, 0));
    }

    function _headSlot(bytes32 log) internal pure returns (bytes32) {
        return _hash(log, bytes32(uint256(1)));
    }

    function _hash(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encode(left, right));
    }

    function _toWord(address account) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function _ownerOf(bytes32 log) internal pure returns (address) {
        return address(uint160(uint256(log)));
    }

    function _sizeIn(bytes32 record) internal pure returns (uint256) {
        return uint48(uint256(record));
    }

    function _sequenceIn(bytes32 record) internal pure returns (uint256) {
        return uint40(uint256(record) >> 48);
    }

    /// @dev A record as the interface lays it out, with a block of 48 bits and a time of 48 bits.
    function _record(uint256 size, uint256 sequence, uint256 operatorId)
        internal
        view
        returns (bytes32)
    {
        return bytes32(
            size | sequence << 48 | uint256(uint48(block.number)) << 88
                | uint256(uint48(block.timestamp)) << 136 | operatorId << 184
        );
    }

    // Without a jump:

    function _and(bool a, bool b) internal pure returns (bool c) {
        assembly ("memory-safe") {
            c := and(a, b)
        }
    }

    function _or(bool a, bool b) internal pure returns (bool c) {
        assembly ("memory-safe") {
            c := or(a, b)
        }
    }

    function _implies(bool a, bool b) internal pure returns (bool) {
        return _or(!a, b);
    }

    /// @dev `condition ? a : b`.
    function _select(bool condition, bytes32 a, bytes32 b) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            result := xor(b, and(sub(0, condition), xor(a, b)))
        }
    }

    /// @dev `condition ? 0 : value`.
    function _unless(bool condition, uint256 value) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := and(sub(0, iszero(condition)), value)
        }
    }
}
