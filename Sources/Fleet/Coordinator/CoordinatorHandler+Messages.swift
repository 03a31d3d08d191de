// SPDX-License-Identifier: Apache-2.0

import Access
import Coordination
import Foundation
import Logging
import WireMessages
import ZeroMQ

extension CoordinatorHandler {
    /// Handles what a peer sent: anything at all until the codec has seen it.
    mutating func receive(_ frames: [Data], from peer: PeerID, _ context: inout LoopContext) {
        if let older = OlderHello(frames) { return refuse(older, from: peer) }
        let envelope: WireEnvelope
        do {
            envelope = try WireCodec.decode(frames, at: .coordinator)
        } catch {
            logger.debug("dropped a message", metadata: ["peer": "\(peer)", "reason": "\(error)"])
            if error.isOfHello { noteAccess("a program's hello was refused: \(error.message)".oneLine) }
            if let reply = error.reply?.payload { turn.say(reply, to: peer, requestID: error.requestID) }
            return
        }
        let requestID = envelope.requestID
        guard let payload = envelope.payload else { return }
        // Before all else: a token that was just used may ask for a lost answer over the same connection, and may do nothing else any more.
        if case .join(let join) = payload { return self.join(join, from: peer, requestID, &context) }
        // The key behind the message decides, not the conversation: it may have been revoked since.
        guard let roles = doors.roles(of: peer) else { return refuse(.refused, "this key is not allowed here", peer, requestID) }
        if case .hello(let hello) = payload { return self.hello(hello, from: peer, requestID, &context) }
        if case .goodbye(let goodbye) = payload { return part(from: peer, goodbye.reason, &context) }
        guard let session = sessions[peer] else {
            if case .errorReply = payload { return }
            return refuse(.helloRequired, "say hello first: this coordinator does not know this conversation", peer, requestID)
        }
        guard reassess(peer, &context) else { return }
        sessions.note(messageFrom: peer, at: Instant(context.now))
        if let worker = session.worker {
            handle(payload, of: worker, session, from: peer, requestID, &context)
        } else {
            handle(payload, ofClient: peer, roles, requestID, &context)
        }
    }

    // MARK: - Workers

    /// A peer ends its conversation; of a client nothing is left.
    private mutating func part(from peer: PeerID, _ reason: String, _ context: inout LoopContext) {
        guard let worker = sessions.part(from: peer) else { return }
        logger.info("worker \(name(of: worker)) left", metadata: ["reason": "\(reason)"])
        note("left", worker: worker, reason)
        run(.workerGoodbye(worker), &context)
    }

    private mutating func handle(
        _ payload: WireEnvelope.OneOf_Payload, of worker: WorkerID, _ session: Session, from peer: PeerID, _ requestID: UInt64,
        _ context: inout LoopContext
    ) {
        reintroduce(worker, session, before: payload, &context)
        switch payload {
        case .heartbeat(let heartbeat):
            guard heartbeat.session == session.name else {
                return refuse(.helloRequired, "this heartbeat belongs to another conversation; say hello again", peer, requestID)
            }
            sessions.note(preparing: heartbeat.progress.first { !$0.preparing.isEmpty }?.preparing ?? "", by: peer)
            turn.say(.heartbeatReply(WireHeartbeatReply()), to: peer, requestID: requestID)
            run(.workerHeartbeat(worker, holding: heartbeat.progress.compactMap(LeaseProgress.init)), &context)
            if heartbeat.draining { run(.workerDrained(worker), &context) }
        case .briefRequest(let request):
            guard let brief = briefs.find(request.brief) else {
                return refuse(.notFound, "nothing goes by this brief any more", peer, requestID)
            }
            turn.say(.briefReply(brief.reply), to: peer, requestID: requestID)
        case .segmentResult(let result): receive(result, of: worker, from: peer, requestID, &context)
        case .sliceResult(let result): receive(result, of: worker, from: peer, requestID, &context)
        case .pieceResult(let result): receive(result, of: worker, from: peer, requestID, &context)
        case .leaseFailed(let failure):
            guard let lease = LeaseID(failure.lease) else { return refuse(.invalid, "a failure names no lease", peer, requestID) }
            note("lease-failed", work: lease.work, worker: worker, failure.message)
            run(.leaseFailed(worker, lease, FailureKind(failure.kind), message: failure.message), &context)
            var ack = WireFailureAck()
            ack.lease = failure.lease
            turn.say(.failureAck(ack), to: peer, requestID: requestID)
        case .errorReply(let reply):
            logger.warning("worker \(name(of: worker)) answers: \(reply.message)")
        default:
            refuse(.refused, "workers cannot ask for this; connect as a client", peer, requestID)
        }
    }

