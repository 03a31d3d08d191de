// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import ZeroMQ

@Suite struct SelfTestTests {
    private let server: CurveKeyPair

    init() throws { server = try .generate() }

    /// On a thread of its own, as it blocks.
    private func test(
        _ endpoint: Endpoint, keys: CurveKeyPair? = nil, timeout: Duration = .seconds(8)
    ) async throws -> CurveSelfTest.Outcome {
        let key = server.publicKey
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try CurveSelfTest.run(endpoint, server: key, keys: keys, timeout: timeout) })
            }
        }
    }

    @Test(arguments: ["tcp://127.0.0.1:*", "tcp://*:*", "tcp://0.0.0.0:*"])
    func aServerThatTurnsStrangersAwayPasses(address: String) async throws {
        let router = try await Station.router(address, options: Station.secured(.server(server)), guests: Guests())
        defer { router.loop.stop() }
        let keys = try CurveKeyPair.generate()
        #expect(try await test(router.endpoint, keys: keys) == .refused)
        #expect(router.log.all.refusedKeys == [keys.publicKey])
        #expect(try await test(router.endpoint) == .refused)
    }

    @Test func aServerThatLetsEveryoneInIsFoundOut() async throws {
        let server = server
        let loop = SocketLoop<Recorder>(name: "open door", tickInterval: .seconds(1)) { context in
            try context.authenticate { _, _ in true }
            let (socket, endpoint) = try context.bind(
                try Endpoint("tcp://127.0.0.1:*"), options: Station.secured(.server(server)))
            return Recorder(log: EventLog(), socket: socket, endpoint: endpoint)
        }
        try loop.start()
        defer { loop.stop() }
        let endpoint = try await loop.perform { recorder, _ in recorder.endpoint }
        #expect(try await test(endpoint) == .accepted)
    }

    @Test func aServerWithoutKeysOrWithOthersIsAStranger() async throws {
        let plain = try await Station.router()
        let other = try await Station.router(options: Station.secured(.server(try .generate())), guests: Guests())
        defer { Station.stop(plain, other) }
        for endpoint in [plain.endpoint, other.endpoint] {
            guard case .stranger = try await test(endpoint) else {
                Issue.record("taken for the right server")
                continue
            }
        }
    }

    @Test func nobodyThereIsSaidInTime() async throws {
        let vacant = try await Station.router()
        vacant.loop.stop()
        let start = ContinuousClock.now
        #expect(try await test(vacant.endpoint, timeout: .milliseconds(400)) == .unreachable("nothing answers at \(vacant.endpoint)"))
        #expect(ContinuousClock.now - start < .seconds(8))
    }
}
