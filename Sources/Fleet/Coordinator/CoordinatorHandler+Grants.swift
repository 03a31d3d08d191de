// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Logging
import WireMessages

/// What a grant says; the trouble of one that cannot be put together is its trial's alone.
extension CoordinatorHandler {
    mutating func grant(_ grant: Coordination.Grant) -> [Event] {
        let lease = grant.lease
        guard let study = studies[lease.work.study] else { return [.grantNotPersisted(lease)] }
        let message: WireEnvelope.OneOf_Payload
        do {
            message = try self.message(of: grant, study)
        } catch {
            return [impossible(lease, error)]
        }
        switch lease.work {
        case .train(let trial):
            do throws(FleetError) {
                try ledger.recordGrant(grant, of: trial)
            } catch {
                turn.failure = turn.failure ?? error
                return [.grantNotPersisted(lease)]
            }
            note("granted", work: lease.work, worker: grant.worker, "steps \(grant.fromStep) to \(grant.toStep)")
        case .encode: note("granted", work: lease.work, worker: grant.worker, "\(lease.work)")
        case .gradient, .evaluate, .preview: break
        }
        return say(message, to: grant.worker)
    }

    /// What the coordinator has to hear of a grant that cannot be put into a message.
    func impossible(_ lease: LeaseID, _ error: any Error) -> Event {
        // What is damaged or too large stays so; a disk may answer again.
        let isLasting = error is WireError || (error as? FleetError)?.code == .invalid
        logger.error("\(lease.work) cannot be handed out: \(error)")
        return .grantImpossible(lease, isLasting ? .input : .internal, message: "it cannot be handed out: \(error)".oneLine)
    }

    private mutating func message(of grant: Coordination.Grant, _ study: StudyRow) throws -> WireEnvelope.OneOf_Payload {
        let brief = try briefs.brief(for: grant.lease.work, of: study)
        switch grant.lease.work {
        case .train(let trial): return .trainGrant(try trainGrant(grant, trial, brief))
        case .gradient(let trial, _, _), .evaluate(let trial, _, _):
            var message = WireSliceGrant()
            message.leases = [grant.lease.wire]
            message.brief = brief.digest
            message.deadlineMs = deadline
            if let vectors = dataTrials[trial]?.vectors { message.vectors = vectors }
            return .sliceGrant(message)
        case .encode: return .pieceGrant(pieceGrant(grant, brief))
        case .preview(let trial, let step):
            var message = pieceGrant(grant, brief)
            message.vectors = WireVectors(try state(of: trial, at: step))
            return .pieceGrant(message)
        }
    }

    private var deadline: UInt32 { UInt32(clamping: options.settings.lease.wholeMilliseconds) }

    private func trainGrant(_ grant: Coordination.Grant, _ trial: TrialID, _ brief: Brief) throws -> WireTrainGrant {
        var message = WireTrainGrant()
        if grant.fromStep > 0 { message.state = try state(of: trial, at: grant.fromStep) }
        message.lease = grant.lease.wire
        message.brief = brief.digest
        message.fromStep = UInt32(grant.fromStep)
        message.toStep = UInt32(grant.toStep)
        message.deadlineMs = deadline
        return message
    }

    private func pieceGrant(_ grant: Coordination.Grant, _ brief: Brief) -> WirePieceGrant {
        var message = WirePieceGrant()
        message.lease = grant.lease.wire
        message.brief = brief.digest
        message.deadlineMs = deadline
        return message
    }

    /// The state from which a trial goes on.
    ///
    /// - Throws: `FleetError` `.invalid` if the ledger has none that can be read, `.storage` if the disk does not answer.
    private func state(of trial: TrialID, at step: Int) throws(FleetError) -> WireTrainingState {
        if let known = latest[trial], Int(known.step) == step { return known }
        guard let payload = try ledger.payload(of: trial, endingAt: step) else {
            throw FleetError(.invalid, Ledger.damaged(ledger.path, "the result before step \(step) is missing").message)
        }
        do throws(FleetError) {
            return try WireSegmentResult(stored: payload).after
        } catch {
            throw FleetError(.invalid, Ledger.damaged(ledger.path, "the result before step \(step) cannot be read").message)
        }
    }
}
