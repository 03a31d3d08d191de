// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// How the client's socket thread hands what arrives to the thread that works at a transfer.
final class BlobInbox: Sendable {
    enum Event: Sendable {
        /// The server can be asked now; it knows nothing of what was asked before.
        case ready(BlobWelcome)
        /// There is no connection (any more), and why.
        case lost(BlobError)
        case reply(UInt64, BlobReply)
        /// There will never be one.
        case failed(BlobError)
    }

    /// No honest server sends so much that was not asked for.
    private static let capacity = 4096

    private let events = Mutex<[Event]>([])
    private let isFilled = DispatchSemaphore(value: 0)

    func put(_ event: Event) {
        let wasEmpty = events.withLock { events in
            guard events.count < Self.capacity else {
                events = [.failed(BlobError(.protocolMismatch, "the blob server sends more than it was asked for"))]
                return false
            }
            events.append(event)
            return events.count == 1
        }
        if wasEmpty { isFilled.signal() }
    }

    /// All that has arrived, after waiting for something if need be.
    func take(waiting: Duration) -> [Event] {
        let (seconds, attoseconds) = waiting.components
        let nanoseconds = Int(clamping: seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
        _ = isFilled.wait(timeout: .now() + .nanoseconds(nanoseconds))
        return events.withLock { events in
            defer { events = [] }
            return events
        }
    }
}
