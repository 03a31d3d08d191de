// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Logging
import Synchronization
import WireMessages
import ZeroMQ

extension WorkerHandler {
    private static let keptBriefs = 64

    mutating func receive(_ frames: [Data], _ context: inout LoopContext) {
        let envelope: WireEnvelope
        do {
            envelope = try WireCodec.decode(frames, at: .peer)
        } catch {
            logger.warning("dropped a message of the coordinator: \(error)")
            return
        }
        if case .joined(var conversation) = phase {
            conversation.heard = context.now
            phase = .joined(conversation)
        }
        switch envelope.payload {
        case .welcome(let welcome): joined(welcome, &context)
        case .denied(let denied): wasDenied(denied, &context)
        case .trainGrant(let grant): take(grant, &context)
        case .sliceGrant(let grant): take(grant, &context)
        case .pieceGrant(let grant): take(grant, &context)
        case .briefReply(let reply): learn(reply, &context)
        case .cancelLease(let cancel): callOff(cancel)
        case .resultAck(let ack): acknowledged(ack.lease, verdict: ack.verdict, &context)
        case .failureAck(let ack): acknowledged(ack.lease, verdict: nil, &context)
        case .drain(let drain):
            if !isDraining { logger.notice("draining: \(drain.reason)") }
            isDraining = true
            leaveIfDrained(&context)
        case .goodbye(let goodbye):
            logger.notice("the coordinator says goodbye (\(goodbye.reason)); going on, and looking for it")
            phase = .apart(until: context.now + options.retry.lowerBound)
        case .errorReply(let reply): refused(reply, to: envelope.requestID, &context)
        default: break
        }
    }

    // MARK: - Grants

    private mutating func take(_ grant: WireTrainGrant, _ context: inout LoopContext) {
        do {
            let state = grant.hasState ? try TrainingState(grant.state) : nil
            logger.info("training steps \(grant.fromStep) to \(grant.toStep)", metadata: ["lease": "\(grant.lease.shown)"])
            take(
                grant.lease, grant.brief,
                .train(trial: Int(grant.lease.trial), fromStep: Int(grant.fromStep), toStep: Int(grant.toStep), state: state), &context)
        } catch {
            fail(grant.lease, .internal, "the grant cannot be read: \(error)", &context)
        }
        beat(&context)
    }

    private mutating func take(_ grant: WireSliceGrant, _ context: inout LoopContext) {
        do {
            let vectors = grant.hasVectors ? try VectorRows(grant.vectors) : nil
            for lease in grant.leases {
                let kind: SliceRequest.Kind = lease.kind == .gradient ? .gradient : .evaluate
                take(
                    lease, grant.brief,
                    .slice(kind, trial: Int(lease.trial), step: Int(lease.step), slice: Int(lease.index), vectors: vectors), &context)
            }
        } catch {
            for lease in grant.leases { fail(lease, .internal, "the grant cannot be read: \(error)", &context) }
        }
    }

    private mutating func take(_ grant: WirePieceGrant, _ context: inout LoopContext) {
        do {
            let task: Job.Task =
                grant.lease.kind == .encode ? .encode(part: Int(grant.lease.index)) : .preview(try VectorRows(grant.vectors))
            logger.info("working on \(grant.lease.shown)")
            take(grant.lease, grant.brief, task, &context)
        } catch {
            fail(grant.lease, .internal, "the grant cannot be read: \(error)", &context)
        }
        beat(&context)
    }

    private mutating func take(_ lease: WireLease, _ brief: Data, _ task: Job.Task, _ context: inout LoopContext) {
        if let index = held.firstIndex(where: { $0.lease.isForSameWork(as: lease) && $0.job?.isCancelled != true }) {
            if held[index].task.isSame(as: task), held[index].briefDigest == brief {
                // The same work under a newer attempt: what was computed so far is as good as ever.
                held[index].lease = lease
                return
            }
            // Other steps of the same trial: nobody needs the earlier ones any more.
            stop(held[index].lease)
        }
        var work = Held(lease: lease, briefDigest: brief, task: task)
        if let known = briefs[brief] {
            let job = Job(task, brief: known)
            work.job = job
            held.append(work)
            compute.submit(job)
        } else {
            held.append(work)
            askForBriefs(&context)
        }
    }

    private mutating func learn(_ reply: WireBriefReply, _ context: inout LoopContext) {
        do {
            let brief = try Brief(reply)
            if briefs.count >= Self.keptBriefs { briefs = [:] }
            briefs[brief.digest] = brief
            asked[brief.digest] = nil
            for index in held.indices where held[index].job == nil && held[index].briefDigest == brief.digest {
                let job = Job(held[index].task, brief: brief)
                held[index].job = job
                compute.submit(job)
            }
        } catch {
            logger.error("\(error)")
        }
    }

    private mutating func callOff(_ cancel: WireCancelLease) {
        let meant = held.map(\.lease).filter { $0.isForSameWork(as: cancel.lease) && $0.attempt <= cancel.lease.attempt }
        if !meant.isEmpty, !cancel.lease.isSlice { logger.info("stopping \(cancel.lease.shown): \(cancel.reason)") }
        meant.forEach { stop($0) }
    }

    /// Stops what is being computed, and drops what is not.
    private mutating func stop(_ lease: WireLease) {
        for work in held where work.lease == lease { work.job?.cancel() }
        held.removeAll { $0.lease == lease && $0.job == nil }
    }

    // MARK: - Results

