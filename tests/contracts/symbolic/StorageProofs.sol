// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "../../../contracts/interfaces/IAnchorRegistry.sol";
import {Prover} from "./Prover.sol";

/// @notice One call of anything by anybody, from any storage: what holds across it holds for ever.
/// @dev Storage is any that has the invariants, which the empty one has and `check_…Last` show to
/// survive every call. They speak of all logs, roots, ids and keys, so a proof may assume them of
/// those it looks at and of those that the call names. Conditions are computed without jumps, as
/// each would double the paths.
abstract contract AnyCall is Prover {
    /// @dev What one log has under one root, one operator id and one key.
    struct View {
        bytes32 record;
        bytes32 head;
        bytes32 lastHead;
        bytes32 newest; // the head or, of a closed log, the last one
        bytes32 newestRecord;
        bytes32 idsKey;
        bytes32 keysId;
        bytes32 callersId;
        bytes32 successor;
        bytes32 predecessor;
    }

    struct Call {
        bytes4 selector;
        bytes32[3] arguments;
        bool done;
    }

    // Any, see _callAnything.
    bytes32 internal log;
    bytes32 internal root;
    uint72 internal id;
    address internal key;
    address internal caller;

    function _isWriteOnce(View memory old, View memory new_) internal view returns (bool) {
        bool isAnchorKept = _implies(
            _and(_sizeIn(old.record) != 0, _isHistorySound(old, root)), new_.record == old.record
        );
        bool isKeyKept =
            _implies(_and(old.idsKey != 0, _areOperatorsSound(old)), new_.idsKey == old.idsKey);
        bool isOriginKept = _implies(
            _and(old.predecessor != 0, _areLinksSound(old)), new_.predecessor == old.predecessor
        );
        return _and(isAnchorKept, _and(isKeyKept, isOriginKept));
    }

    function _isClosedForEver(View memory old, View memory new_) internal pure returns (bool) {
        return _implies(old.head == CLOSED, !_isChanged(old, new_));
    }

    function _isIsolated(View memory old, View memory new_, Call memory made)
        internal
        view
        returns (bool)
    {
        bool isSuccession = made.selector == IAnchorRegistry.succeed.selector;
        bool isNamed = _or(log == made.arguments[0], _and(isSuccession, log == made.arguments[2]));
        return _implies(_isChanged(old, new_), _and(made.done, isNamed));
    }

    function _isClosedToStrangers(View memory old, View memory new_) internal view returns (bool) {
        bool isStranger = _and(caller != _ownerOf(log), old.callersId == 0);
        return _implies(isStranger, !_isChanged(old, new_));
    }

    function _isOperatorBound(View memory old, View memory new_, Call memory made)
        internal
        view
        returns (bool)
    {
        bool isAnchoring = made.selector == IAnchorRegistry.anchor.selector;
        bool isKept = _and(
            _and(old.successor == new_.successor, old.predecessor == new_.predecessor),
            _and(old.idsKey == new_.idsKey, old.keysId == new_.keysId)
        );
        return _implies(
            caller != _ownerOf(log), _and(isKept, _implies(_isChanged(old, new_), isAnchoring))
        );
    }

    function _isForward(View memory old, View memory new_) internal view returns (bool) {
        bool isMoved = old.head != new_.head;
        bool isClosed = new_.head == CLOSED;
        bool isFirst = old.head == 0;
        uint256 oldSize = _unless(isFirst, _sizeIn(old.newestRecord));
        uint256 oldSequence = _unless(isFirst, _sequenceIn(old.newestRecord));
        bool isLarger = _sizeIn(new_.newestRecord) > oldSize;
        bool isNext;
        unchecked {
            isNext = _sequenceIn(new_.newestRecord) == oldSequence + 1; // of 40 bits
        }
        bool isAllowed = _and(new_.head != 0, old.head != CLOSED);
        bool isClosing = _and(isClosed, _and(caller == _ownerOf(log), new_.lastHead == old.head));
        bool isRight = _or(isClosing, _and(isLarger, isNext));
        return _implies(_and(isMoved, _isHistorySound(old, root)), _and(isAllowed, isRight));
    }

    /// @dev Invariant. A record is whole or not there; 0 and "closed" have none, nor has a log
    /// without a head; the newest head has one, and the log's others are smaller and earlier.
    function _isHistorySound(View memory v, bytes32 ofRoot) internal pure returns (bool) {
        bool isRoot = _and(ofRoot != 0, ofRoot != CLOSED);
        bool isBehind = _and(
            _sizeIn(v.record) < _sizeIn(v.newestRecord),
            _sequenceIn(v.record) < _sequenceIn(v.newestRecord)
        );
        bool isWhole = _and(_sizeIn(v.record) != 0, _sequenceIn(v.record) != 0);
        bool isNewestWhole = _and(_sizeIn(v.newestRecord) != 0, _sequenceIn(v.newestRecord) != 0);
        bool isNewestRoot = _and(v.newest != 0, v.newest != CLOSED);
        bool isPlaced = _and(isRoot, _and(isWhole, v.head != 0));
        bool isOrdered = _or(v.record == 0, _or(ofRoot == v.newest, isBehind));
        bool isLed = _and(isNewestRoot, _and(isNewestWhole, isOrdered));
        return _and(_implies(v.record != 0, isPlaced), _implies(v.head != 0, isLed));
    }

    /// @dev Invariant. What has a predecessor has a head; a log is closed if and only if it has a
    /// last head, and if and only if it has a successor, while nobody calls from address 0, whose
    /// log 0 may be one.
    function _areLinksSound(View memory v) internal view returns (bool) {
        bool isClosed = v.head == CLOSED;
        bool isOpened = _implies(v.predecessor != 0, v.head != 0);
        bool isSucceeded = _or(caller == address(0), isClosed == (v.successor != 0));
        return _and(isOpened, _and(isClosed == (v.lastHead != 0), isSucceeded));
    }

    /// @dev Invariant. A key that anchors under an id is the one that the id names; that is never
    /// zero or the owner, and id 0 names nobody.
    function _areOperatorsSound(View memory v) internal view returns (bool) {
        bool isHeld = _and(v.keysId == bytes32(uint256(id)), id != 0);
        bool isNamed = _and(v.idsKey == _toWord(key), key != address(0));
        bool isProper = _and(v.idsKey != _toWord(_ownerOf(log)), id != 0);
        bool isWordSound =
            _and(uint256(v.idsKey) <= type(uint160).max, uint256(v.keysId) <= type(uint72).max);
        return _and(isWordSound, _and(_implies(isHeld, isNamed), _implies(v.idsKey != 0, isProper)));
    }

    function _isChanged(View memory a, View memory b) internal pure returns (bool) {
        return (a.record ^ b.record) | (a.head ^ b.head) | (a.idsKey ^ b.idsKey)
                | (a.keysId ^ b.keysId) | (a.successor ^ b.successor)
                | (a.predecessor ^ b.predecessor) | (a.lastHead ^ b.lastHead) != 0;
    }

    /// @dev Any function with any arguments by anyone in any block, and any log before and after.
    function _callAnything()
        internal
        returns (View memory old, View memory new_, Call memory made)
    {
        log = svm.createBytes32("log");
        root = svm.createBytes32("root");
        id = uint72(svm.createUint(72, "id"));
        key = svm.createAddress("key");
        caller = svm.createAddress("caller");
        old = _viewOf(log, root);
        bytes memory data = svm.createCalldata(address(registry), true);
        if (data.length >= 100) {
            made.selector = bytes4(data);
            made.arguments = _firstArguments(data);
            (bytes32 named, bytes32 namedRoot) = (made.arguments[0], made.arguments[1]);
            vm.assume(_isHistorySound(_viewOf(named, namedRoot), namedRoot));
        }
        vm.roll(svm.createUint256("blockNumber"));
        vm.warp(svm.createUint256("timestamp"));
        vm.prank(caller);
        (made.done,) = address(registry).call(data);
        new_ = _viewOf(log, root);
    }

    function _viewOf(bytes32 log_, bytes32 root_) private view returns (View memory v) {
        v.record = _anchor(log_, root_);
        v.head = _head(log_);
        v.lastHead = _lastHead(log_);
        v.newest = _select(v.head == CLOSED, v.lastHead, v.head);
        v.newestRecord = _anchor(log_, v.newest);
        v.idsKey = _operatorKey(log_, id);
        v.keysId = _operatorId(log_, key);
        v.callersId = _operatorId(log_, caller);
        v.successor = _successor(log_);
        v.predecessor = _predecessor(log_);
    }

    function _firstArguments(bytes memory data) private pure returns (bytes32[3] memory words) {
        assembly ("memory-safe") {
            mstore(words, mload(add(data, 36)))
            mstore(add(words, 32), mload(add(data, 68)))
            mstore(add(words, 64), mload(add(data, 100)))
        }
    }
}

