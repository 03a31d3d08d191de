// SPDX-License-Identifier: Apache-2.0
import Fleet
import Foundation
import WireMessages
import ZeroMQ

/// Workers with real sockets that compute nothing, many of them on one thread.
final class BareWorkers {
    /// A libzmq context has a thousand sockets at most, and each peer takes three.
    private static let perLoop = 200

    private var loops: [SocketLoop<BareWorkersHandler>] = []

    /// - Parameter answers: whether a lease has its result at once; else it is held for ever.
    init(_ count: Int, at endpoint: Endpoint, heartbeat: Duration, answers: Bool) throws {
        loops = try stride(from: 0, to: count, by: Self.perLoop).map { first in
            let range = first..<min(first + Self.perLoop, count)
            let loop = SocketLoop<BareWorkersHandler>(name: "workers", tickInterval: .milliseconds(100)) { context in
                try BareWorkersHandler(endpoint, range, heartbeat: heartbeat, answers: answers, &context)
            }
            try loop.start()
            return loop
        }
    }

    func stop() { for loop in loops { loop.stop() } }
}

private struct BareWorkersHandler: LoopHandler {
    private var names: [SocketID: String] = [:]
    private var sessions: [SocketID: String] = [:]
    private var leases: [SocketID: WireLease] = [:]
    private let heartbeat: Duration
    private let answers: Bool
    private var due: ContinuousClock.Instant

    init(_ endpoint: Endpoint, _ range: Range<Int>, heartbeat: Duration, answers: Bool, _ context: inout LoopContext) throws {
        self.heartbeat = heartbeat
        self.answers = answers
        due = context.now
        for index in range { names[try context.connect(endpoint)] = "worker-\(index)" }
    }

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        switch event {
        case .connected(let socket): hello(socket, &context)
        case .message(let socket, _, let frames):
            switch (try? WireCodec.decode(frames, at: .peer))?.payload {
            case .welcome(let welcome):
                sessions[socket] = welcome.session
                beat(socket, &context)
            case .trainGrant(let grant) where answers:
                leases[socket] = grant.lease
                if let result = try? Self.result(of: grant) { send(.segmentResult(result), socket, &context) }
            case .trainGrant(let grant): leases[socket] = grant.lease
            case .resultAck(let ack) where leases[socket] == ack.lease: leases[socket] = nil
            case .cancelLease: leases[socket] = nil
            default: break
            }
        case .tick where context.now >= due:
            due = context.now + heartbeat
            for socket in names.keys { beat(socket, &context) }
        default: break
        }
    }

    private func hello(_ socket: SocketID, _ context: inout LoopContext) {
        var hello = WireHello()
        hello.protocolMajor = WireVersion.current.major
        hello.role = .worker
        hello.workerID = UUID().uuidString.lowercased()
        hello.name = names[socket] ?? "worker"
        hello.host = "here"
        hello.programVersion = "fleet-bench"
        hello.cpu = "none"
        hello.threads = 1
        send(.hello(hello), socket, &context)
    }

    private func beat(_ socket: SocketID, _ context: inout LoopContext) {
        guard let session = sessions[socket] else { return }
        var beat = WireHeartbeat()
        beat.session = session
        if let lease = leases[socket] {
            var progress = WireProgress()
            progress.lease = lease
            beat.progress = [progress]
        }
        send(.heartbeat(beat), socket, &context)
    }

    /// What a trainer that computes nothing gives, without the vectors that the grant came with.
    private static func result(of grant: WireTrainGrant) throws -> WireSegmentResult {
        let request = SegmentRequest(
            study: PreparedStudy(key: "", json: ""), trial: Int(grant.lease.trial), fromStep: Int(grant.fromStep),
            toStep: Int(grant.toStep), state: IdleTrainer.small.state(at: Int(grant.fromStep)))
        let outcome = try IdleTrainer.small.train(request, report: { _ in }, isCancelled: { false })
        return try WireSegmentResult(outcome, of: request, lease: grant.lease)
    }

    private func send(_ payload: WireEnvelope.OneOf_Payload, _ socket: SocketID, _ context: inout LoopContext) {
        guard let frames = try? WireCodec.encode(WireEnvelope(payload, requestID: 1)) else { return }
        try? context.send(frames, on: socket)
    }
}
