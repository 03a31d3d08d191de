// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Logging
import Studies
import WireMessages
import ZeroMQ

extension CoordinatorHandler {
    /// Handles what a peer sent: anything at all until the codec has seen it.
    mutating func receive(_ frames: [Data], from peer: PeerID, _ context: inout LoopContext) {
        let envelope: WireEnvelope
        do {
            envelope = try WireCodec.decode(frames, at: .coordinator)
        } catch {
            logger.debug("dropped a message", metadata: ["peer": "\(peer)", "reason": "\(error)"])
            if case .errorReply(let reply)? = error.reply?.payload {
                send(.errorReply(reply), to: peer, requestID: error.requestID, &context)
            }
            return
        }
        let requestID = envelope.requestID
        guard let payload = envelope.payload else { return }
        if case .hello(let hello) = payload { return self.hello(hello, from: peer, requestID, &context) }
        guard let session = sessions[peer] else {
            if case .goodbye = payload { return }
            if case .errorReply = payload { return }
            return refuse(.helloRequired, "say hello first: this coordinator does not know this conversation", peer, requestID, &context)
        }
        sessions.note(messageFrom: peer, at: Instant(context.now))
        if let worker = session.worker {
            handle(payload, of: worker, session, from: peer, requestID, &context)
        } else {
            handle(payload, ofClient: peer, requestID, &context)
        }
    }

    func refuse(_ code: WireErrorCode, _ message: String) -> WireErrorReply {
        var reply = WireErrorReply()
        reply.code = code
        reply.message = WireText.clipped(message)
        return reply
    }

    private mutating func refuse(
        _ code: WireErrorCode, _ message: String, _ peer: PeerID, _ requestID: UInt64, _ context: inout LoopContext
    ) {
        send(.errorReply(refuse(code, message)), to: peer, requestID: requestID, &context)
    }

    // MARK: - Joining

    private mutating func hello(_ hello: WireHello, from peer: PeerID, _ requestID: UInt64, _ context: inout LoopContext) {
        let version: WireVersion
        switch WireVersion.negotiate(offered: hello.version) {
        case .refused(let denied):
            logger.warning("refused \(hello.name.oneLine): \(denied.reason)")
            return send(.denied(denied), to: peer, requestID: requestID, &context)
        case .agreed(let agreed): version = agreed
        }
        guard !sessions.isFull || sessions[peer] != nil else {
            var denied = WireDenied()
            denied.code = .unavailable
            denied.reason = "the coordinator has too many conversations; try again later"
            return send(.denied(denied), to: peer, requestID: requestID, &context)
        }
        let worker = hello.role == .worker ? WorkerID(hello.workerID) : nil
        let session = sessions.open(peer, worker: worker, at: Instant(context.now))
        var welcome = WireWelcome()
        welcome.version = version.message
        welcome.programVersion = options.program
        welcome.heartbeatIntervalMs = UInt32(clamping: max(1, options.settings.heartbeat.wholeMilliseconds))
        welcome.leaseTimeoutMs = UInt32(clamping: options.settings.lease.wholeMilliseconds)
        welcome.session = session.name
        send(.welcome(welcome), to: peer, requestID: requestID, &context)
        guard let worker, sessions[peer] != nil else { return }
        let about = WorkerDescription(
            name: hello.name, host: hello.host, processID: Int(hello.pid), threads: Int(hello.threads), cpu: hello.cpu,
            program: hello.programVersion)
        logger.info("worker \(hello.name) joined", metadata: ["worker": "\(worker)", "host": "\(hello.host)", "pid": "\(hello.pid)"])
        run(.workerHello(worker, about), &context)
    }

    // MARK: - Workers

    private mutating func handle(
        _ payload: WireEnvelope.OneOf_Payload, of worker: WorkerID, _ session: Session, from peer: PeerID, _ requestID: UInt64,
        _ context: inout LoopContext
    ) {
        switch payload {
        case .heartbeat(let heartbeat):
            guard heartbeat.session == session.name else {
                return refuse(.helloRequired, "this heartbeat belongs to another conversation; say hello again", peer, requestID, &context)
            }
            send(.heartbeatReply(WireHeartbeatReply()), to: peer, requestID: requestID, &context)
            run(.workerHeartbeat(worker, holding: heartbeat.holding), &context)
        case .segmentResult(let result): receive(result, of: worker, from: peer, requestID, &context)
        case .leaseFailed(let failure):
            guard let lease = LeaseID(wire: failure.leaseID, attempt: failure.attempt) else {
                return refuse(.invalid, "lease \(failure.leaseID) has no attempt \(failure.attempt)", peer, requestID, &context)
            }
            run(.leaseFailed(worker, lease, FailureKind(failure.kind), message: failure.message), &context)
            var ack = WireFailureAck()
            ack.leaseID = failure.leaseID
            ack.attempt = failure.attempt
            send(.failureAck(ack), to: peer, requestID: requestID, &context)
        case .goodbye(let goodbye):
            logger.info("worker \(worker) left", metadata: ["reason": "\(goodbye.reason)"])
            sessions.close(peer)
            run(.workerGoodbye(worker), &context)
        case .errorReply(let reply):
            logger.warning("worker \(worker) answers: \(reply.message)")
        default:
            refuse(.refused, "workers cannot ask for this; connect as a client", peer, requestID, &context)
        }
    }

    private mutating func receive(
        _ result: WireSegmentResult, of worker: WorkerID, from peer: PeerID, _ requestID: UInt64, _ context: inout LoopContext
    ) {
        do {
            let report = try SegmentReport(result, from: worker)
            try checkShape(of: result, for: report)
            arriving = ArrivingResult(report: report, result: result, requestID: requestID)
            run(.segmentResult(report), &context)
            arriving = nil
        } catch {
            logger.error("worker \(worker) sent an unusable result: \(error)")
            refuse(.invalid, "\(error)", peer, requestID, &context)
        }
    }

