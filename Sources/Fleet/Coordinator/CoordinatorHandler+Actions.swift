// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Logging
import WireMessages
import ZeroMQ

extension CoordinatorHandler {
    /// Lets the coordinator decide about an event, and carries out what it decides.
    mutating func run(_ event: Event, _ context: inout LoopContext) {
        var events = [event]
        var next = 0
        while next < events.count {
            let now = Instant(context.now)
            for action in coordinator.handle(events[next], at: now) { events += perform(action, at: now) }
            next += 1
        }
        isChanged = true
    }

    /// - Returns: what the coordinator has to hear about it.
    private mutating func perform(_ action: Action, at now: Instant) -> [Event] {
        switch action {
        case .grant(let grant): return self.grant(grant)
        case .persist(let report, let shelf): return [persist(report, shelf)]
        case .acknowledge(let report, let answer): return acknowledge(report, answer)
        case .persistPiece(let report): return [persist(report)]
        case .acknowledgePiece(let report, let answer): return acknowledge(report, answer)
        case .openTrial(let trial): return [open(trial)]
        case .keepSlice(let report): keep(report)
        case .closeStep(let step): return [close(step)]
        case .closeTrial(let trial): dataTrials[trial] = nil
        case .cancelLease(let worker, let lease, let reason):
            var cancel = WireCancelLease()
            cancel.lease = lease.wire
            cancel.reason = WireText.clipped(reason)
            return say(.cancelLease(cancel), to: worker)
        case .recordTrial(let record):
            stage { ledger throws(FleetError) in try ledger.record(record) }
            if record.state == .failed {
                logger.warning("\(name(of: record.trial)) failed: \(record.failure)")
                note("failed", work: .train(record.trial), record.failure)
            }
            if record.state.isTerminal {
                turn.ended.append(record.trial)
                latest.forget(record.trial)
            }
        case .recordStudy(let study, let priority, let isPaused):
            stage { ledger throws(FleetError) in try ledger.record(study: study, priority: priority, isPaused: isPaused) }
        case .recordClass(let study, let numericsClass):
            stage { ledger throws(FleetError) in try ledger.record(numericsClass, of: study) }
        case .studyFinished(let study, let state, let reason):
            stage { ledger throws(FleetError) in try ledger.setState(state, reason: reason, of: study) }
            logger.info("study \(studies[study]?.plan.name ?? "?") is \(state.rawValue)\(reason.isEmpty ? "" : ": \(reason)")")
            note(state.rawValue, study: study, reason)
            published = nil
        case .drain(let worker):
            var drain = WireDrain()
            drain.reason = "somebody asked for it"
            note("drain", worker: worker, "")
            return say(.drain(drain), to: worker)
        case .requeued(let lease, let reason):
            logger.notice("\(lease) goes back to the queue: \(reason)")
            note("requeued", work: lease.work, reason)
        case .abandoned(let lease, let reason):
            logger.warning("\(lease.work) was given up: \(reason)")
            note("abandoned", work: lease.work, reason)
        case .workerChanged(let worker, let state):
            logger.notice("worker \(name(of: worker)) is \(state.rawValue)")
            note(state.rawValue, worker: worker, "")
        case .determinismAlarm(let trial, let kept, let offered):
            let text = """
                steps \(kept.fromStep) to \(kept.toStep) gave other bits on worker \(name(of: offered.worker)) \
                (\(offered.digest.prefix(12)) instead of \(kept.digest.prefix(12))) than on the one before; the first result counts
                """
            logger.error("\(name(of: trial)): \(text)")
            note("alarm", work: .train(trial), worker: offered.worker, text)
        case .pieceAlarm(let lease, let kept, let keptBy, let offered, let offeredBy):
            let text = """
                workers \(name(of: keptBy)) and \(name(of: offeredBy)) gave other bits (\(kept.prefix(12)) and \(offered.prefix(12))); \
                the first result counts
                """
            logger.error("\(lease.work): \(text)")
            note("alarm", work: lease.work, worker: offeredBy, text)
        }
        return []
    }

    /// A write whose failure undoes the whole turn.
    mutating func stage(_ write: (Ledger) throws(FleetError) -> Void) {
        guard turn.failure == nil else { return }
        do throws(FleetError) { try write(ledger) } catch { turn.failure = error }
    }

    // MARK: - Results

    private mutating func persist(_ report: SegmentReport, _ shelf: Shelf) -> Event {
        // A segment that was put together here waits in its trial; any other is the message being handled.
        let result =
            report.worker == .coordinator
            ? dataTrials[report.trial]?.computed
            : arriving?.report == report ? arriving?.result : nil
        guard let result else { return .resultNotPersisted(report, shelf) }
        stage { ledger throws(FleetError) in
            guard let payload = try? result.stored() else { throw FleetError(.internal, "a result cannot be written") }
            try ledger.add(report, to: shelf, payload: payload, cpu: result.cpu, received: Int64(Date().timeIntervalSince1970 * 1000))
        }
        guard turn.failure == nil else { return .resultNotPersisted(report, shelf) }
        if shelf == .segment, let study = studies[report.trial.study] {
            turn.accepted.append(AcceptedSegment(result: result, trial: report.trial, study: study))
            if report.worker != .coordinator { latest.keep(result.after, of: report.trial) }
            note("accepted", work: .train(report.trial), worker: report.worker, "steps \(report.fromStep) to \(report.toStep)")
        }
        return .resultPersisted(report, shelf)
    }

    private mutating func persist(_ report: PieceReport) -> Event {
        let bytes = arrivingPiece?.report == report ? arrivingPiece?.bytes ?? 0 : 0
        stage { ledger throws(FleetError) in
            try ledger.add(report, bytes: bytes, received: Int64(Date().timeIntervalSince1970 * 1000))
        }
        guard turn.failure == nil else { return .pieceNotPersisted(report) }
        note("accepted", work: report.lease.work, worker: report.worker, "\(report.lease.work)")
        if case .preview(let trial, let step) = report.lease.work, let study = studies[trial.study] {
            turn.previews.append(AcceptedPreview(trial: trial, step: step, digest: report.digest, study: study.plan.name))
        }
        return .piecePersisted(report)
    }

    private mutating func acknowledge(_ report: SegmentReport, _ answer: Acknowledgement) -> [Event] {
        guard report.worker != .coordinator else { return [] }
        return acknowledge(report.lease, of: report.worker, answer, requestID: arriving?.report == report ? arriving?.requestID ?? 0 : 0)
    }

    private mutating func acknowledge(_ report: PieceReport, _ answer: Acknowledgement) -> [Event] {
        let requestID = arrivingPiece?.report == report ? arrivingPiece?.requestID ?? 0 : 0
        return acknowledge(report.lease, of: report.worker, answer, requestID: requestID)
    }

    private mutating func acknowledge(
        _ lease: LeaseID, of worker: WorkerID, _ answer: Acknowledgement, requestID: UInt64
    ) -> [Event] {
        var ack = WireResultAck()
        ack.lease = lease.wire
        switch answer {
        case .accepted: ack.verdict = .accepted
        case .duplicate: ack.verdict = .duplicate
        case .conflict: ack.verdict = .conflict
        case .stale(let reason):
            ack.verdict = .stale
            logger.info("a result of worker \(name(of: worker)) was not needed: \(reason)")
        }
        // A lost acknowledgement is no loss: the worker sends its result again.
        guard let peer = sessions.peer(of: worker) else { return [] }
        turn.say(.resultAck(ack), to: peer, requestID: requestID)
        return []
    }
}
