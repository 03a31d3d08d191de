// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Logging
import WireMessages
import ZeroMQ

/// What became of the work: results and failures, held until they are acknowledged.
extension WorkerHandler {
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

    mutating func acknowledged(_ lease: WireLease, verdict: WireVerdict?, _ context: inout LoopContext) {
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
