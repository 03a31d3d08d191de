// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import WireMessages
import ZeroMQ

/// What a worker says, and says again until it is acknowledged.
extension WorkerHandler {
    /// Sends what waits for an acknowledgement, again and again until it gets one.
    mutating func sendOutstanding(_ context: inout LoopContext) {
        guard case .joined(let conversation) = phase else { return }
        let pause = max(conversation.heartbeat, .milliseconds(200))
        for (lease, item) in outstanding {
            if let sent = item.sent, context.now - sent < pause { continue }
            outstanding[lease]?.sent = context.now
            if let problem = send(item.message, &context) { giveUp(lease, item, problem) }
            outstanding[lease]?.requestID = requests
        }
    }

    /// A message that can never be sent is not tried again; instead of a result, its failure is told.
    private mutating func giveUp(_ lease: WireLease, _ item: Outstanding, _ problem: WireError) {
        logger.error("\(lease.shown): cannot be sent: \(problem)")
        outbox.remove(lease.fileName)
        outstanding[lease] = nil
        guard item.step != nil else { return }
        let failure = WireLeaseFailed(lease, .input, "the result cannot be sent: \(problem)")
        outstanding[lease] = Outstanding(message: .leaseFailed(failure), step: nil, sent: nil)
    }

    /// - Returns: why the message can never be sent; nil if it was, or may be later.
    @discardableResult
    mutating func send(_ payload: WireEnvelope.OneOf_Payload, _ context: inout LoopContext) -> WireError? {
        requests += 1
        do {
            try context.send(try WireCodec.encode(WireEnvelope(payload, requestID: requests)), on: socket)
        } catch let error as WireError {
            return error
        } catch {
            // Whatever matters is sent again; a connection that is gone shows as an event.
            logger.debug("could not send", metadata: ["reason": "\(error)"])
        }
        return nil
    }
}
