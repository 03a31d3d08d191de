// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Testing

@testable import ZeroMQ

/// Plain TCP connections that mean no good, against a server that asks for keys.
@Suite struct SecuredHostilityTests {
    private let server: CurveKeyPair
    private let client: CurveKeyPair

    init() throws { (server, client) = (try .generate(), try .generate()) }

    private func router(_ options: (inout SocketOptions) -> Void = { _ in }) async throws -> Station {
        var secured = Station.secured(.server(server))
        options(&secured)
        return try await Station.router(options: secured, guests: Guests(client.publicKey), reaction: echo)
    }

    private func stillServes(_ router: Station) async throws -> Bool {
        let security = SocketSecurity.client(server: server.publicKey, keys: client)
        let dealer = try await Station.dealer(to: router.endpoint, options: Station.secured(security))
        defer { dealer.loop.stop() }
        guard try await dealer.log.wait(until: { $0.connections == 1 }) else { return false }
        _ = try await dealer.send([Data("still there?".utf8)])
        return try await dealer.log.wait { $0.messages == [[Data("still there?".utf8)]] }
    }

    private static let greeting: [UInt8] =
        [0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F, 3, 0] + Array("CURVE".utf8) + [UInt8](repeating: 0, count: 47)

    @Test func noiseAtEveryStageDoesNoHarm() async throws {
        let router = try await router()
        defer { router.loop.stop() }
        var generator = Scrambler(state: 99)
        for round in 0..<120 {
            guard let peer = PlainPeer(port: router.endpoint.port) else { continue }
            var bytes = (0..<Int.random(in: 0..<600, using: &generator)).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            if round % 4 > 0 { peer.send(Self.greeting) }
            // A HELLO of the right length and name, with noise for a key and a box.
            if round % 4 == 2 {
                bytes = [4, 200, 5] + Array("HELLO".utf8) + [1, 0] + Array((bytes + [UInt8](repeating: 1, count: 192)).prefix(192))
            }
            if round % 4 == 3 { bytes = [6, 0, 0, 0, 0] + bytes }
            peer.send(bytes)
            if round % 2 == 0 { peer.abort() }
        }
        #expect(try await stillServes(router))
        #expect(try await router.log.wait { $0.failedHandshakes > 30 })
        #expect(router.log.all.messages == [[Data("still there?".utf8)]])
        #expect(router.log.all.refusedKeys.isEmpty)
    }

    @Test(arguments: [UInt64(1 << 30), 0x3FFF_FFFF_FFFF_FFFF, .max])
    func aFrameThatClaimsToBeHugeEndsTheConnectionBeforeAnyKey(claim: UInt64) async throws {
        let router = try await router()
        defer { router.loop.stop() }
        let peer = try #require(PlainPeer(port: router.endpoint.port))
        peer.send(Self.greeting + [6] + (0..<8).map { UInt8(truncatingIfNeeded: claim >> (56 - 8 * UInt64($0))) } + [1, 2, 3])
        #expect(peer.isClosedByPeer())
        #expect(try await stillServes(router))
    }

    @Test func aMessageOverTheLimitCutsAKnownKeyOffToo() async throws {
        let router = try await router { $0.maximumFrameBytes = 10_000 }
        let security = SocketSecurity.client(server: server.publicKey, keys: client)
        let dealer = try await Station.dealer(to: router.endpoint, options: Station.secured(security))
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        #expect(try await dealer.send([Data(count: 1 << 20)]) == nil)
        #expect(try await dealer.log.wait { $0.disconnections == 1 && $0.connections == 2 })
        #expect(router.log.all.messages.isEmpty)
    }

    @Test func connectionsThatSayNothingAreClosedAndNobodyElseNotices() async throws {
        let router = try await router { $0.handshakeTimeout = .seconds(2) }
        defer { router.loop.stop() }
        let security = SocketSecurity.client(server: server.publicKey, keys: client)
        let dealer = try await Station.dealer(to: router.endpoint, options: Station.secured(security))
        defer { dealer.loop.stop() }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        DescriptorLimit.raise()
        let silent = (0..<2000).compactMap { _ in PlainPeer(port: router.endpoint.port) }
        #expect(silent.count == 2000)
        #expect(try await dealer.send([Data("old friend".utf8)]) == nil)
        #expect(try await dealer.log.wait { $0.messages == [[Data("old friend".utf8)]] })
        #expect(try await stillServes(router))
        #expect(try await router.log.wait { $0.failedHandshakes >= 2000 })
        #expect(silent[0].isClosedByPeer() && silent[1999].isClosedByPeer())
        #expect(dealer.log.all.disconnections == 0)
    }

    /// In a process of its own, as its limit counts for the whole of it.
    @Test func nearTheLimitOfDescriptorsNewConnectionsWaitAndTheOthersGoOn() async throws {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 300, rlim_max: 300)
            #expect(setrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0)
            let (server, client) = (try CurveKeyPair.generate(), try CurveKeyPair.generate())
            var options = Station.secured(.server(server))
            options.handshakeTimeout = .seconds(1)
            let router = try await Station.router(options: options, guests: Guests(client.publicKey), reaction: echo)
            let security = SocketSecurity.client(server: server.publicKey, keys: client)
            let dealer = try await Station.dealer(to: router.endpoint, options: Station.secured(security))
            #expect(try await dealer.log.wait { $0.connections == 1 })
            // Both ends are in this process, so about a hundred will do.
            var silent: [PlainPeer] = []
            while silent.count < 140, !router.log.all.contains(.crowded(router.socket, true)) {
                if let peer = PlainPeer(port: router.endpoint.port) { silent.append(peer) }
                try await Task.sleep(for: .milliseconds(1))
            }
            #expect(silent.count > 60)
            #expect(try await router.log.wait { $0.contains(.crowded(router.socket, true)) })
            #expect(try await dealer.send([Data("old friend".utf8)]) == nil)
            #expect(try await dealer.log.wait { $0.messages.count == 1 })
            let spare = open("/dev/null", O_RDONLY)
            #expect(spare >= 0, "files can still be opened")
            close(spare)
            silent.removeAll()
            #expect(try await router.log.wait { $0.contains(.crowded(router.socket, false)) })
            let late = try await Station.dealer(to: router.endpoint, options: Station.secured(security))
            #expect(try await late.log.wait { $0.connections == 1 })
            #expect(dealer.log.all.disconnections == 0)
            Station.stop(late, dealer, router)
        }
    }
}
