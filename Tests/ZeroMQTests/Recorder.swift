// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

@testable import ZeroMQ

/// Events of a loop, readable from the test's task.
final class EventLog: Sendable {
    private let events = Mutex<[LoopEvent]>([])

    var all: [LoopEvent] { events.withLock { $0 } }

    func append(_ event: LoopEvent) { events.withLock { $0.append(event) } }

    /// Waits until the events are as wanted; false after 8 seconds.
    func wait(until isWanted: ([LoopEvent]) -> Bool) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(8)
        while ContinuousClock.now < deadline {
            if isWanted(all) { return true }
            try await Task.sleep(for: .milliseconds(2))
        }
        return isWanted(all)
    }
}

extension [LoopEvent] {
    var messages: [[Data]] {
        compactMap { if case .message(_, _, let frames) = $0 { frames } else { nil } }
    }

    var peers: [PeerID] {
        compactMap { if case .message(_, let peer, _) = $0 { peer } else { nil } }
    }

    func count(where isWanted: (LoopEvent) -> Bool) -> Int { filter(isWanted).count }

    var connections: Int { count { if case .connected = $0 { true } else { false } } }
    var disconnections: Int { count { if case .disconnected = $0 { true } else { false } } }
    var retries: Int { count { if case .retrying = $0 { true } else { false } } }
    var causes: Set<RetryCause> {
        Set(compactMap { if case .retrying(_, let cause, _) = $0 { cause } else { nil } })
    }

    var reasons: [String] {
        compactMap { if case .retrying(_, _, let reason) = $0 { reason } else { nil } }
    }

    var refusedKeys: [CurvePublicKey] {
        compactMap { if case .refused(_, let key, _) = $0 { key } else { nil } }
    }

    var failedHandshakes: Int {
        reduce(0) { if case .handshakesFailed(_, let count) = $1 { $0 + count } else { $0 } }
    }

    var malformed: Int { count { if case .malformed = $0 { true } else { false } } }
    var ticks: Int { count { $0 == .tick } }
}

/// Writes down every event and does what the test wants on top.
struct Recorder: LoopHandler {
    typealias Reaction = @Sendable (LoopEvent, inout LoopContext) -> Void

    let log: EventLog
    let socket: SocketID
    let endpoint: Endpoint
    var reaction: Reaction?

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        reaction?(event, &context)
        log.append(event)
    }
}

/// Who gets in, changeable from the test's task.
final class Guests: Sendable {
    private let keys: Mutex<Set<CurvePublicKey>>

    init(_ keys: CurvePublicKey...) { self.keys = Mutex(Set(keys)) }

    func contains(_ key: CurvePublicKey) -> Bool { keys.withLock { $0.contains(key) } }
    func add(_ key: CurvePublicKey) { keys.withLock { _ = $0.insert(key) } }
    func remove(_ key: CurvePublicKey) { keys.withLock { _ = $0.remove(key) } }
}

/// A running loop with one socket, and what it has seen.
struct Station: Sendable {
    let loop: SocketLoop<Recorder>
    let log: EventLog
    let socket: SocketID
    let endpoint: Endpoint

    static var quick: SocketOptions {
        var options = SocketOptions()
        options.reconnectInterval = .milliseconds(10)
        options.maximumReconnectInterval = .milliseconds(80)
        options.linger = .milliseconds(300)
        return options
    }

    static func secured(_ security: SocketSecurity) -> SocketOptions {
        var options = quick
        options.security = security
        return options
    }

    /// - Parameter guests: whose keys get in, if the options ask for keys.
    static func router(
        _ address: String = "tcp://127.0.0.1:*", options: SocketOptions = quick, guests: Guests? = nil, reaction: Recorder.Reaction? = nil
    ) async throws -> Station {
        try await start(name: "router", reaction: reaction) { context in
            if let guests { try context.authenticate { key, _ in guests.contains(key) } }
            let (socket, endpoint) = try context.bind(try Endpoint(address), options: options)
            return (socket, endpoint)
        }
    }

    static func dealer(
        to endpoint: Endpoint, options: SocketOptions = quick, reaction: Recorder.Reaction? = nil
    ) async throws -> Station {
        try await start(name: "dealer", reaction: reaction) { context in
            (try context.connect(endpoint, options: options), endpoint)
        }
    }

    /// One that knows several addresses.
    static func dealer(to endpoints: [Endpoint], options: SocketOptions = quick) async throws -> Station {
        try await start(name: "dealer", reaction: nil) { context in (try context.connect(endpoints, options: options), endpoints[0]) }
    }

    private static func start(
        name: String, reaction: Recorder.Reaction?,
        open: @escaping @Sendable (inout LoopContext) throws -> (SocketID, Endpoint)
    ) async throws -> Station {
        let log = EventLog()
        let loop = SocketLoop<Recorder>(name: name, tickInterval: .milliseconds(20)) { context in
            let (socket, endpoint) = try open(&context)
            return Recorder(log: log, socket: socket, endpoint: endpoint, reaction: reaction)
        }
        try loop.start()
        let (socket, endpoint) = try await loop.perform { recorder, _ in (recorder.socket, recorder.endpoint) }
        return Station(loop: loop, log: log, socket: socket, endpoint: endpoint)
    }

    static func stop(_ stations: Station...) {
        for station in stations { station.loop.stop() }
    }

    /// Sends on the loop's thread; returns why not, if not.
    func send(_ frames: [Data], to peer: PeerID? = nil) async throws -> SocketError.Code? {
        let socket = socket
        return try await loop.perform { _, context in
            do throws(SocketError) {
                try context.send(frames, to: peer, on: socket)
                return nil
            } catch {
                return error.code
            }
        }
    }
}

/// Sends every message back to where it came from.
let echo: Recorder.Reaction = { event, context in
    if case .message(let socket, let peer, let frames) = event { try? context.send(frames, to: peer, on: socket) }
}
