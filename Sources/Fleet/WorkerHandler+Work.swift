// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Logging
import Synchronization
import WireMessages
import ZeroMQ

extension WorkerHandler {
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
        case .grant(let grant): take(grant, &context)
        case .cancelLease(let cancel): callOff(cancel, &context)
        case .resultAck(let ack): acknowledged(ack.leaseID, ack.attempt, verdict: ack.verdict, &context)
        case .failureAck(let ack): acknowledged(ack.leaseID, ack.attempt, verdict: nil, &context)
        case .drain(let drain):
            logger.notice("draining: \(drain.reason)")
            isDraining = true
            leaveIfDrained(&context)
        case .goodbye(let goodbye):
            logger.notice("the coordinator says goodbye (\(goodbye.reason)); going on, and looking for it")
            phase = .apart(until: context.now + options.retry.lowerBound)
        case .errorReply(let reply): refused(reply, to: envelope.requestID, &context)
        default: break
        }
    }

    private mutating func wasDenied(_ denied: WireDenied, _ context: inout LoopContext) {
        if denied.code == .unavailable {
            logger.notice("the coordinator takes no workers now: \(denied.reason)")
            retryDelay = min(retryDelay * 2, options.retry.upperBound)
            phase = .apart(until: context.now + retryDelay)
            return
        }
        logger.error("the coordinator refuses this worker: \(denied.reason)")
        shared.end.withLock { $0 = .denied(denied.reason) }
        work?.job.cancel()
        context.stop()
    }

    private mutating func refused(_ reply: WireErrorReply, to requestID: UInt64, _ context: inout LoopContext) {
        switch reply.code {
        case .helloRequired:
            // It was restarted, or has forgotten us.
            phase = .apart(until: nil)
            context.reopen(socket)
        case .invalid:
            // A result that it will never take: trying again would go on for ever.
            logger.error("the coordinator refuses a message: \(reply.message)")
            guard let (lease, item) = outstanding.first(where: { $0.value.requestID == requestID && requestID != 0 }) else { return }
            if item.step == nil {
                outstanding[lease] = nil
            } else {
                fail(lease, .internal, "the coordinator refused the result: \(reply.message)", &context)
            }
        default:
            logger.warning("the coordinator answers: \(reply.message)")
        }
    }

    // MARK: - Work

    private mutating func take(_ grant: WireGrant, _ context: inout LoopContext) {
        let lease = LeaseName(number: grant.leaseID, attempt: grant.attempt, trial: grant.trial)
        let request: SegmentRequest
        do {
            request = SegmentRequest(
                studyName: grant.studyName, studyJSON: grant.studyJson, trial: Int(grant.trial), fromStep: Int(grant.fromStep),
                toStep: Int(grant.toStep), state: grant.hasState ? try TrainingState(grant.state) : nil)
        } catch {
            return fail(lease, .internal, "the grant cannot be read: \(error)", &context)
        }
        if let current = work, current.studyID == grant.studyID, current.job.request == request, !current.job.isCancelled {
            // The same segment under a newer attempt: what was computed so far is as good as ever.
            work?.lease = lease
            return beat(&context)
        }
        logger.info(
            "training steps \(request.fromStep) to \(request.toStep) of \(request.studyName)",
            metadata: ["trial": "\(request.trial)", "attempt": "\(grant.attempt)"])
        let granted = Work(lease: lease, studyID: grant.studyID, job: SegmentJob(request))
        if work == nil {
            work = granted
            compute.submit(granted.job)
        } else {
            work?.job.cancel()
            next = granted
        }
        beat(&context)
    }

    private mutating func callOff(_ cancel: WireCancelLease, _ context: inout LoopContext) {
        if next?.lease.number == cancel.leaseID { next = nil }
        guard let current = work, current.lease.number == cancel.leaseID, !current.job.isCancelled else { return }
        logger.info("stopping steps \(current.job.request.fromStep) to \(current.job.request.toStep): \(cancel.reason)")
        current.job.cancel()
    }

    /// The compute thread is done with a job.
    mutating func computed(_ job: SegmentJob, _ outcome: Result<SegmentOutcome, any Error>, _ context: inout LoopContext) {
        guard !isKilled, let done = work, done.job === job else { return }
        work = next
        next = nil
        if let work { compute.submit(work.job) }
        do {
            let result = try WireSegmentResult(
                try outcome.get(), of: job.request, studyID: done.studyID, lease: done.lease.number, attempt: done.lease.attempt)
            hold(done.lease, .segmentResult(result), step: Int(result.toStep), &context)
        } catch let failure as SegmentFailure {
            fail(done.lease, FailureKind(failure.kind), failure.message, &context)
        } catch {
            fail(done.lease, job.isCancelled ? .cancelled : .internal, job.isCancelled ? "stopped on request" : "\(error)", &context)
        }
    }

    private mutating func fail(_ lease: LeaseName, _ kind: FailureKind, _ message: String, _ context: inout LoopContext) {
        if kind != .cancelled { logger.error("trial \(lease.trial): \(message)") }
        var failure = WireLeaseFailed()
        failure.leaseID = lease.number
        failure.attempt = lease.attempt
        failure.kind = kind.wire
        failure.message = message.isEmpty ? "no reason was given" : WireText.clipped(message)
        hold(lease, .leaseFailed(failure), step: nil, &context)
    }

    /// Keeps a message until it is acknowledged, and sends it now if there is anybody to send it to.
    private mutating func hold(_ lease: LeaseName, _ message: WireEnvelope.OneOf_Payload, step: Int?, _ context: inout LoopContext) {
        outstanding[lease] = Outstanding(message: message, step: step, sent: nil)
        sendOutstanding(&context)
        beat(&context)
    }

    private mutating func acknowledged(_ lease: UInt64, _ attempt: UInt32, verdict: WireVerdict?, _ context: inout LoopContext) {
        guard let name = outstanding.keys.first(where: { $0.number == lease && $0.attempt == attempt }) else { return }
        // The answer to a result is not the answer to a failure that took its place.
        guard (outstanding[name]?.step != nil) == (verdict != nil) else { return }
        outstanding[name] = nil
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

    private mutating func leaveIfDrained(_ context: inout LoopContext) {
        if isDraining, work == nil, outstanding.isEmpty { leave("drained", &context) }
    }
}

extension FailureKind {
    fileprivate init(_ kind: SegmentFailure.Kind) {
        switch kind {
        case .input: self = .input
        case .numeric: self = .numeric
        case .internal: self = .internal
        }
    }
}
