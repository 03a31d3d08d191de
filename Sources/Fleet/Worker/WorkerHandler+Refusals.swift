// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Logging
import Synchronization
import WireMessages
import ZeroMQ

/// What a worker does when it is told no: try again where that may help, and end where it cannot.
extension WorkerHandler {
    mutating func retrying(_ cause: RetryCause, _ reason: String, _ context: inout LoopContext) {
        if !complained { logger.notice("no coordinator at \(shownEndpoints) yet: \(reason)") }
        complained = true
        // A refused key may be allowed again; but a worker that was never welcome has nothing to wait for.
        if cause == .refused, !shared.wasWelcome.load(ordering: .relaxed) { end(.denied(reason), &context) }
    }

    private var shownEndpoints: String { options.endpoints.map(\.description).joined(separator: ", ") }

    mutating func wasDenied(_ denied: WireDenied, _ context: inout LoopContext) {
        switch denied.code {
        case .unavailable:
            logger.notice("the coordinator takes no workers now: \(denied.reason)")
            retryDelay = min(retryDelay * 2, options.retry.upperBound)
            phase = .apart(until: context.now + retryDelay)
        case .version, .invalid: refusedAsAProgram(denied.reason, &context)
        case .forbidden, .unspecified, .UNRECOGNIZED:
            logger.error("the coordinator refuses this worker: \(denied.reason)")
            end(.denied(denied.reason), &context)
        }
    }

    mutating func refused(_ reply: WireErrorReply, to requestID: UInt64, _ context: inout LoopContext) {
        switch reply.code {
        case .helloRequired:
            // It was restarted, or has forgotten us.
            phase = .apart(until: nil)
            context.reopen(socket)
        case .notFound:
            // A brief that nobody knows any more: what needed it will never be computed here.
            let unknown = held.filter { $0.job == nil && asked[$0.briefDigest] != nil }
            held.removeAll { $0.job == nil && asked[$0.briefDigest] != nil }
            for work in unknown { fail(work.lease, .cancelled, "the coordinator does not know what it was about", &context) }
        case .invalid, .unsupported:
            // The hello is all that was said so far: it would be no other the next time.
            if case .greeting = phase { return refusedAsAProgram(reply.message, &context) }
            guard reply.code == .invalid else { return logger.warning("the coordinator answers: \(reply.message)") }
            // A result that it will never take: trying again would go on for ever.
            logger.error("the coordinator refuses a message: \(reply.message)")
            guard let (lease, item) = outstanding.first(where: { $0.value.requestID == requestID && requestID != 0 }) else { return }
            outstanding[lease] = nil
            outbox.remove(lease.fileName)
            if item.step != nil { fail(lease, .internal, "the coordinator refused the result: \(reply.message)", &context) }
        case .internal where asked.values.contains { $0.requestID == requestID }:
            // The brief that was asked for cannot be told, and asking again would go on for ever.
            let digest = asked.first { $0.value.requestID == requestID }?.key
            let hopeless = held.filter { $0.job == nil && $0.briefDigest == digest }
            held.removeAll { $0.job == nil && $0.briefDigest == digest }
            for work in hopeless { fail(work.lease, .internal, "what it is about cannot be told: \(reply.message)", &context) }
        default:
            logger.warning("the coordinator answers: \(reply.message)")
        }
    }

    /// The two programs do not fit: that will be so after each new try.
    private mutating func refusedAsAProgram(_ reason: String, _ context: inout LoopContext) {
        end(.failed("the coordinator does not take this worker's hello: \(reason)".oneLine), &context)
    }

    private mutating func end(_ end: WorkerEnd, _ context: inout LoopContext) {
        shared.end.withLock { $0 = end }
        for work in held { work.job?.cancel() }
        context.stop()
    }
}
