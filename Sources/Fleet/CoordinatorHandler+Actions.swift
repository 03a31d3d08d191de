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
        while !events.isEmpty {
            for action in coordinator.handle(events.removeFirst(), at: Instant(context.now)) {
                events += perform(action, &context)
            }
        }
        isChanged = true
    }

    /// - Returns: what the coordinator has to hear about it.
    private mutating func perform(_ action: Action, _ context: inout LoopContext) -> [Event] {
        switch action {
        case .grant(let grant): return self.grant(grant, &context)
        case .persist(let report, let shelf): return [persist(report, shelf, &context)]
        case .acknowledge(let report, let answer): return acknowledge(report, answer, &context)
        case .cancelLease(let worker, let lease, let reason):
            var cancel = WireCancelLease()
            cancel.leaseID = lease.wireNumber
            cancel.reason = WireText.clipped(reason)
            logger.debug("cancelled a lease", metadata: ["lease": "\(lease)", "worker": "\(worker)", "reason": "\(reason)"])
            return send(.cancelLease(cancel), to: worker, &context)
        case .recordTrial(let record):
            unwritten[record.trial] = record
            writeLateRows()
            if record.state == .failed {
                logger.warning("trial \(record.trial.index) of study \(name(of: record.trial)) failed: \(record.failure)")
            }
            if record.state.isTerminal { keeper.release(record.trial) }
        case .studyFinished(let study, let state):
            unwrittenStudies[study] = state
            writeLateRows()
            logger.info("study \(studies[study]?.plan.name ?? "?") is \(state.rawValue)")
            publish(&context, force: true)
        case .requeued(let trial, let step, let reason):
            logger.notice("trial \(trial.index) of study \(name(of: trial)) goes back to step \(step): \(reason)")
        case .workerChanged(let worker, let state):
            logger.notice("worker \(worker) is \(state.rawValue)")
        case .determinismAlarm(let trial, let kept, let offered):
            logger.error(
                """
                steps \(kept.fromStep) to \(kept.toStep) of trial \(trial.index) of study \(name(of: trial)) gave other bits on \
                worker \(offered.worker) (\(offered.digest.prefix(12)) instead of \(kept.digest.prefix(12))); the first one counts
                """)
        }
        return []
    }

    private mutating func grant(_ grant: Coordination.Grant, _ context: inout LoopContext) -> [Event] {
        guard let study = studies[grant.lease.trial.study] else { return [.grantNotPersisted(grant.lease)] }
        var message = WireGrant()
        do {
            try ledger.recordGrant(grant)
            if grant.fromStep > 0 {
                guard let payload = try ledger.lastPayload(of: grant.lease.trial) else {
                    throw Ledger.damaged(ledger.path, "the result before step \(grant.fromStep) is missing")
                }
                message.state = try WireSegmentResult(stored: payload).after
            }
            storageProblem = nil
        } catch {
            noteStorage(error)
            return [.grantNotPersisted(grant.lease)]
        }
        message.leaseID = grant.lease.wireNumber
        message.attempt = grant.lease.wireAttempt
        message.studyID = study.plan.id.description
        message.studyName = study.plan.name
        message.trial = UInt32(grant.lease.trial.index)
        message.studyJson = study.json
        message.fromStep = UInt32(grant.fromStep)
        message.toStep = UInt32(grant.toStep)
        message.deadlineMs = UInt32(clamping: options.settings.lease.wholeMilliseconds)
        logger.debug("granted", metadata: ["lease": "\(grant.lease)", "worker": "\(grant.worker)", "from": "\(grant.fromStep)"])
        return send(.grant(message), to: grant.worker, &context)
    }

    private mutating func persist(_ report: SegmentReport, _ shelf: Shelf, _ context: inout LoopContext) -> Event {
        guard let arriving, arriving.report == report else { return .resultNotPersisted(report, shelf) }
        do {
            let now = Int64(Date().timeIntervalSince1970 * 1000)
            try ledger.add(report, to: shelf, payload: arriving.result.stored(), cpu: arriving.result.cpu, received: now)
            storageProblem = nil
        } catch {
            noteStorage(error)
            return .resultNotPersisted(report, shelf)
        }
        if shelf == .segment, let study = studies[report.trial.study] {
            keeper.resultAccepted(arriving.result, of: report.trial, in: study, at: Instant(context.now))
            if let problem = keeper.problems[report.trial] { logger.warning("study \(study.plan.name): \(problem)") }
        }
        return .resultPersisted(report, shelf)
    }

    private mutating func acknowledge(_ report: SegmentReport, _ answer: Acknowledgement, _ context: inout LoopContext) -> [Event] {
        var ack = WireResultAck()
        ack.leaseID = report.lease.wireNumber
        ack.attempt = report.lease.wireAttempt
        switch answer {
        case .accepted: ack.verdict = .accepted
        case .duplicate: ack.verdict = .duplicate
        case .conflict: ack.verdict = .conflict
        case .stale(let reason):
            ack.verdict = .stale
            logger.info("a result of worker \(report.worker) was not needed: \(reason)")
        }
        let requestID = arriving?.report == report ? arriving?.requestID ?? 0 : 0
        // A lost acknowledgement is no loss: the worker sends its result again.
        guard let peer = sessions.peer(of: report.worker) else { return [] }
        return deliver(.resultAck(ack), to: peer, requestID: requestID, &context).map { [.workerUnreachable($0)] } ?? []
    }

    // MARK: - Storage

    /// Writes the rows that wait.
    ///
    /// A row that the disk refuses waits on; recovery after a crash does without it.
    mutating func writeLateRows() {
        do {
            for (trial, record) in unwritten {
                try ledger.record(record)
                unwritten[trial] = nil
            }
            for (study, state) in unwrittenStudies {
                try ledger.setState(state, of: study)
                unwrittenStudies[study] = nil
            }
        } catch {
            noteStorage(error)
        }
    }

    private mutating func noteStorage(_ error: any Error) {
        let problem = "\(error)".oneLine
        if storageProblem != problem { logger.error("\(problem)") }
        storageProblem = problem
    }

    private func name(of trial: TrialID) -> String { studies[trial.study]?.plan.name ?? "?" }

    // MARK: - Sending

    /// Sends to a worker's newest conversation.
    private mutating func send(_ payload: WireEnvelope.OneOf_Payload, to worker: WorkerID, _ context: inout LoopContext) -> [Event] {
        guard let peer = sessions.peer(of: worker) else { return [.workerUnreachable(worker)] }
        return deliver(payload, to: peer, requestID: 0, &context).map { [.workerUnreachable($0)] } ?? []
    }

    /// Sends to a peer, and tells the coordinator if that ends a worker's conversation.
    mutating func send(
        _ payload: WireEnvelope.OneOf_Payload, to peer: PeerID, requestID: UInt64 = 0, _ context: inout LoopContext
    ) {
        if let worker = deliver(payload, to: peer, requestID: requestID, &context) { run(.workerUnreachable(worker), &context) }
    }

    /// - Returns: the worker that this peer was and is no more.
    private mutating func deliver(
        _ payload: WireEnvelope.OneOf_Payload, to peer: PeerID, requestID: UInt64, _ context: inout LoopContext
    ) -> WorkerID? {
        do {
            try context.send(try encode(payload, requestID: requestID), to: peer, on: socket)
        } catch let error as SocketError where error.code == .unreachable {
            return sessions.close(peer)
        } catch {
            // A peer that is slow: heartbeats and deadlines decide about it.
            logger.warning("could not send: \(error)")
        }
        return nil
    }

    /// The frames of an answer, or, if it is too long to be sent, of an error that says so: nobody is left waiting.
    private func encode(_ payload: WireEnvelope.OneOf_Payload, requestID: UInt64) throws(WireError) -> [Data] {
        do {
            return try WireCodec.encode(WireEnvelope(payload, requestID: requestID))
        } catch  where requestID != 0 {
            logger.error("cannot answer: \(error)")
            return try WireCodec.encode(WireEnvelope(.errorReply(refuse(.internal, "\(error)")), requestID: requestID))
        }
    }
}
