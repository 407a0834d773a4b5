// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The storage layout as IAnchorRegistry's documentation states it.
library Slots {
    function anchors(bytes32 log, bytes32 root) internal pure returns (bytes32) {
        return _hash(root, _hash(log, 0));
    }

    function heads(bytes32 log) internal pure returns (bytes32) {
        return _hash(log, bytes32(uint256(1)));
    }

    function operatorKeys(bytes32 log, uint72 id) internal pure returns (bytes32) {
        return _hash(bytes32(uint256(id)), _hash(log, bytes32(uint256(2))));
    }

    function operatorIds(bytes32 log, address key) internal pure returns (bytes32) {
        return _hash(bytes32(uint256(uint160(key))), _hash(log, bytes32(uint256(3))));
    }

    function successors(bytes32 log) internal pure returns (bytes32) {
        return _hash(log, bytes32(uint256(4)));
    }

    function predecessors(bytes32 log) internal pure returns (bytes32) {
        return _hash(log, bytes32(uint256(5)));
    }

    function lastHeads(bytes32 log) internal pure returns (bytes32) {
        return _hash(log, bytes32(uint256(6)));
    }

    function _hash(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(bytes.concat(left, right));
    }
}
