// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Glibc
import Synchronization
import WireMessages
package import ZeroMQ

/// A running coordinator: one thread owns its sockets, its decisions and its ledger.
///
/// What it accepted is on disk; it can be stopped or killed at any moment and goes on from there when started again on the same home.
package final class CoordinatorService: Sendable {
    private let options: CoordinatorOptions
    private let home: Home
    private let loop: SocketLoop<CoordinatorHandler>
    private let shared: SharedStatus
    private let isFinished = Mutex(false)

    /// Takes the home and opens its ledger; nothing runs yet.
    ///
    /// - Throws: `FleetError`: `.homeInUse`, `.storage`, or `.refused` for an address that other machines could reach.
    package init(_ options: CoordinatorOptions) throws {
        guard options.endpoint.isLoopback else {
            throw FleetError(
                .refused,
                "cannot listen on \(options.endpoint): this version listens on loopback only; use tcp://127.0.0.1:\(options.endpoint.port)")
        }
        let home = try Home(folder: options.home)
        let ledger = try Ledger(at: home.ledger)
        let shared = SharedStatus()
        var options = options
        options.program = WireText.clipped(options.program, limit: WireLimits.identifierBytes)
        self.options = options
        self.home = home
        self.shared = shared
        let heartbeat = options.settings.heartbeat
        let tick = min(max(heartbeat / 4, .milliseconds(20)), .milliseconds(500))
        loop = SocketLoop(name: "coordinator", tickInterval: tick) { [options] context in
            try CoordinatorHandler(options, home: home, ledger: ledger, shared: shared, &context)
        }
    }

    /// Starts to listen and resumes every study that had not ended.
    ///
    /// - Returns: where it listens, with the real port.
    @discardableResult
    package func start() throws -> Endpoint {
        try loop.start()
        guard let endpoint = shared.endpoint.withLock({ $0 }) else { throw FleetError(.internal, "the coordinator has no address") }
        do {
            try home.announce(Discovery(endpoint: endpoint.description, processID: getpid(), program: options.program))
        } catch {
            stop()
            throw FleetError(.storage, "home \(home.folder.path): cannot be written: \(error.reason)")
        }
        return endpoint
    }

    /// Says goodbye to everybody, closes the ledger and returns when all is done.
    ///
    /// Workers go on and reconnect later.
    package func stop() {
        let isFirst = isFinished.withLock { done in
            defer { done = true }
            return !done
        }
        if isFirst { home.withdrawAnnouncement() }
        loop.stop()
    }

    /// Waits until the coordinator has ended, whoever ends it.
    package func waitUntilStopped() async { await loop.waitUntilStopped() }

    /// The state of the fleet a moment ago.
    package func status() -> FleetStatus { shared.status.withLock { $0 } }

    /// Submits a study from this process; relative paths in it start from `baseFolder`.
    package func submit(yaml: String, baseFolder: String, source: String) async throws -> Submission {
        try await loop.perform { handler, context in
            try handler.submit(yaml: yaml, baseFolder: baseFolder, source: source, &context)
        }
    }

    /// Cancels a study by name or number.
    package func cancel(_ study: String) async throws -> Cancellation {
        try await loop.perform { handler, context in try handler.cancel(study, &context) }
    }

    /// Ends the thread as if the process were killed: no goodbye, no last write.
    ///
    /// For tests.
    func kill() {
        loop.post { handler, context in
            handler.isKilled = true
            context.stop()
        }
        loop.stop()
        home.release()
    }
}

/// What the coordinator's thread shares with others.
final class SharedStatus: Sendable {
    let status = Mutex(FleetStatus(program: "", endpoint: "", uptimeSeconds: 0))
    let endpoint = Mutex<Endpoint?>(nil)
}