    /// A worker that was silent for so long that it was forgotten, though its conversation lived.
    ///
    /// Nothing that it says means anything before the coordinator knows its class.
    private mutating func reintroduce(
        _ worker: WorkerID, _ session: Session, before payload: WireEnvelope.OneOf_Payload, _ context: inout LoopContext
    ) {
        if case .errorReply = payload { return }
        if !coordinator.knows(worker), let about = session.about { run(.workerHello(worker, about), &context) }
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
            unusable(error, of: worker, peer, requestID)
        }
    }

    private mutating func receive(
        _ result: WireSliceResult, of worker: WorkerID, from peer: PeerID, _ requestID: UInt64, _ context: inout LoopContext
    ) {
        do {
            guard let lease = LeaseID(result.lease), let trial = lease.work.trial else {
                throw WireError(.invalid, "a result names no lease of a slice")
            }
            guard result.contentDigest == result.digest else {
                throw WireError(.invalid, "a slice's digest does not match its content: it was damaged on its way or by its worker")
            }
            // Slices of steps that are over are of no interest, and say nothing wrong.
            if let data = dataTrials[trial], data.isOpen(lease.work) { try data.check(result) }
            arrivingSlice = result
            let report = SliceReport(worker: worker, lease: lease, digest: result.digest.hexadecimal, seconds: result.seconds)
            run(.sliceResult(report), &context)
            arrivingSlice = nil
        } catch {
            unusable(error, of: worker, peer, requestID)
            // Nobody else will say that this slice came to nothing.
            if let lease = LeaseID(result.lease) { run(.leaseFailed(worker, lease, .internal, message: "\(error)".oneLine), &context) }
        }
    }

    private mutating func receive(
        _ result: WirePieceResult, of worker: WorkerID, from peer: PeerID, _ requestID: UInt64, _ context: inout LoopContext
    ) {
        guard let lease = LeaseID(result.lease) else { return refuse(.invalid, "a result names no lease of a piece", peer, requestID) }
        guard let bytes = blobs.size(of: result.blob.digest) else {
            return unusable(WireError(.invalid, "a result's blob is not here; put it first"), of: worker, peer, requestID)
        }
        let report = PieceReport(worker: worker, lease: lease, digest: result.blob.digest.hexadecimal)
        arrivingPiece = ArrivingPiece(report: report, bytes: UInt64(clamping: bytes), requestID: requestID)
        run(.pieceResult(report), &context)
        arrivingPiece = nil
    }

    private mutating func unusable(_ error: any Error, of worker: WorkerID, _ peer: PeerID, _ requestID: UInt64) {
        logger.error("worker \(name(of: worker)) sent an unusable result: \(error)")
        note("unusable", worker: worker, "\(error)")
        refuse(.invalid, "\(error)", peer, requestID)
    }

    /// A trial's vectors keep their shape from its first segment on.
    private func checkShape(of result: WireSegmentResult, for report: SegmentReport) throws {
        guard report.fromStep > 0 else { return }
        let known = try latest[report.trial] ?? ledger.lastPayload(of: report.trial).map { try WireSegmentResult(stored: $0).after }
        guard let before = known else { return }
        guard before.count == result.after.count, before.width == result.after.width else {
            throw WireError(
                .invalid,
                "a result has \(result.after.count) vectors of width \(result.after.width), its trial \(before.count) of \(before.width)"
            )
        }
    }
}

extension LeaseProgress {
    /// Nil for a lease that cannot be.
    fileprivate init?(_ wire: WireProgress) {
        guard let lease = LeaseID(wire.lease) else { return nil }
        self.init(
            lease: lease, step: Int(wire.step), stepsPerSecond: wire.stepsPerSecond, loss: wire.hasLoss ? wire.loss : nil,
            isStalled: wire.stalled)
    }
}
