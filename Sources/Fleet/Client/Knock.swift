// SPDX-License-Identifier: Apache-2.0

import Foundation
import ZeroMQ

extension FleetClient {
    /// Whether the coordinator lets this client's key in, whatever its role: connects, and hangs up.
    ///
    /// - Throws: `FleetError` `.unreachable`.
    func isLetIn() throws(FleetError) -> Bool {
        let box = KnockBox()
        let client = self
        let loop = SocketLoop<KnockHandler>(name: "knock", tickInterval: .milliseconds(50)) { context in
            KnockHandler(
                box: box, socket: try context.connect(client.endpoints, options: client.socketOptions),
                deadline: context.now + client.connectTimeout)
        }
        do {
            try loop.start()
        } catch {
            throw FleetError(.unreachable, "\(error)")
        }
        box.ready.wait()
        loop.stop()
        guard let isLetIn = box.isLetIn else { throw FleetError(.unreachable, "no coordinator at \(shownEndpoints)") }
        return isLetIn
    }
}

/// Where a knock leaves what came of it.
private final class KnockBox: @unchecked Sendable {
    let ready = DispatchSemaphore(value: 0)
    /// Written by the loop's thread before the semaphore is signalled, read after it was waited for.
    var isLetIn: Bool?
}

/// Waits for a connection, a refusal, or the end of its patience.
private struct KnockHandler: LoopHandler {
    let box: KnockBox
    let socket: SocketID
    let deadline: ContinuousClock.Instant
    var isAnswered = false

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        switch event {
        case .connected: answer(true)
        case .retrying(_, .refused, _): answer(false)
        case .tick where context.now > deadline: answer(nil)
        case .stopping: answer(nil)
        default: break
        }
    }

    private mutating func answer(_ isLetIn: Bool?) {
        guard !isAnswered else { return }
        isAnswered = true
        box.isLetIn = isLetIn
        box.ready.signal()
    }
}
