// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "../../../contracts/interfaces/IAnchorRegistry.sol";
import {Handler} from "./support/Handler.sol";
import {Ledger} from "./support/Ledger.sol";
import {VM} from "./support/Vm.sol";

/// @notice Every action of the handler does what its name says, so that no campaign runs idle.
/// @dev Even log numbers are the first owner's, odd ones the second's; keys 2 … 4 own nothing.
contract HandlerTest {
    uint256 private constant LOG = 0;
    uint256 private constant FRESH = 2;
    uint256 private constant OPERATOR = 2; // as a seed: the key of that number, not the owner

    Handler private immutable HANDLER = new Handler();

    function setUp() external {
        HANDLER.growHonestly(LOG, 0, 3);
        HANDLER.setOperator(LOG, OPERATOR, 1);
        _assertAccepted(2);
    }

    function test_growsHonestly() external {
        HANDLER.growHonestly(LOG, OPERATOR + 5, 2);
        _assertAccepted(3);
        Ledger.Log memory log = HANDLER.logAt(LOG);
        VM.assertEq(log.records.length, 2, "records");
        VM.assertEq(log.leaves.length, 5, "leaves");
        VM.assertEq(log.records[1].stored.size, 5, "size");
        VM.assertEq(log.records[1].stored.operatorId, 1, "operator");
    }

    function test_setsOperators() external {
        HANDLER.setOperator(LOG, OPERATOR, 3);
        HANDLER.setOperator(LOG, 3, 2);
        _assertAccepted(4);
        HANDLER.setOperator(LOG, OPERATOR, 2);
        _assertRefused(IAnchorRegistry.OperatorIdTaken.selector, 1);
        HANDLER.setOperator(LOG, 3, 2);
        _assertRefused(IAnchorRegistry.OperatorUnchanged.selector, 1);
        HANDLER.setOperator(LOG, 0, 4);
        _assertRefused(IAnchorRegistry.InvalidOperatorKey.selector, 1);
    }

    function test_removesAnOperatorAndTakesItBack() external {
        HANDLER.removeOperator(LOG, OPERATOR);
        VM.assertEq(HANDLER.idOf(LOG, HANDLER.keyAt(OPERATOR)), 0, "removed");
        HANDLER.takeOperatorBack(LOG, 0);
        VM.assertEq(HANDLER.idOf(LOG, HANDLER.keyAt(OPERATOR)), 1, "back");
        _assertAccepted(4);
    }

    function test_givesAwayATakenIdWithoutSuccess() external {
        HANDLER.giveAwayATakenId(LOG, 3, 0);
        HANDLER.removeOperator(LOG, OPERATOR);
        HANDLER.giveAwayATakenId(LOG, 3, 0);
        _assertRefused(IAnchorRegistry.OperatorIdTaken.selector, 2);
    }

    function test_movesOn() external {
        HANDLER.moveOn(LOG, 0, FRESH);
        _assertAccepted(3);
        VM.assertEq(HANDLER.logAt(LOG).successor, HANDLER.logAt(FRESH).id, "successor");
        HANDLER.growHonestly(FRESH, 0, 2);
        _assertAccepted(4);
    }

    function test_letsTimePass() external {
        HANDLER.letTimePass(2, 3);
        HANDLER.growHonestly(LOG, 0, 1);
        Ledger.Record[] memory records = HANDLER.logAt(LOG).records;
        uint256 blocks = records[1].stored.blockNumber - records[0].stored.blockNumber;
        uint256 time = records[1].stored.timestamp - records[0].stored.timestamp;
        VM.assertEq(blocks, 2, "blocks");
        VM.assertEq(time, 3, "seconds");
    }

    function test_opensWithGarbageThatCanBeExtended() external {
        HANDLER.stolenKeyOpensWithGarbage(FRESH, 0, "garbage", 2 * 10);
        _assertAccepted(3);
        HANDLER.stolenKeyClaimsAnotherSize(FRESH, 0, 1, 5);
        _assertAccepted(4);
        Ledger.Log memory log = HANDLER.logAt(FRESH);
        VM.assertEq(log.records[0].root, "garbage", "root");
        VM.assertEq(log.records[0].stored.size, 1 << 10, "claimed size");
        VM.assertTrue(log.records[1].stored.size > 1 << 10, "claimed size of the extension");
        VM.assertEq(log.leaves.length, 2, "true size");
    }

    function test_opensWithGarbageThatCannotBeExtended() external {
        HANDLER.stolenKeyOpensWithGarbage(FRESH, 0, "garbage", 2 * 21 + 1);
        _assertAccepted(3);
        HANDLER.growHonestly(FRESH, 0, 1);
        _assertRefused(IAnchorRegistry.InvalidConsistencyProof.selector, 1);
        HANDLER.moveOn(FRESH, 0, 4);
        _assertAccepted(4);
    }

    function test_claimsAnotherSizeAtFirstAndLater() external {
        HANDLER.stolenKeyClaimsAnotherSize(FRESH, 0, 3, 1000);
        _assertAccepted(3);
        VM.assertEq(HANDLER.logAt(FRESH).records[0].stored.size, 1000, "first claim");
        HANDLER.growHonestly(4, 0, 5);
        // Five leaves to seven has the shape of five to eight.
        HANDLER.stolenKeyClaimsAnotherSize(4, 0, 2, 0);
        _assertAccepted(5);
        Ledger.Log memory log = HANDLER.logAt(4);
        VM.assertEq(log.records[1].stored.size, 8, "later claim");
        VM.assertEq(log.leaves.length, 7, "true size");
    }

    function test_forksWithoutSuccess() external {
        HANDLER.stolenKeyForks(LOG, OPERATOR + 5, 2, 1);
        _assertRefused(IAnchorRegistry.InvalidConsistencyProof.selector, 1);
    }

    function test_continuesWithGarbageWithoutSuccess() external {
        HANDLER.stolenKeyContinuesWithGarbage(LOG, 1, "garbage", 9, new bytes32[](3));
        _assertRefused(IAnchorRegistry.InvalidConsistencyProof.selector, 1);
    }

    function test_sendsWrongProofsWithoutSuccess() external {
        for (uint256 mutation = 0; mutation < 4; ++mutation) {
            HANDLER.stolenKeySendsAWrongProof(LOG, 1, 2, mutation);
            _assertRefused(IAnchorRegistry.InvalidConsistencyProof.selector, mutation + 1);
        }
    }

    function test_replaysWithoutSuccess() external {
        HANDLER.stolenKeyReplays(LOG, 1, 0, 7);
        _assertRefused(IAnchorRegistry.AlreadyAnchored.selector, 1);
    }

    function test_claimsImpossibleSizesWithoutSuccess() external {
        HANDLER.stolenKeyClaimsAnImpossibleSize(LOG, 1, 3, false);
        HANDLER.stolenKeyClaimsAnImpossibleSize(LOG, 1, 1 << 48, true);
        HANDLER.stolenKeyClaimsAnImpossibleSize(FRESH, 1, 0, false);
        _assertRefused(IAnchorRegistry.InvalidSize.selector, 3);
    }

    function test_anchorsNoRootWithoutSuccess() external {
        HANDLER.stolenKeyAnchorsNoRoot(LOG, 1, true);
        HANDLER.stolenKeyAnchorsNoRoot(LOG, 1, false);
        _assertRefused(IAnchorRegistry.InvalidRoot.selector, 2);
    }

    function test_opensWithAProofWithoutSuccess() external {
        HANDLER.stolenKeyOpensWithAProof(FRESH, 1, "root");
        _assertRefused(IAnchorRegistry.UnexpectedProof.selector, 1);
    }

    function test_anchorsAsAnOutsiderWithoutSuccess() external {
        HANDLER.outsiderAnchors(LOG, 1, 2); // the other owner
        HANDLER.outsiderAnchors(FRESH, OPERATOR, 2); // another log's operator
        HANDLER.removeOperator(LOG, OPERATOR);
        HANDLER.outsiderAnchors(LOG, OPERATOR, 2);
        _assertRefused(IAnchorRegistry.NotAuthorised.selector, 3);
    }

    function test_setsOperatorsAsAnOutsiderWithoutSuccess() external {
        HANDLER.outsiderSetsOperator(LOG, 2 * OPERATOR, 3, 2); // an operator
        HANDLER.outsiderSetsOperator(LOG, 2 * 1 + 1, 3, 2); // the other owner
        _assertRefused(IAnchorRegistry.NotOwner.selector, 2);
    }

    function test_succeedsAsAnOutsiderWithoutSuccess() external {
        HANDLER.outsiderSucceeds(LOG, 2 * OPERATOR, FRESH);
        HANDLER.outsiderSucceeds(LOG, 2 * 1 + 1, 1); // into a log of the caller's own
        HANDLER.ownerSucceedsIntoAnothersLog(LOG, 1);
        _assertRefused(IAnchorRegistry.NotOwner.selector, 3);
    }

    function test_succeedsIntoUsedLogsWithoutSuccess() external {
        HANDLER.ownerSucceedsIntoAUsedLog(LOG, LOG, false);
        HANDLER.moveOn(LOG, 0, FRESH);
        HANDLER.ownerSucceedsIntoAUsedLog(FRESH, LOG, true);
        _assertRefused(IAnchorRegistry.SuccessorInUse.selector, 2);
    }

    function test_succeedsFromNothingWithoutSuccess() external {
        HANDLER.ownerSucceedsFromNothing(LOG, FRESH, "nothing");
        _assertRefused(IAnchorRegistry.NotAnchored.selector, 1);
    }

    function test_usesClosedLogsWithoutSuccess() external {
        HANDLER.moveOn(LOG, 0, FRESH);
        HANDLER.insiderUsesAClosedLog(LOG, OPERATOR, 4, 2);
        _assertRefused(IAnchorRegistry.LogClosed.selector, 3);
    }

    function _assertAccepted(uint256 count) private view {
        VM.assertEq(HANDLER.acceptances(), count, "accepted calls");
        _assertNothingStrange();
    }

    function _assertRefused(bytes4 selector, uint256 count) private view {
        VM.assertEq(HANDLER.refusals(selector), count, "calls so refused");
        _assertNothingStrange();
    }

    function _assertNothingStrange() private view {
        VM.assertEq(HANDLER.surprises(), 0, "surprises");
        VM.assertEq(HANDLER.trespasses(), 0, "trespasses");
        VM.assertEq(HANDLER.strayWrites(), 0, "stray writes");
        VM.assertEq(HANDLER.misstatements(), 0, "misstatements");
    }
}
