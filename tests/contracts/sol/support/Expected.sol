// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "../../../../contracts/interfaces/IAnchorRegistry.sol";
import {ReferenceTree} from "./ReferenceTree.sol";
import {Witness} from "./Witness.sol";

/// @notice The answers to expect: an error with its operands, or nothing from an accepted call.
abstract contract Expected is Witness {
    function _notAuthorised(uint256 which, address sender) internal view returns (bytes memory) {
        return
            abi.encodeWithSelector(IAnchorRegistry.NotAuthorised.selector, _log(which).id, sender);
    }

    function _notOwner(uint256 which, address sender) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IAnchorRegistry.NotOwner.selector, _log(which).id, sender);
    }

    function _logClosed(uint256 which) internal view returns (bytes memory) {
        return abi.encodeWithSelector(
            IAnchorRegistry.LogClosed.selector, _log(which).id, _log(which).successor
        );
    }

    function _invalidSize(uint256 which, uint256 size) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IAnchorRegistry.InvalidSize.selector, size, _headSize(which));
    }

    function _invalidProof(uint256 which, bytes32 root, uint256 size)
        internal
        view
        returns (bytes memory)
    {
        Record[] storage records = _log(which).records;
        return abi.encodeWithSelector(
            IAnchorRegistry.InvalidConsistencyProof.selector,
            _headSize(which),
            records[records.length - 1].root,
            size,
            root
        );
    }

    /// @dev The answer to an extension of the true tree to `leaves`, with the proof for them, that
    /// claims `size`.
    function _toExtension(uint256 which, bytes32 root, uint256 leaves, uint256 size)
        internal
        view
        returns (bytes memory)
    {
        uint256 headSize = _headSize(which);
        if (size <= headSize || size > LARGEST) return _invalidSize(which, size);
        return _fits(which, leaves, size) ? bytes("") : _invalidProof(which, root, size);
    }

    /// @dev Whether a proof of the true tree's growth is one of the claimed size's growth.
    function _fits(uint256 which, uint256 leaves, uint256 size) internal view returns (bool) {
        if (_headSize(which) == 0) return _log(which).records.length == 0; // else a breach
        bytes memory claimed = ReferenceTree.consistencyShape(_headSize(which), size);
        bytes memory actual = ReferenceTree.consistencyShape(_log(which).leaves.length, leaves);
        return keccak256(claimed) == keccak256(actual);
    }

    function _toSetOperator(uint256 which, address key, uint72 id)
        internal
        view
        returns (bytes memory)
    {
        bytes32 log = _log(which).id;
        if (key == _log(which).owner || key == address(0)) {
            return abi.encodeWithSelector(IAnchorRegistry.InvalidOperatorKey.selector, log, key);
        }
        if (idOf[which][key] == id) {
            return abi.encodeWithSelector(IAnchorRegistry.OperatorUnchanged.selector, log, key, id);
        }
        address holder = keyOf[which][id];
        if (id == 0 || holder == address(0) || holder == key) return "";
        return abi.encodeWithSelector(IAnchorRegistry.OperatorIdTaken.selector, log, id, holder);
    }
}