/// @notice The properties one by one.
contract StorageProofs is AnyCall {
    function check_anchorsAndOperatorIdsAreWrittenOnce() external {
        (View memory old, View memory new_,) = _callAnything();
        assert(_isWriteOnce(old, new_));
    }

    function check_aClosedLogNeverChanges() external {
        (View memory old, View memory new_,) = _callAnything();
        assert(_isClosedForEver(old, new_));
    }

    function check_onlyTheLogsThatACallNamesChange() external {
        (View memory old, View memory new_, Call memory made) = _callAnything();
        assert(_isIsolated(old, new_, made));
    }

    function check_strangersChangeNothing() external {
        (View memory old, View memory new_,) = _callAnything();
        assert(_isClosedToStrangers(old, new_));
    }

    function check_whoeverIsNotTheOwnerOnlyAnchors() external {
        (View memory old, View memory new_, Call memory made) = _callAnything();
        assert(_isOperatorBound(old, new_, made));
    }

    function check_theHeadOnlyMovesForward() external {
        (View memory old, View memory new_,) = _callAnything();
        assert(_isForward(old, new_));
    }

    function check_soundHistoriesLast() external {
        (View memory old, View memory new_,) = _callAnything();
        vm.assume(_isHistorySound(old, root));
        assert(_isHistorySound(new_, root));
    }

    function check_soundLinksLast() external {
        (View memory old, View memory new_,) = _callAnything();
        vm.assume(_areLinksSound(old));
        assert(_areLinksSound(new_));
    }

    function check_soundOperatorsLast() external {
        (View memory old, View memory new_,) = _callAnything();
        vm.assume(_areOperatorsSound(old));
        assert(_areOperatorsSound(new_));
    }
}

/// @notice All of them at once, where a call has many paths.
contract CombinedStorageProofs is AnyCall {
    function check_everyCallKeepsAllProperties() external {
        (View memory old, View memory new_, Call memory made) = _callAnything();
        vm.assume(_isHistorySound(old, root));
        vm.assume(_areLinksSound(old));
        vm.assume(_areOperatorsSound(old));
        assert(_isWriteOnce(old, new_));
        assert(_isClosedForEver(old, new_));
        assert(_isIsolated(old, new_, made));
        assert(_isClosedToStrangers(old, new_));
        assert(_isOperatorBound(old, new_, made));
        assert(_isForward(old, new_));
        assert(_isHistorySound(new_, root));
        assert(_areLinksSound(new_));
        assert(_areOperatorsSound(new_));
    }
}
