// SPDX-License-Identifier: Apache-2.0

import Access
import Foundation
import SwiftProtobuf
import Synchronization
import Testing
import WireMessages
import ZeroMQ

@testable import Fleet

/// Hellos that are not taken, and coordinators that are not where they were said to be.
@Suite(.timeLimit(.minutes(1)))
struct HelloTests {
    private static let dead = "tcp://127.0.0.1:9"

    @Test func aProgramOfProtocol1IsAnsweredInItsOwnFormAndShown() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let peer = try RawPeer(try coordinator.start())
        var envelope = WireEnvelope(.hello(RawPeer.hello(.worker)), requestID: 3)
        (envelope.protocolMajor, envelope.hello.protocolMajor, envelope.hello.protocolMinor) = (1, 1, 0)
        peer.send(frames: [Data("PWD1".utf8), try envelope.serializedData()])
        let answer = try await peer.nextFrames()
        #expect(answer.count == 2 && answer[0] == Data("PWD1".utf8))
        let reply = try WireEnvelope(serializedBytes: answer[1])
        #expect(reply.requestID == 3 && reply.denied.code == .version && reply.denied.supported.map(\.major) == [2])
        try await coordinator.wait("it is shown") { status in
            status.problems.contains { $0.hasPrefix("raw on here speaks protocol 1") }
        }
        #expect(coordinator.status().workers.isEmpty)
        peer.stop()
        coordinator.stop()
    }

    @Test func aHelloThatBreaksARuleIsDeniedAndShown() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let peer = try RawPeer(try coordinator.start())
        var envelope = WireEnvelope(.hello(RawPeer.hello(.worker)), requestID: 3)
        envelope.hello.workerID = "box"
        peer.send(frames: [Data(WireLimits.magic), try envelope.serializedData()])
        let denied = try await peer.next(RawPeer.denial)
        #expect(denied.code == .invalid && denied.reason.contains("worker_id"))
        try await coordinator.wait("it is shown") { status in
            status.problems.contains { $0.contains("hello was refused") }
        }
        peer.stop()
        coordinator.stop()
    }

    /// Trying again would go on for ever.
    @Test(arguments: [0, 1, 2, 3])
    func aWorkerWhoseHelloIsNotTakenEndsAndSaysWhy(_ kind: Int) async throws {
        let stubborn = try StubbornCoordinator {
            switch kind {
            case 0: .errorReply(.with { ($0.code, $0.message) = (.invalid, "hello: cpu is empty") })
            case 1: .errorReply(.with { ($0.code, $0.message) = (.unsupported, "hello: cpu is empty") })
            case 2: .denied(.with { ($0.code, $0.reason) = (.invalid, "hello: cpu is empty") })
            default: .denied(.with { ($0.code, $0.reason) = (.version, "hello: cpu is empty") })
            }
        }
        let bench = try Bench()
        let worker = try bench.worker("ada", at: stubborn.endpoint)
        #expect(await worker.waitUntilStopped() == .failed("the coordinator does not take this worker's hello: hello: cpu is empty"))
        let client = FleetClient(stubborn.endpoint)
        let error = await #expect(throws: FleetError.self) { try await aside { try client.status() } }
        #expect(error?.code == .protocolMismatch && error?.message == "hello: cpu is empty")
        stubborn.stop()
    }

    @Test func aCoordinatorIsFoundAtWhicheverAddressAnswers() async throws {
        let bench = try Bench()
        try bench.makePictures(3)
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start(), dead = try Endpoint(Self.dead)
        let worker = try bench.worker("ada", at: dead) { $0.alternatives = [dead, endpoint] }
        try await coordinator.wait("it is there") { $0.workers.map(\.name) == ["ada"] }
        var client = FleetClient(dead)
        client.alternatives = [endpoint]
        let asking = client
        #expect(try await aside { try asking.status() }.workers.count == 1)
        // Blobs are fetched from where the coordinator was found.
        try await coordinator.submit(FakeStudy { $0.steps = 20 }, picturesOf: bench)
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        worker.stop()
        coordinator.stop()
    }

    /// A box with more addresses than a token takes.
    @Test func aTokenNamesAsManyAddressesAsItHolds() throws {
        let bench = try Bench()
        var options = CoordinatorOptions(home: bench.home, endpoint: try Endpoint(Bench.loopback), program: "test 1", logger: Bench.quiet)
        options.advertised = try (1...12).map { try Endpoint("tcp://10.0.0.\($0):7400") }
        options.blobEndpoint = try Endpoint(Bench.loopback)
        // The home stays for as long as its coordinator does.
        options.observer = { _ in _ = bench }
        let coordinator = try CoordinatorService(options)
        try coordinator.start()
        let token = try coordinator.joinToken()
        #expect(try JoinToken(text: token).endpoints == Array(options.advertised.prefix(8)))
        #expect(try coordinator.joinToken() == token)
        coordinator.stop()
    }
}

/// A coordinator that gives every hello the same answer.
private final class StubbornCoordinator: Sendable {
    let endpoint: Endpoint
    private let loop: SocketLoop<Handler>

    init(_ answer: @escaping @Sendable () -> WireEnvelope.OneOf_Payload) throws {
        let place = Mutex<Endpoint?>(nil)
        loop = SocketLoop(name: "stubborn", tickInterval: .milliseconds(50)) { context in
            let (socket, endpoint) = try context.bind(try Endpoint(Bench.loopback))
            place.withLock { $0 = endpoint }
            return Handler(socket: socket, answer: answer)
        }
        try loop.start()
        endpoint = try #require(place.withLock { $0 })
    }

    func stop() { loop.stop() }

    private struct Handler: LoopHandler {
        let socket: SocketID
        let answer: @Sendable () -> WireEnvelope.OneOf_Payload

        mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
            guard case .message(_, let peer?, let frames) = event, let envelope = try? WireCodec.decode(frames, at: .coordinator),
                case .hello? = envelope.payload
            else { return }
            guard let reply = try? WireCodec.encode(WireEnvelope(answer(), requestID: envelope.requestID)) else { return }
            try? context.send(reply, to: peer, on: socket)
        }
    }
}
