// SPDX-License-Identifier: Apache-2.0

import Access
import Coordination
import Foundation
import Logging
import WireMessages
import ZeroMQ

extension CoordinatorHandler {
    mutating func handle(
        _ payload: WireEnvelope.OneOf_Payload, ofClient peer: PeerID, _ roles: Set<Role>, _ requestID: UInt64,
        _ context: inout LoopContext
    ) {
        func answer(_ payload: WireEnvelope.OneOf_Payload) { turn.say(payload, to: peer, requestID: requestID) }
        do {
            switch payload {
            case .statusRequest(let request):
                let study = request.hasStudy ? try requireStudy(request.study).plan.id : nil
                answer(.statusReply(statusReply(to: request, of: study, now: context.now)))
            case .submitStudy(let submission): submit(submission, from: peer, requestID, &context)
            case .explainRequest(let request):
                var reply = WireExplainReply()
                reply.lines = try explain(request.target, trial: request.hasTrial ? Int(request.trial) : nil, now: context.now)
                    .map { WireText.clipped($0) }
                answer(.explainReply(reply))
            case .logRequest(let request):
                answer(.logReply(try log(request)))
            case .checkpointRequest(let request):
                answer(.checkpointReply(try checkpoint(request)))
            case .command(let command):
                try require(.admin, roles, "give this command")
                answer(.commandReply(try carryOut(command, &context)))
            case .keysRequest(let request):
                try require(.admin, roles, "see or change keys")
                answer(.keysReply(try keys(request, &context)))
            case .errorReply: break
            default: refuse(.refused, "clients cannot send this; connect as a worker", peer, requestID)
            }
        } catch let error as FleetError {
            let code: WireErrorCode =
                switch error.code {
                case .notFound: .notFound
                case .refused: .refused
                case .invalid: .invalid
                default: .internal
                }
            refuse(code, error.message, peer, requestID)
        } catch {
            refuse(.internal, "\(error)", peer, requestID)
        }
    }

    private func require(_ role: Role, _ roles: Set<Role>, _ what: String) throws(FleetError) {
        if !roles.allows(role) { throw FleetError(.refused, "this key may not \(what); it takes the role \(role.rawValue)") }
    }

    func requireStudy(_ key: String) throws(FleetError) -> StudyRow {
        if let study = findStudy(key) { return study }
        throw FleetError(.notFound, "there is no study \(key); pseudoword status lists them")
    }

    /// The worker of this name or id.
    func requireWorker(_ key: String) throws(FleetError) -> WorkerID {
        let named = workerNames.filter { $0.value == key || $0.key.rawValue == key }.keys
        let present = named.filter { sessions.peer(of: $0) != nil }
        guard let worker = present.min() ?? named.min() else {
            throw FleetError(.notFound, "there is no worker \(key); pseudoword status lists them")
        }
        guard present.count <= 1 else {
            throw FleetError(.invalid, "\(present.count) workers are called \(key); name one by its id (status --output json)")
        }
        return worker
    }

    // MARK: - Questions

    private func explain(_ target: String, trial: Int?, now: ContinuousClock.Instant) throws(FleetError) -> [String] {
        let now = Instant(now)
        if let trial {
            let study = try requireStudy(target)
            guard (0..<study.plan.trialCount).contains(trial) else {
                throw FleetError(.notFound, "study \(study.plan.name) has trials 0 to \(study.plan.trialCount - 1), not \(trial)")
            }
            return coordinator.explain(trial: TrialID(study: study.plan.id, index: trial), now: now).map(withNames)
        }
        return coordinator.explain(worker: try requireWorker(target), now: now).map(withNames)
    }

    /// Puts people's names in the place of ids.
    private func withNames(_ line: String) -> String {
        var line = line
        for (id, name) in workerNames where line.contains(id.rawValue) { line = line.replacingOccurrences(of: id.rawValue, with: name) }
        return line
    }

    private func log(_ request: WireLogRequest) throws(FleetError) -> WireLogReply {
        var reply = WireLogReply()
        let limit = min(max(1, Int(request.limit)), 5000)
        let found = try ledger.events(after: Int64(clamping: request.after), target: request.target, limit: limit)
        reply.entries = ReplyBudget.newest(found.map(\.wire))
        return reply
    }