    /// A trial's vectors keep their shape from its first segment on.
    private func checkShape(of result: WireSegmentResult, for report: SegmentReport) throws {
        guard report.fromStep > 0, let payload = try ledger.lastPayload(of: report.trial) else { return }
        let before = try WireSegmentResult(stored: payload).after
        guard before.count == result.after.count, before.width == result.after.width else {
            throw WireError(
                .invalid,
                "a result has \(result.after.count) vectors of width \(result.after.width), its trial \(before.count) of \(before.width)"
            )
        }
    }

    // MARK: - Clients

    private mutating func handle(
        _ payload: WireEnvelope.OneOf_Payload, ofClient peer: PeerID, _ requestID: UInt64, _ context: inout LoopContext
    ) {
        do {
            switch payload {
            case .statusRequest(let request):
                let study = request.hasStudy ? try requireStudy(request.study).plan.id : nil
                send(.statusReply(status(of: study, &context).wire), to: peer, requestID: requestID, &context)
            case .submitStudy(let submission):
                send(.submitReply(reply(to: submission, &context)), to: peer, requestID: requestID, &context)
            case .cancelStudy(let request):
                let cancellation = try cancel(request.name, &context)
                var reply = WireCancelReply()
                reply.outcome = cancellation.hadEnded ? .alreadyEnded : .cancelled
                reply.studyID = cancellation.id
                reply.name = cancellation.name
                reply.cancelledTrials = UInt32(clamping: cancellation.cancelledTrials)
                send(.cancelReply(reply), to: peer, requestID: requestID, &context)
            case .goodbye: sessions.close(peer)
            case .errorReply: break
            default: refuse(.refused, "clients cannot send this; connect as a worker", peer, requestID, &context)
            }
        } catch let error as FleetError where error.code == .notFound {
            refuse(.notFound, error.message, peer, requestID, &context)
        } catch {
            refuse(.internal, "\(error)", peer, requestID, &context)
        }
    }

    private mutating func reply(to submission: WireSubmitStudy, _ context: inout LoopContext) -> WireSubmitReply {
        var reply = WireSubmitReply()
        do {
            let source = submission.sourcePath.isEmpty ? "study" : submission.sourcePath
            let outcome = try submit(yaml: submission.yaml, baseFolder: submission.baseFolder, source: source, &context)
            reply.outcome = outcome.isAlreadyThere ? .alreadyThere : .created
            reply.studyID = outcome.id
            reply.name = outcome.name
        } catch {
            reply.outcome = .refused
            reply.message = WireText.clipped("\(error)")
        }
        return reply
    }

    private func requireStudy(_ key: String) throws(FleetError) -> StudyRow {
        if let study = findStudy(key) { return study }
        throw FleetError(.notFound, "there is no study \(key); pseudoword status lists them")
    }

    /// Takes a study in: on disk first, then at work.
    mutating func submit(yaml: String, baseFolder: String, source: String, _ context: inout LoopContext) throws -> Submission {
        let study = try Study.parse(yaml: yaml, source: source).resolvingPaths(against: baseFolder)
        let json = study.canonicalJSON()
        if let known = studies.values.first(where: { $0.plan.name == study.name }) {
            guard known.json == json else {
                throw FleetError(
                    .invalid, "\(source): there is another study \(study.name) with other settings; give this one another name")
            }
            return Submission(id: known.plan.id.description, name: known.plan.name, isAlreadyThere: true)
        }
        let created = Int64(Date().timeIntervalSince1970 * 1000)
        let plan = try ledger.addStudy(
            name: study.name, yaml: yaml, json: json, baseFolder: baseFolder, trials: 1, steps: study.training.steps,
            segmentSteps: study.checkpointEvery, created: created)
        studies[plan.id] = StudyRow(plan: plan, yaml: yaml, json: json, baseFolder: baseFolder, created: created)
        do {
            try home.writeStudyFile(yaml, study: plan.name)
        } catch {
            // For people only; the ledger has it.
            logger.warning("could not write the study file of \(plan.name): \(error.reason)")
        }
        logger.info("study \(plan.name) was submitted", metadata: ["steps": "\(plan.steps)"])
        run(.studySubmitted(plan), &context)
        return Submission(id: plan.id.description, name: plan.name, isAlreadyThere: false)
    }

    mutating func cancel(_ key: String, _ context: inout LoopContext) throws -> Cancellation {
        let study = try requireStudy(key)
        let before = coordinator.snapshot(of: study.plan.id)
        let open = before?.trials.count { !$0.state.isTerminal } ?? 0
        let hadEnded = before?.state.isTerminal ?? true
        if !hadEnded { run(.studyCancelled(study.plan.id), &context) }
        return Cancellation(id: study.plan.id.description, name: study.plan.name, hadEnded: hadEnded, cancelledTrials: hadEnded ? 0 : open)
    }
}

extension WireHeartbeat {
    /// What the worker holds; a lease number that cannot be is no lease.
    fileprivate var holding: [LeaseProgress] {
        guard hasProgress, let lease = LeaseID(wire: progress.leaseID, attempt: progress.attempt) else { return [] }
        return [
            LeaseProgress(
                lease: lease, step: Int(progress.step), stepsPerSecond: progress.stepsPerSecond,
                loss: progress.hasLoss ? progress.loss : nil,
                isStalled: progress.stalled)
        ]
    }
}
