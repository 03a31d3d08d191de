// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import ZeroMQ

/// Who gets in over real sockets.
@Suite struct SecurityTests {
    private let server: CurveKeyPair
    private let client: CurveKeyPair

    init() throws { (server, client) = (try .generate(), try .generate()) }

    private func dealer(
        to router: Station, as keys: CurveKeyPair, server: CurvePublicKey? = nil, reaction: Recorder.Reaction? = nil
    ) async throws -> Station {
        let security = SocketSecurity.client(server: server ?? self.server.publicKey, keys: keys)
        return try await Station.dealer(to: router.endpoint, options: Station.secured(security), reaction: reaction)
    }

    private func router(_ guests: Guests, reaction: Recorder.Reaction? = echo) async throws -> Station {
        try await Station.router(options: Station.secured(.server(server)), guests: guests, reaction: reaction)
    }

    @Test func aKnownKeyGetsInAndNamesEveryMessage() async throws {
        let router = try await router(Guests(client.publicKey))
        let dealer = try await dealer(to: router, as: client)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        let messages = [[Data("a".utf8)], [Data(), Data(repeating: 9, count: 3 << 20), Data()], [Data([0])]]
        for message in messages { #expect(try await dealer.send(message) == nil) }
        #expect(try await dealer.log.wait { $0.messages.count == 3 })
        #expect(dealer.log.all.messages == messages)
        #expect(router.log.all.peers.map(\.key) == [client.publicKey, client.publicKey, client.publicKey])
        #expect(router.log.all.refusedKeys.isEmpty)
    }

    @Test func anUnknownKeyIsTurnedAwayAndBothSidesAreTold() async throws {
        let router = try await router(Guests())
        let dealer = try await dealer(to: router, as: client)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.retries > 0 })
        #expect(dealer.log.all.causes == [.refused])
        #expect(dealer.log.all.reasons.first == "\(router.endpoint) does not accept this key; ask for a join token")
        #expect(try await router.log.wait { !$0.refusedKeys.isEmpty })
        #expect(router.log.all.contains(.refused(router.socket, key: client.publicKey, address: "127.0.0.1")))
        #expect(try await dealer.send([Data("x".utf8)]) == .notConnected)
        #expect(dealer.log.all.connections == 0)
        #expect(router.log.all.messages.isEmpty)
    }

    @Test func aKeyThatIsAllowedLaterGetsInWithoutARestart() async throws {
        let guests = Guests()
        let router = try await router(guests)
        let dealer = try await dealer(to: router, as: client)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.retries >= 2 })
        guests.add(client.publicKey)
        #expect(try await dealer.log.wait { $0.connections == 1 })
        #expect(try await dealer.send([Data("hello".utf8)]) == nil)
        #expect(try await dealer.log.wait { $0.messages.count == 1 })
    }

    @Test func refusedAttemptsBecomeRare() async throws {
        var options = Station.secured(.client(server: server.publicKey, keys: client))
        options.maximumRefusedInterval = .seconds(30)
        let router = try await router(Guests())
        let dealer = try await Station.dealer(to: router.endpoint, options: options)
        defer { Station.stop(dealer, router) }
        try await Task.sleep(for: .milliseconds(1500))
        #expect(dealer.log.all.retries >= 2)
        #expect(dealer.log.all.retries <= 14, "10 ms, doubled each time, are over a second at the eighth")
        #expect(router.log.all.refusedKeys.count == 1)
    }

    @Test func revokedAtTheNextConnection() async throws {
        let guests = Guests(client.publicKey)
        let router = try await router(guests)
        let dealer = try await dealer(to: router, as: client)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        guests.remove(client.publicKey)
        let socket = dealer.socket
        try await dealer.loop.perform { _, context in context.reopen(socket) }
        #expect(try await dealer.log.wait { $0.causes == [.refused] })
        #expect(dealer.log.all.connections == 1)
    }

    @Test func aLiveConnectionCanBeEnded() async throws {
        let other = try CurveKeyPair.generate()
        let guests = Guests(client.publicKey, other.publicKey)
        let router = try await router(guests)
        let revoked = try await dealer(to: router, as: client)
        let staying = try await dealer(to: router, as: other)
        defer { Station.stop(revoked, staying, router) }
        for station in [revoked, staying] {
            #expect(try await station.log.wait { $0.connections == 1 })
            #expect(try await station.send([Data("hello".utf8)]) == nil)
            #expect(try await station.log.wait { $0.messages.count == 1 })
        }
        guests.remove(client.publicKey)
        let (socket, key) = (router.socket, client.publicKey)
        let ended = try await router.loop.perform { _, context in context.disconnect(on: socket) { $0.key == key } }
        #expect(ended == 1)
        #expect(try await revoked.log.wait { $0.disconnections == 1 && $0.causes.contains(.refused) })
        #expect(try await router.loop.perform { _, context in context.disconnect(on: socket) { $0.key == key } } == 0)
        #expect(try await staying.send([Data("still here".utf8)]) == nil)
        #expect(try await staying.log.wait { $0.messages.count == 2 })
        #expect(staying.log.all.disconnections == 0)
    }

    @Test func twoKeysUnderOneRoutingIdAreNeverMistakenForEachOther() async throws {
        let other = try CurveKeyPair.generate()
        let router = try await router(Guests(client.publicKey, other.publicKey))
        defer { router.loop.stop() }
        let id = Data(repeating: 42, count: 16)
        let first = try await twin(id, of: router, as: client)
        defer { first.loop.stop() }
        #expect(try await first.send([Data("first".utf8)]) == nil)
        #expect(try await router.log.wait { $0.messages.count == 1 })
        let second = try await twin(id, of: router, as: other)
        defer { second.loop.stop() }
        _ = try await second.send([Data("second".utf8)])
        try await Task.sleep(for: .milliseconds(200))
        #expect(try await first.send([Data("first again".utf8)]) == nil)
        #expect(try await router.log.wait { $0.messages.count >= 2 })
        #expect(router.log.all.peers == [PeerID(bytes: id, key: client.publicKey), PeerID(bytes: id, key: client.publicKey)])
        first.loop.stop()
        second.loop.stop()
        // The id is free again once libzmq has noticed; whoever has it then comes under its own key.
        for _ in 0..<50 where router.log.all.peers.last?.key != other.publicKey {
            let third = try await twin(id, of: router, as: other)
            _ = try await third.send([Data("third".utf8)])
            try await Task.sleep(for: .milliseconds(50))
            third.loop.stop()
        }
        #expect(router.log.all.peers.last == PeerID(bytes: id, key: other.publicKey))
    }

    private func twin(_ id: Data, of router: Station, as keys: CurveKeyPair) async throws -> Station {
        var options = Station.secured(.client(server: server.publicKey, keys: keys))
        options.routingID = id
        let station = try await Station.dealer(to: router.endpoint, options: options)
        #expect(try await station.log.wait { $0.connections >= 1 })
        return station
    }

    @Test func anotherServersKeyIsNotTakenForARefusal() async throws {
        let router = try await router(Guests(client.publicKey))
        let dealer = try await dealer(to: router, as: client, server: try CurveKeyPair.generate().publicKey)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.retries >= 2 })
        #expect(dealer.log.all.causes == [.stranger])
        #expect(dealer.log.all.reasons[0].contains("is not the coordinator whose key is known here"))
        #expect(try await router.log.wait { $0.failedHandshakes >= 1 })
        #expect(router.log.all.refusedKeys.isEmpty)
    }

    @Test func aPeerWithoutAKeyIsTurnedAway() async throws {
        let router = try await router(Guests())
        let dealer = try await Station.dealer(to: router.endpoint)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.retries > 0 })
        #expect(dealer.log.all.causes == [.stranger])
        // Which of the two sees first that they do not fit is a matter of luck.
        #expect(dealer.log.all.reasons[0].hasPrefix("\(router.endpoint) "))
        #expect(dealer.log.all.reasons[0].hasSuffix(" by key only; ask for a join token") || dealer.log.all.reasons[0].contains("hung up"))
        #expect(try await router.log.wait { $0.failedHandshakes >= 1 })
        #expect(dealer.log.all.connections == 0)
    }

    @Test func aServerWithoutKeysIsNotTrusted() async throws {
        let router = try await Station.router()
        let dealer = try await dealer(to: router, as: client)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.retries > 0 })
        #expect(dealer.log.all.causes == [.stranger])
        #expect(dealer.log.all.reasons[0].contains("not the coordinator whose key is known here"))
        #expect(dealer.log.all.connections == 0)
    }

    @Test func nothingListensBeforeSomebodyDecidesWhoGetsIn() async throws {
        let error = await #expect(throws: SocketError.self) {
            _ = try await Station.router(options: Station.secured(.server(server)), guests: nil)
        }
        #expect(error?.code == .noAuthenticator)
    }

    @Test func theLargestFrameStillFitsUnderItsEncryption() async throws {
        var (here, there) = (Station.secured(.server(server)), Station.secured(.client(server: server.publicKey, keys: client)))
        (here.maximumFrameBytes, there.maximumFrameBytes) = (100_000, 100_000)
        let router = try await Station.router(options: here, guests: Guests(client.publicKey), reaction: echo)
        let dealer = try await Station.dealer(to: router.endpoint, options: there)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        #expect(try await dealer.send([Data(count: 100_001)]) == .messageTooBig)
        #expect(try await dealer.send([Data(repeating: 5, count: 100_000)]) == nil)
        #expect(try await dealer.log.wait { $0.messages == [[Data(repeating: 5, count: 100_000)]] })
    }

    @Test func severalSocketsOfALoopShareTheAuthenticator() async throws {
        let (server, guests) = (server, Guests(client.publicKey))
        let router = try await router(guests)
        defer { router.loop.stop() }
        let second = try await router.loop.perform { _, context in
            try context.bind(try Endpoint("tcp://127.0.0.1:*"), options: Station.secured(.server(server)))
        }
        let other = try CurveKeyPair.generate()
        let security = SocketSecurity.client(server: server.publicKey, keys: other)
        let dealer = try await Station.dealer(to: second.endpoint, options: Station.secured(security))
        defer { dealer.loop.stop() }
        #expect(try await router.log.wait { $0.contains(.refused(second.socket, key: other.publicKey, address: "127.0.0.1")) })
    }
}
