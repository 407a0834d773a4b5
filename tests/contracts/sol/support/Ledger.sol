// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnchorRegistry} from "../../../../contracts/AnchorRegistry.sol";
import {IAnchorRegistry} from "../../../../contracts/interfaces/IAnchorRegistry.sol";

/// @notice What a campaign saw the registry accept, and the trees behind it.
/// @dev Every head is modelled as the root of a real tree beside a claimed size, which may be
/// another. Garbage is the root of a tree with itself as the only leaf: whoever anchored it can
/// extend it wherever a proof's shape for the claimed sizes is one for the true ones, and nowhere
/// else.
abstract contract Ledger {
    struct Record {
        bytes32 root;
        IAnchorRegistry.Anchor stored; // as the registry answered right after accepting it
        uint256 leaves; // of the true tree; zero for what should never have been accepted
    }

    struct Log {
        bytes32 id;
        address owner;
        Record[] records;
        bytes32[] leaves; // hashes under the newest record
        bytes32 successor; // zero while it is open
        bytes32 closedState; // the digest of all the registry said when it was closed
    }

    struct Operators {
        bytes32 log;
        address owner;
        address[5] keyOf; // by id, from 0 to IDS: who got it first
        address[5] keys;
        uint72[5] idOf; // which the key in that place has now
    }

    enum State {
        Open,
        Fresh, // without a head
        Live, // with one
        Closed
    }

    bytes32 internal constant CLOSED_HEAD = bytes32(type(uint256).max);
    uint256 internal constant LARGEST = type(uint48).max;
    uint256 internal constant OWNERS = 2;
    uint256 internal constant NUMBERS = 3; // logs of each owner
    uint256 internal constant KEYS = 5;
    uint72 internal constant IDS = 4;

    AnchorRegistry public immutable REGISTRY = new AnchorRegistry();

    Log[] private logs;
    mapping(uint256 which => mapping(uint72 id => address key)) public keyOf;
    mapping(uint256 which => mapping(address key => uint72 id)) public idOf;

    constructor() {
        for (uint256 i = 0; i < OWNERS * NUMBERS; ++i) {
            Log storage log = logs.push();
            log.owner = _owner(i % OWNERS);
            log.id = bytes32(i << 160 | uint256(uint160(log.owner)));
        }
    }

    function logCount() external view returns (uint256) {
        return logs.length;
    }

    function logAt(uint256 which) external view returns (Log memory) {
        return logs[which];
    }

    function operatorsAt(uint256 which) external view returns (Operators memory found) {
        (found.log, found.owner) = (logs[which].id, logs[which].owner);
        for (uint72 id = 0; id <= IDS; ++id) {
            found.keyOf[id] = keyOf[which][id];
        }
        for (uint256 i = 0; i < KEYS; ++i) {
            (found.keys[i], found.idOf[i]) = (keyAt(i), idOf[which][keyAt(i)]);
        }
    }

    /// @notice Keys that are, were or never become operators; each owner is one in others' logs.
    function keyAt(uint256 i) public pure returns (address) {
        return i < OWNERS ? _owner(i) : address(uint160(0xc0de00 + i));
    }

    /// @notice All the registry says about a log, in one word.
    function digest(uint256 which) public view returns (bytes32 sum) {
        Log storage log = logs[which];
        (bytes32 head, IAnchorRegistry.Anchor memory newest) = REGISTRY.headOf(log.id);
        sum = keccak256(
            abi.encode(head, newest, REGISTRY.successorOf(log.id), REGISTRY.predecessorOf(log.id))
        );
        for (uint256 i = 0; i < log.records.length; ++i) {
            sum = keccak256(abi.encode(sum, REGISTRY.anchorOf(log.id, log.records[i].root)));
        }
        for (uint72 id = 1; id <= IDS; ++id) {
            sum = keccak256(abi.encode(sum, REGISTRY.operatorKey(log.id, id)));
        }
        for (uint256 i = 0; i < KEYS; ++i) {
            sum = keccak256(abi.encode(sum, REGISTRY.operatorId(log.id, keyAt(i))));
        }
    }

    function _owner(uint256 i) internal pure returns (address) {
        return address(uint160(0x0e0e00 + i));
    }

    function _log(uint256 which) internal view returns (Log storage) {
        return logs[which];
    }

    /// @dev The head's claimed size, zero before the first.
    function _headSize(uint256 which) internal view returns (uint256) {
        Record[] storage records = logs[which].records;
        return records.length == 0 ? 0 : records[records.length - 1].stored.size;
    }

    /// @dev Any log of that state, of which `seed` chooses; every log's turn comes.
    function _find(uint256 seed, State state) internal view returns (bool, uint256 which) {
        for (uint256 i = 0; i < logs.length; ++i) {
            which = (seed % logs.length + i) % logs.length;
            bool isOpen = logs[which].successor == 0;
            bool isFresh = logs[which].records.length == 0;
            if (state == State.Open
                    ? isOpen
                    : state == State.Fresh
                        ? isOpen && isFresh
                        : state == State.Live ? isOpen && !isFresh : !isOpen) return (true, which);
        }
        return (false, 0);
    }

    /// @dev Any log of that state and that owner.
    function _findOf(address owner, uint256 seed, State state)
        internal
        view
        returns (bool found, uint256 which)
    {
        for (uint256 i = 0; i < logs.length; ++i) {
            (found, which) = _find(seed % logs.length + i, state);
            if (!found || logs[which].owner == owner) return (found, which);
        }
        return (false, 0);
    }

    /// @dev Who may anchor: the owner in one case of four, else an operator if there is one.
    function _insider(uint256 which, uint256 seed) internal view returns (address) {
        for (uint256 i = 0; i < KEYS && seed % 4 != 0; ++i) {
            address key = keyAt((seed % KEYS + i) % KEYS);
            if (idOf[which][key] != 0) return key;
        }
        return logs[which].owner;
    }

    /// @dev Who may not: a stranger, a removed operator, another log's owner or operator.
    function _outsider(uint256 which, uint256 seed) internal view returns (address) {
        for (uint256 i = 0; i < KEYS; ++i) {
            address key = keyAt((seed % KEYS + i) % KEYS);
            if (!_mayAnchor(which, key)) return key;
        }
        return address(uint160(0xbad000 + seed % 1000));
    }

    function _mayAnchor(uint256 which, address sender) internal view returns (bool) {
        return sender == logs[which].owner || idOf[which][sender] != 0;
    }
}
