// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import ZeroMQ

@Suite struct HostilePeerTests {
    /// That a well-behaved peer is still served.
    private func stillServes(_ router: Station) async throws -> Bool {
        let dealer = try await Station.dealer(to: router.endpoint)
        defer { dealer.loop.stop() }
        guard try await dealer.log.wait(until: { $0.connections == 1 }) else { return false }
        _ = try await dealer.send([Data("still there?".utf8)])
        return try await dealer.log.wait { $0.messages == [[Data("still there?".utf8)]] }
    }

    @Test func aPeerThatIsKilledBecomesUnreachable() async throws {
        let router = try await Station.router(reaction: echo)
        defer { router.loop.stop() }
        let peer = try #require(PlainPeer(port: router.endpoint.port))
        peer.shakeHands(identity: [9, 9, 9])
        peer.send(PlainPeer.frame(Array("hi".utf8)))
        #expect(try await router.log.wait { $0.messages.count == 1 })
        #expect(router.log.all.peers == [PeerID(bytes: Data([9, 9, 9]))])
        #expect(try await router.send([Data("x".utf8)], to: PeerID(bytes: Data([9, 9, 9]))) == nil)
        peer.abort()
        var answer: SocketError.Code?
        for _ in 0..<1000 where answer == nil {
            answer = try await router.send([Data("x".utf8)], to: PeerID(bytes: Data([9, 9, 9])))
            try await Task.sleep(for: .milliseconds(2))
        }
        #expect(answer == .unreachable)
        #expect(try await stillServes(router))
    }

    @Test func aPeerThatDoesNotReadBlocksOnlyItself() async throws {
        var options = Station.quick
        options.highWaterMark = 5
        let router = try await Station.router(options: options, reaction: echo)
        defer { router.loop.stop() }
        let peer = try #require(PlainPeer(port: router.endpoint.port))
        peer.shakeHands(identity: [7, 7])
        peer.send(PlainPeer.frame(Array("hi".utf8)))
        #expect(try await router.log.wait { $0.messages.count == 1 })
        var answer: SocketError.Code?
        for _ in 0..<300 where answer == nil {
            answer = try await router.send([Data(count: 250_000)], to: PeerID(bytes: Data([7, 7])))
        }
        #expect(answer == .wouldBlock)
        #expect(try await stillServes(router))
    }

    @Test func moreFramesThanAllowedAreReportedAndLetGo() async throws {
        let router = try await Station.router(reaction: echo)
        defer { router.loop.stop() }
        let peer = try #require(PlainPeer(port: router.endpoint.port))
        peer.shakeHands(identity: [5])
        peer.send((0..<16).flatMap { _ in PlainPeer.frame([1], more: true) } + PlainPeer.frame([1]))
        peer.send((0..<15).flatMap { _ in PlainPeer.frame([2], more: true) } + PlainPeer.frame([2]))
        #expect(try await router.log.wait { $0.messages.count == 1 })
        #expect(router.log.all.malformed == 1)
        #expect(router.log.all.messages == [[Data]](repeating: [Data](repeating: Data([2]), count: 16), count: 1))
    }

    @Test func aFrameThatClaimsToBeHugeEndsTheConnection() async throws {
        let router = try await Station.router(reaction: echo)
        defer { router.loop.stop() }
        let peer = try #require(PlainPeer(port: router.endpoint.port))
        peer.shakeHands(identity: [5])
        peer.send([2, 0x3F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3])
        #expect(peer.isClosedByPeer())
        #expect(try await stillServes(router))
    }

    @Test func noiseDoesNoHarm() async throws {
        let router = try await Station.router(reaction: echo)
        defer { router.loop.stop() }
        var generator = Scrambler(state: 42)
        for round in 0..<60 {
            guard let peer = PlainPeer(port: router.endpoint.port) else { continue }
            if round % 3 == 1 { peer.send(PlainPeer.greeting) }
            if round % 3 == 2 { peer.shakeHands(identity: [UInt8(round)]) }
            peer.send((0..<Int.random(in: 0..<400, using: &generator)).map { _ in .random(in: .min ... .max, using: &generator) })
            if round % 2 == 0 { peer.abort() }
        }
        #expect(try await stillServes(router))
    }

    @Test func aStrangerThatHangsUpDoesNotStopADealerFromTrying() async throws {
        // A ROUTER that takes only tiny frames hangs up on this dealer's first message, each time anew.
        var tiny = Station.quick
        tiny.maximumFrameBytes = 64
        let router = try await Station.router(options: tiny)
        let dealer = try await Station.dealer(to: router.endpoint) { event, context in
            if case .connected(let socket) = event { try? context.send([Data(count: 100)], on: socket) }
        }
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections >= 5 })
        #expect(router.log.all.messages.isEmpty)
    }
}

struct Scrambler: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
