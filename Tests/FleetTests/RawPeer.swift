// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import WireMessages
import ZeroMQ

/// A DEALER without manners: sends what a test tells it to, and keeps what comes back.
final class RawPeer: Sendable {
    private let inbox = Inbox()
    private let loop: SocketLoop<RawHandler>

    init(_ endpoint: Endpoint, security: SocketSecurity = .none) throws {
        loop = SocketLoop(name: "raw", tickInterval: .milliseconds(50)) { [inbox] context in
            var options = SocketOptions()
            options.security = security
            return RawHandler(inbox: inbox, socket: try context.connect(endpoint, options: options))
        }
        try loop.start()
        let end = ContinuousClock.now + .seconds(5)
        while !inbox.isConnected.load(ordering: .acquiring), ContinuousClock.now < end { Thread.sleep(forTimeInterval: 0.005) }
    }

    deinit {
        loop.requestStop()
    }

    /// Its key was turned down when it knocked again.
    var wasRefused: Bool { inbox.wasRefused.load(ordering: .acquiring) }

    func stop() { loop.stop() }

    func send(frames: [Data]) {
        loop.post { handler, context in try? context.send(frames, on: handler.socket) }
    }

    func send(_ payload: WireEnvelope.OneOf_Payload, requestID: UInt64 = 7) throws {
        send(frames: try WireCodec.encode(WireEnvelope(payload, requestID: requestID)))
    }

    /// The first message that `select` takes; messages before it are dropped.
    func next<Value>(seconds: Double = 5, _ select: (WireEnvelope.OneOf_Payload) -> Value?) async throws -> Value {
        try await nextEnvelope(seconds: seconds) { $0.payload.flatMap(select) }
    }

    /// The same with all that is around the payload.
    func nextEnvelope<Value>(seconds: Double = 5, _ select: (WireEnvelope) -> Value?) async throws -> Value {
        let end = ContinuousClock.now + .milliseconds(Int64(seconds * 1000))
        while ContinuousClock.now < end {
            while let frames = inbox.take() {
                if let value = select(try WireCodec.decode(frames, at: .peer)) { return value }
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw WireError(.malformed, "nothing came")
    }

    /// The frames of the next message, whatever they are.
    func nextFrames(seconds: Double = 5) async throws -> [Data] {
        let end = ContinuousClock.now + .milliseconds(Int64(seconds * 1000))
        while ContinuousClock.now < end {
            if let frames = inbox.take() { return frames }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw WireError(.malformed, "nothing came")
    }

    /// Joins as a worker and returns the session's name.
    @discardableResult
    func joinAsWorker(id: String = UUID().uuidString.lowercased()) async throws -> String {
        try send(.hello(Self.hello(.worker, id: id)))
        let session = try await next { if case .welcome(let welcome) = $0 { welcome.session } else { nil } }
        try beat(session)
        return session
    }

    func beat(_ session: String) throws {
        var heartbeat = WireHeartbeat()
        heartbeat.session = session
        try send(.heartbeat(heartbeat))
    }

    static func hello(_ role: WireRole, id: String = UUID().uuidString.lowercased()) -> WireHello {
        var hello = WireHello()
        hello.protocolMajor = WireVersion.current.major
        hello.protocolMinor = WireVersion.current.minor
        hello.role = role
        hello.workerID = id
        hello.name = "raw"
        hello.host = "here"
        hello.programVersion = "test 1"
        hello.cpu = "fake"
        hello.threads = 1
        return hello
    }
}

/// What a test looks for in an answer.
extension RawPeer {
    static func trainGrant(_ payload: WireEnvelope.OneOf_Payload) -> WireTrainGrant? {
        if case .trainGrant(let grant) = payload { grant } else { nil }
    }

    static func sliceGrant(_ payload: WireEnvelope.OneOf_Payload) -> WireSliceGrant? {
        if case .sliceGrant(let grant) = payload { grant } else { nil }
    }

    static func verdict(_ payload: WireEnvelope.OneOf_Payload) -> WireVerdict? {
        if case .resultAck(let ack) = payload { ack.verdict } else { nil }
    }

    static func refusal(_ payload: WireEnvelope.OneOf_Payload) -> WireErrorCode? {
        if case .errorReply(let reply) = payload { reply.code } else { nil }
    }

    static func denial(_ payload: WireEnvelope.OneOf_Payload) -> WireDenied? {
        if case .denied(let denied) = payload { denied } else { nil }
    }
}

private final class Inbox: Sendable {
    let isConnected = Atomic<Bool>(false)
    let wasRefused = Atomic<Bool>(false)
    private let messages = Mutex<[[Data]]>([])

    func put(_ frames: [Data]) { messages.withLock { $0.append(frames) } }

    func take() -> [Data]? { messages.withLock { $0.isEmpty ? nil : $0.removeFirst() } }
}

private struct RawHandler: LoopHandler {
    let inbox: Inbox
    let socket: SocketID

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        switch event {
        case .connected: inbox.isConnected.store(true, ordering: .releasing)
        case .retrying(_, .refused, _): inbox.wasRefused.store(true, ordering: .releasing)
        case .message(_, _, let frames): inbox.put(frames)
        default: break
        }
    }
}