    /// The compute thread is done with a job.
    mutating func computed(_ job: Job, _ outcome: Result<JobOutcome, any Error>, _ context: inout LoopContext) {
        guard !isKilled, let index = held.firstIndex(where: { $0.job === job }) else { return }
        let lease = held.remove(at: index).lease
        do {
            switch try outcome.get() {
            case .segment(let segment, let request):
                let result = try WireSegmentResult(segment, of: request, lease: lease)
                hold(lease, .segmentResult(result), step: Int(result.toStep), &context)
            case .slice(let slice, let seconds):
                // A slice that cannot be sent is computed again by whoever gets it: nobody waits for this one.
                guard !job.isCancelled else { break }
                let result = try WireSliceResult(slice, seconds: seconds, lease: lease)
                if let problem = send(.sliceResult(result), &context) {
                    throw SegmentFailure(.input, "the slice cannot be sent: \(problem)")
                }
            case .piece(let digest, let bytes):
                var result = WirePieceResult()
                result.lease = lease
                result.blob.digest = digest
                result.blob.bytes = bytes
                hold(lease, .pieceResult(result), step: 0, &context)
            }
        } catch let failure as SegmentFailure where !job.isCancelled {
            fail(lease, FailureKind(failure.kind), failure.message, &context)
        } catch  where !job.isCancelled {
            fail(lease, .internal, "\(error)", &context)
        } catch {
            if !lease.isSlice { fail(lease, .cancelled, "stopped on request", &context) }
        }
        leaveIfDrained(&context)
    }

    mutating func fail(_ lease: WireLease, _ kind: FailureKind, _ message: String, _ context: inout LoopContext) {
        if kind != .cancelled { logger.error("\(lease.shown): \(message)") }
        hold(lease, .leaseFailed(WireLeaseFailed(lease, kind.wire, message)), step: nil, &context)
    }

    /// Keeps a message until it is acknowledged, and sends it now if there is anybody to send it to.
    private mutating func hold(_ lease: WireLease, _ message: WireEnvelope.OneOf_Payload, step: Int?, _ context: inout LoopContext) {
        outstanding[lease] = Outstanding(message: message, step: step, sent: nil)
        if step != nil {
            do {
                try outbox.keep(message, as: lease.fileName)
            } catch {
                logger.warning("a result is kept in memory only, the disk refused it: \(error.reason)")
            }
        }
        sendOutstanding(&context)
        beat(&context)
    }

    private mutating func acknowledged(_ lease: WireLease, verdict: WireVerdict?, _ context: inout LoopContext) {
        // The answer to a result is not the answer to a failure that took its place.
        guard let item = outstanding[lease], (item.step != nil) == (verdict != nil) else { return }
        outstanding[lease] = nil
        outbox.remove(lease.fileName)
        switch verdict {
        case .conflict:
            logger.error(
                "this worker's result has other bits than one that came before it; its CPU or memory may be at fault, or of another kind")
        case .stale: logger.info("a result came too late and was not needed")
        default: break
        }
        // Tells that it is free.
        beat(&context)
        leaveIfDrained(&context)
    }

    mutating func leaveIfDrained(_ context: inout LoopContext) {
        if isDraining, held.isEmpty, outstanding.isEmpty { leave("drained", &context) }
    }

    /// Finishes what it has, takes nothing new, and leaves.
    mutating func drain(_ context: inout LoopContext) {
        isDraining = true
        beat(&context)
        leaveIfDrained(&context)
    }
}

extension WireLease {
    var isSlice: Bool { kind == .gradient || kind == .evaluate }

    func isForSameWork(as other: WireLease) -> Bool {
        (kind, study, trial, step, index) == (other.kind, other.study, other.trial, other.step, other.index)
    }

    var shown: String { LeaseID(self)?.description ?? "a lease" }

    /// Not the attempt: a result is as good under any.
    var fileName: String { "\(kind)-\(study)-\(trial)-\(step)-\(index)-\(attempt)" }
}

extension VectorRows {
    init(_ wire: WireVectors) throws(WireError) {
        self.init(count: Int(wire.count), width: Int(wire.width), values: try wire.floats())
    }
}

extension WireSliceResult {
    /// The message for an outcome, digest included.
    ///
    /// - Throws: `SegmentFailure` if the outcome is not finite or has no usable shape.
    init(_ outcome: SliceOutcome, seconds: Double, lease: WireLease) throws(SegmentFailure) {
        guard !outcome.losses.isEmpty, outcome.modelDigest.count == WireLimits.digestBytes,
            outcome.dataDigest.count == WireLimits.digestBytes
        else { throw SegmentFailure(.internal, "the trainer's slice has no losses or digests") }
        // Not key paths: those are slow, and a shared step waits for this.
        guard outcome.losses.allSatisfy({ $0.isFinite }), outcome.gradient.allSatisfy({ $0.isFinite }) else {
            throw SegmentFailure(.numeric, "the loss or the gradient is no finite number at step \(lease.step); try a lower learning rate")
        }
        self.init()
        self.lease = lease
        losses = outcome.losses
        gradient = FloatBytes.encode(outcome.gradient)
        if let vectors = outcome.initial { initial = WireVectors(count: vectors.count, width: vectors.width, values: vectors.values) }
        modelDigest = Data(outcome.modelDigest)
        dataDigest = Data(outcome.dataDigest)
        cpu = WireText.clipped(outcome.cpu, limit: WireLimits.nameBytes)
        self.seconds = seconds.isFinite ? max(0, seconds) : 0
        digest = contentDigest
    }
}

extension FailureKind {
    fileprivate init(_ kind: SegmentFailure.Kind) {
        switch kind {
        case .input: self = .input
        case .numeric: self = .numeric
        case .internal: self = .internal
        case .unable: self = .unable
        }
    }
}