    private func checkpoint(_ request: WireCheckpointRequest) throws(FleetError) -> WireCheckpointReply {
        let study = try requireStudy(request.study)
        guard let snapshot = coordinator.snapshot(of: study.plan.id) else { throw FleetError(.notFound, "there is no such study") }
        let index = request.hasTrial ? Int(request.trial) : snapshot.bestTrial?.index ?? 0
        guard (0..<study.plan.trialCount).contains(index) else {
            throw FleetError(.notFound, "study \(study.plan.name) has trials 0 to \(study.plan.trialCount - 1), not \(index)")
        }
        let path = home.checkpoint(study: study.plan.name, trial: index)
        let none = FleetError(.notFound, "trial \(index) of study \(study.plan.name) has no checkpoint yet; try again later")
        // The size first: a file of gigabytes is not read only to be refused.
        guard let bytes = try? FileManager.default.attributesOfItem(atPath: path.path)[.size] as? Int, bytes > 0 else { throw none }
        guard bytes < WireLimits.messageBytes - 1024, let file = try? Data(contentsOf: path), file.count < WireLimits.messageBytes - 1024
        else {
            throw FleetError(
                .refused, "the checkpoint has \(bytes) bytes, too many for a message; copy \(path.path) from the coordinator's box")
        }
        guard !file.isEmpty else { throw none }
        var reply = WireCheckpointReply()
        reply.trial = UInt32(index)
        reply.file = file
        return reply
    }

    // MARK: - Commands

    mutating func carryOut(_ command: WireCommand, _ context: inout LoopContext) throws(FleetError) -> WireCommandReply {
        var reply = WireCommandReply()
        if command.kind == .drain {
            let worker = try requireWorker(command.target)
            let state = coordinator.snapshot(now: Instant(context.now)).workers.first { $0.id == worker }
            guard let state, state.state != .lost else {
                let silence = state.map { ", silent for \($0.silence.wholeMilliseconds / 1000) s" } ?? ""
                throw FleetError(.notFound, "worker \(name(of: worker)) is gone\(silence); there is nothing to drain")
            }
            (reply.id, reply.name, reply.wasSo) = (worker.rawValue, name(of: worker), state.state == .draining)
            reply.count = UInt32(clamping: state.leases.count)
            run(.workerDrained(worker), &context)
            return reply
        }
        let study = try requireStudy(command.target)
        guard let before = coordinator.snapshot(of: study.plan.id) else { throw FleetError(.notFound, "there is no such study") }
        (reply.id, reply.name) = (study.plan.id.description, study.plan.name)
        var trials = before.trials
        if command.hasTrial {
            guard Int(command.trial) < trials.count else {
                throw FleetError(.notFound, "study \(study.plan.name) has trials 0 to \(trials.count - 1), not \(command.trial)")
            }
            trials = [trials[Int(command.trial)]]
        }
        reply.count = UInt32(clamping: trials.count { !$0.state.isTerminal })
        reply.wasSo = before.state.isTerminal || reply.count == 0
        if reply.wasSo {
            reply.count = 0
            return reply
        }
        let one = command.hasTrial ? trials[0].id : nil
        switch command.kind {
        case .cancel: run(one.map { .trialPruned($0, reason: "it was cancelled") } ?? .studyCancelled(study.plan.id), &context)
        case .pause:
            reply.wasSo = one == nil ? before.isPaused : trials[0].state == .paused
            run(one.map { .trialPaused($0) } ?? .studyPaused(study.plan.id), &context)
        case .resume:
            reply.wasSo = one == nil ? !before.isPaused : trials[0].state != .paused
            run(one.map { .trialResumed($0) } ?? .studyResumed(study.plan.id), &context)
        case .prioritize:
            reply.wasSo = before.priority == Int(command.priority)
            run(.studyPrioritized(study.plan.id, Int(command.priority)), &context)
        case .drain, .unspecified, .UNRECOGNIZED: break
        }
        note("\(command.kind)", study: study.plan.id, one.map { "trial \($0.index)" } ?? "")
        return reply
    }
}

extension LogEntry {
    var wire: WireLogEntry {
        var wire = WireLogEntry()
        wire.number = UInt64(clamping: number)
        wire.timeMs = Int64(time.timeIntervalSince1970 * 1000)
        wire.kind = kind
        wire.study = study
        if let trial { wire.trial = UInt32(clamping: trial) }
        wire.worker = WireText.clipped(worker, limit: WireLimits.nameBytes)
        wire.text = WireText.clipped(text)
        return wire
    }

    init(_ wire: WireLogEntry) {
        self.init(
            number: Int64(clamping: wire.number), time: Date(timeIntervalSince1970: Double(wire.timeMs) / 1000), kind: wire.kind,
            study: wire.study, trial: wire.hasTrial ? Int(wire.trial) : nil, worker: wire.worker, text: wire.text)
    }
}
