// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import ZeroMQ

@testable import Blobs

/// One socket that does what a test says, right or wrong.
final class RawPeer: Sendable {
    struct Handler: LoopHandler {
        let socket: SocketID
        let react: @Sendable (LoopEvent) -> [[Data]]

        mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
            let answers = react(event)
            guard case .message(_, let peer, _) = event else { return }
            for frames in answers { try? context.send(frames, to: peer, on: socket) }
        }
    }

    private struct State {
        var endpoint: Endpoint?
        var isConnected = false
        var replies: [(UInt64, BlobReply)] = []
    }

    private let state: State_
    private let loop: SocketLoop<Handler>

    private final class State_: Sendable {
        let value = Mutex(State())
    }

    private init(_ state: State_, _ loop: SocketLoop<Handler>) {
        self.state = state
        self.loop = loop
    }

    var endpoint: Endpoint? { state.value.withLock { $0.endpoint } }

    var isConnected: Bool { state.value.withLock { $0.isConnected } }

    func replies(_ id: UInt64) -> [BlobReply] { state.value.withLock { $0.replies.filter { $0.0 == id }.map(\.1) } }

    func fault(of id: UInt64) async throws -> BlobFault? {
        var fault: BlobFault?
        _ = try await eventually {
            for case .error(let found, _) in replies(id) { fault = found }
            return fault != nil
        }
        return fault
    }

    /// A ROUTER that answers every request as it is told.
    static func server(_ answer: @escaping @Sendable (UInt64, BlobRequest) -> [[Data]]) throws -> RawPeer {
        let state = State_()
        let loop = SocketLoop<Handler>(name: "liar", tickInterval: .milliseconds(20)) { context in
            let (socket, endpoint) = try context.bind(try .loopback(), options: .quick)
            state.value.withLock { $0.endpoint = endpoint }
            return Handler(socket: socket) { event in
                guard case .message(_, _, let frames) = event, let (id, request) = try? BlobCodec.decodeRequest(frames) else { return [] }
                return answer(id, request)
            }
        }
        try loop.start()
        return RawPeer(state, loop)
    }

    /// A DEALER that sends whatever it is told.
    static func client(_ endpoint: Endpoint, readsNothing: Bool = false) throws -> RawPeer {
        let state = State_()
        let loop = SocketLoop<Handler>(name: "evil", tickInterval: .milliseconds(20)) { context in
            var options = SocketOptions.quick
            options.highWaterMark = 100_000
            let socket = try context.connect(endpoint, options: options)
            return Handler(socket: socket) { event in
                switch event {
                case .connected: state.value.withLock { $0.isConnected = true }
                case .message(_, _, let frames):
                    if readsNothing {
                        Thread.sleep(forTimeInterval: 0.01)
                    } else if let (id, reply) = try? BlobCodec.decodeReply(frames) {
                        state.value.withLock { $0.replies.append((id, reply)) }
                    }
                default: break
                }
                return []
            }
        }
        try loop.start()
        return RawPeer(state, loop)
    }

    func send(_ frames: [Data]) { loop.post { handler, context in try? context.send(frames, on: handler.socket) } }

    func stop() { loop.stop() }
}
