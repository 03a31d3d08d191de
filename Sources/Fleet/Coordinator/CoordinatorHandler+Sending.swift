// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Logging
import WireMessages
import ZeroMQ

extension CoordinatorHandler {
    /// Says something to a worker's newest conversation once the turn is on disk.
    ///
    /// - Returns: what the coordinator has to hear if the worker has none.
    mutating func say(_ payload: WireEnvelope.OneOf_Payload, to worker: WorkerID) -> [Event] {
        guard let peer = sessions.peer(of: worker) else { return [.workerUnreachable(worker)] }
        turn.say(payload, to: peer)
        return []
    }

    mutating func refuse(_ code: WireErrorCode, _ message: String, _ peer: PeerID, _ requestID: UInt64) {
        var reply = WireErrorReply()
        reply.code = code
        reply.message = WireText.clipped(message)
        turn.say(.errorReply(reply), to: peer, requestID: requestID)
    }

    /// Ends a turn: first to disk, then out.
    ///
    /// Sending may show that somebody is gone, which may change things again; so it goes on until nothing is left to say.
    mutating func endTurn(in context: inout LoopContext) {
        guard !isKilled else { return }
        // Each round is caused by a worker that vanished, which it does once, or by a grant that does not fit, whose trial ends with it.
        for _ in 0..<1000 {
            guard settle(&context) else { break }
            let messages = turn.takeMessages()
            if messages.isEmpty { break }
            for message in messages {
                if let worker = deliver(message, &context) { run(.workerUnreachable(worker), &context) }
            }
        }
        let due = Set(cutting.filter { $0.value <= context.now }.keys)
        if !due.isEmpty {
            for key in due { cutting[key] = nil }
            _ = context.disconnect(on: socket) { $0.key.map(due.contains) ?? false }
        }
        checkpoints.note(accepted: turn.accepted, ended: turn.ended)
        (turn.accepted, turn.ended) = ([], [])
        for preview in turn.previews {
            blobs.copy(preview.digest, to: home.preview(study: preview.study, trial: preview.trial.index, step: preview.step))
        }
        turn.previews = []
        if isChanged { publish(&context) }
    }

    /// Puts on disk what the turn has changed.
    ///
    /// - Returns: false when the disk refused: then everything is as if the coordinator had been restarted before this turn.
    private mutating func settle(_ context: inout LoopContext) -> Bool {
        do throws(FleetError) {
            if let failure = turn.failure { throw failure }
            if !turn.entries.isEmpty {
                let numbers = Dictionary(
                    studies.values.map { ($0.plan.name, $0.plan.id.rawValue) }, uniquingKeysWith: { first, _ in first })
                try ledger.add(turn.entries) { numbers[$0] }
                turn.entries = []
            }
            try ledger.commit()
            if storageProblem != nil { logger.notice("the ledger can be written again") }
            storageProblem = nil
            return true
        } catch {
            let problem = error.message
            if storageProblem != problem { logger.error("\(problem)") }
            storageProblem = problem
            goBackToTheLedger(&context)
            return false
        }
    }

    /// Forgets this turn and everything else that is not on disk, like a restart does; conversations go on.
    private mutating func goBackToTheLedger(_ context: inout LoopContext) {
        ledger.rollBack()
        turn = Turn()
        do {
            try restore(&context)
        } catch {
            logger.critical("the ledger can be neither written nor read; the coordinator stops: \(error)")
            isKilled = true
            context.stop()
            return
        }
        for (_, session) in sessions.workers {
            if let worker = session.worker, let about = session.about { run(.workerHello(worker, about), &context) }
        }
        run(.storageRefused, &context)
        turn = Turn()
        ledger.rollBack()
    }

    /// - Returns: the worker that this peer was and is no more.
    private mutating func deliver(_ message: Turn.Message, _ context: inout LoopContext) -> WorkerID? {
        let frames: [Data]
        do {
            frames = try encode(message)
        } catch {
            // It would not fit the next time either.
            logger.error("could not say it: \(error)")
            if let lease = message.payload.grantedLease { run(impossible(lease, error), &context) }
            return nil
        }
        do {
            try context.send(frames, to: message.peer, on: socket)
        } catch  where error.code == .unreachable {
            return sessions.lose(message.peer, at: Instant(context.now))
        } catch {
            // A peer that is slow: heartbeats and deadlines decide about it.
            logger.warning("could not send: \(error)")
        }
        return nil
    }

    /// The frames of an answer, or, if it is too long to be sent, of an error that says so: nobody is left waiting.
    private func encode(_ message: Turn.Message) throws(WireError) -> [Data] {
        do {
            let envelope = WireEnvelope(message.payload, requestID: message.requestID)
            return message.isForOlder ? try OlderHello.frames(envelope) : try WireCodec.encode(envelope)
        } catch  where message.requestID != 0 {
            logger.error("cannot answer: \(error)")
            var reply = WireErrorReply()
            reply.code = .internal
            reply.message = WireText.clipped("\(error)")
            return try WireCodec.encode(WireEnvelope(.errorReply(reply), requestID: message.requestID))
        }
    }

    /// An entry for `pseudoword logs`.
    mutating func note(_ kind: String, work: Work? = nil, study: StudyID? = nil, worker: WorkerID? = nil, _ text: String) {
        let study = work?.study ?? study
        turn.entries.append(
            LogEntry(
                time: Date(), kind: kind, study: study.flatMap { studies[$0]?.plan.name } ?? "", trial: work?.trial?.index,
                worker: worker.map { name(of: $0) } ?? "", text: text.oneLine))
    }

    func name(of worker: WorkerID) -> String {
        if worker == .coordinator { return "coordinator" }
        return sessions.peer(of: worker).flatMap { sessions[$0]?.about?.name } ?? workerNames[worker] ?? worker.rawValue
    }

    func name(of trial: TrialID) -> String { "trial \(trial.index) of study \(studies[trial.study]?.plan.name ?? "?")" }
}

extension WireEnvelope.OneOf_Payload {
    /// The lease of a grant, or the first of them.
    fileprivate var grantedLease: LeaseID? {
        switch self {
        case .trainGrant(let grant): LeaseID(grant.lease)
        case .sliceGrant(let grant): grant.leases.first.flatMap { LeaseID($0) }
        case .pieceGrant(let grant): LeaseID(grant.lease)
        default: nil
        }
    }
}
