// SPDX-License-Identifier: Apache-2.0

import Access
import Blobs
import Coordination
import Foundation
import Glibc
import Logging
import Synchronization
import WireMessages
package import ZeroMQ

/// A running coordinator: one thread owns its socket, its decisions and its ledger, another serves blobs, a third writes checkpoints.
///
/// What it accepted is on disk; it can be stopped or killed at any moment and goes on from there when started again on the same home.
package final class CoordinatorService: Sendable {
    private let options: CoordinatorOptions
    private let home: Home
    private let doors: Doors
    private let blobs: CoordinatorBlobs
    /// Not private: tests hold it up.
    let loop: SocketLoop<CoordinatorHandler>
    private let shared: SharedStatus
    private let isFinished = Mutex(false)

    /// Takes the home and opens its ledger; nothing runs yet.
    ///
    /// - Throws: `FleetError`: `.homeInUse`, `.storage`, or `.refused` for an address that others could reach without keys.
    package init(_ options: CoordinatorOptions) throws {
        guard options.usesKeys || options.endpoint.isLoopback else {
            throw FleetError(
                .refused,
                "cannot listen on \(options.endpoint) without keys: whoever reaches it could give and take work; leave --insecure out")
        }
        let home = try Home(folder: options.home)
        let ledger = try Ledger(at: home.ledger)
        let shared = SharedStatus()
        var options = options
        options.program = WireText.clipped(options.program, limit: WireLimits.identifierBytes)
        let doors = options.usesKeys ? try Doors(KeyStore(home: home.folder)) : Doors()
        let blobs = try CoordinatorBlobs(
            home: home, endpoint: try options.blobEndpoint ?? Self.neighbour(of: options.endpoint), doors: doors, program: options.program)
        let box = LoopBox<CoordinatorHandler>()
        options.post = { work in box.loop?.post(work) }
        let checkpoints = CheckpointService(
            CheckpointKeeper(home: home, ledger: try Ledger(reading: home.ledger), program: options.program))
        let heartbeat = options.settings.heartbeat
        let tick = min(max(heartbeat / 4, .milliseconds(20)), .milliseconds(500))
        loop = SocketLoop(name: "coordinator", tickInterval: tick) { [options] context in
            try CoordinatorHandler(
                options, home: home, ledger: ledger, shared: shared, checkpoints: checkpoints, doors: doors, blobs: blobs, &context)
        }
        box.loop = loop
        (self.options, self.home, self.doors, self.blobs, self.shared) = (options, home, doors, blobs, shared)
    }

    private static func neighbour(of endpoint: Endpoint) throws -> Endpoint {
        let port = endpoint.port == 0 || endpoint.port == .max ? 0 : endpoint.port + 1
        return try Endpoint(host: endpoint.host, port: port)
    }

    /// Starts to listen and resumes every study that had not ended.
    ///
    /// - Returns: where it listens, with the real port.
    @discardableResult
    package func start() throws -> Endpoint {
        try blobs.start()
        do {
            try loop.start()
        } catch {
            blobs.stop()
            throw error
        }
        guard let endpoint = shared.endpoint.withLock({ $0 }) else { throw FleetError(.internal, "the coordinator has no address") }
        do {
            try checkThatStrangersStayOut(endpoint)
            try writeLocalCredentials(endpoint)
            try home.announce(Discovery(endpoint: endpoint.description, processID: getpid(), program: options.program))
        } catch let error as FleetError {
            stop()
            throw error
        } catch {
            stop()
            throw FleetError(.storage, "home \(home.folder.path): cannot be written: \(error.reason)")
        }
        return endpoint
    }

    /// A key that nobody allowed must not get in; a coordinator that lets it in does not run.
    private func checkThatStrangersStayOut(_ endpoint: Endpoint) throws {
        guard let keys = doors.keys else { return }
        let stranger = try CurveKeyPair.generate()
        doors.expectStranger(stranger.publicKey)
        for door in [endpoint, blobs.endpoint].compactMap(\.self) {
            let outcome = try CurveSelfTest.run(door.forConnecting, server: keys.publicKey, keys: stranger)
            guard outcome == .refused else {
                throw FleetError(
                    .refused, "self-test: a stranger's key was not refused at \(door) (\(outcome)); the coordinator will not run like this")
            }
        }
    }

    /// Keys for everyone who can read the home: its user, on this machine.
    private func writeLocalCredentials(_ endpoint: Endpoint) throws {
        guard let store = doors.store else { return }
        let credentials = try store.localCredentials(endpoints: [endpoint.forConnecting], at: Int64(Date().timeIntervalSince1970 * 1000))
        doors.refresh()
        do {
            try options.credentialStore?.save(credentials)
        } catch {
            options.logger.notice("the credentials for this machine are in the home only: \(error)")
        }
    }

    /// A one-time token for a worker to join with: the one of before if nobody has used it.
    package func joinToken() throws -> String {
        guard let store = doors.store else { throw FleetError(.refused, "this coordinator runs without keys (--insecure)") }
        guard let endpoint = shared.endpoint.withLock({ $0 }) else { throw FleetError(.internal, "the coordinator has no address") }
        let endpoints = options.reachable(listening: endpoint)
        if let kept = try? store.keptToken(), kept.endpoints == endpoints, case .openToken = doors.table.standing(of: kept.keys.publicKey) {
            return kept.text
        }
        let token = try store.makeToken(roles: [.worker], endpoints: endpoints, at: Int64(Date().timeIntervalSince1970 * 1000))
        try store.keep(token)
        doors.refresh()
        return token.text
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
        blobs.stop()
    }

    /// Waits until the coordinator has ended, whoever ends it.
    package func waitUntilStopped() async { await loop.waitUntilStopped() }

    /// The state of the fleet now.
    package func status() -> FleetStatus {
        let answer = Mutex<FleetStatus?>(nil)
        let done = DispatchSemaphore(value: 0)
        let isTaken = loop.post { handler, context in
            let status = handler.status(now: context.now)
            answer.withLock { $0 = status }
            done.signal()
        }
        if isTaken { done.wait() }
        return answer.withLock { $0 } ?? FleetStatus(program: options.program, endpoint: "", uptimeSeconds: 0)
    }

    /// Submits a study from this process; relative paths in it start from `baseFolder`, where its files are read now.
    package func submit(yaml: String, baseFolder: String, source: String, readsPaths: Bool = false) async throws -> Submission {
        var manifest = ""
        if !readsPaths {
            let package = try StudyPackage(
                parsing: yaml, baseFolder: baseFolder, source: source, locate: options.locateModel)
            manifest = try package.manifest(in: blobs.store).text
        }
        let prepared = try PreparedSubmission(
            yaml: yaml, baseFolder: baseFolder, source: source, priority: 0, manifest: manifest, store: blobs.store,
            locate: options.locateModel)
        return try await loop.perform { handler, context in try handler.take(prepared, &context) }
    }

    /// Gives a command to this process's own fleet.
    package func command(_ kind: FleetCommandKind, _ target: String, trial: Int? = nil, priority: Int = 0) async throws -> CommandOutcome {
        let command = WireCommand(kind, target, trial: trial, priority: priority)
        return CommandOutcome(try await loop.perform { handler, context in try handler.carryOut(command, &context) })
    }

    /// Ends the threads as if the process were killed: no goodbye, no last write.
    ///
    /// For tests.
    func kill() {
        loop.post { handler, context in
            handler.isKilled = true
            handler.checkpoints.abandon()
            handler.ledger.rollBack()
            context.stop()
        }
        loop.stop()
        blobs.stop()
        home.release()
    }
}

/// What the coordinator's thread shares with others.
final class SharedStatus: Sendable {
    let endpoint = Mutex<Endpoint?>(nil)
}

/// Lets a handler's helpers find the loop that was made after them.
final class LoopBox<Handler: LoopHandler>: Sendable {
    private struct Weak: Sendable { weak var loop: SocketLoop<Handler>? }

    private let found = Mutex(Weak())

    var loop: SocketLoop<Handler>? {
        get { found.withLock { $0.loop } }
        set { found.withLock { $0.loop = newValue } }
    }
}
