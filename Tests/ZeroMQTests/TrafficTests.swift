// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import ZeroMQ

@Suite struct TrafficTests {
    @Test(arguments: ["tcp://127.0.0.1:*", "tcp://[::1]:*"])
    func messagesComeBackFrameByFrame(address: String) async throws {
        let router = try await Station.router(address, reaction: echo)
        let dealer = try await Station.dealer(to: router.endpoint)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        let messages = [[Data("a".utf8)], [Data(), Data(repeating: 7, count: 3 << 20), Data()], [Data([0, 255])]]
        for message in messages { #expect(try await dealer.send(message) == nil) }
        #expect(try await dealer.log.wait { $0.messages.count == 3 })
        #expect(dealer.log.all.messages == messages)
        #expect(Set(router.log.all.peers).count == 1)
        #expect(router.log.all.peers.allSatisfy { $0.bytes.count == 16 && $0.bytes.first != 0 })
    }

    @Test func aLargeFrameThatIsChangedAfterwardsArrivesAsItWas() async throws {
        let router = try await Station.router()
        let dealer = try await Station.dealer(to: router.endpoint)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        let socket = dealer.socket
        // Frames of this size are lent to libzmq, not copied.
        try await dealer.loop.perform { _, context in
            var whole = Data(repeating: 1, count: 2 << 20)
            var slice = whole[1000..<1_001_000]
            for round in 0..<20 {
                try context.send([whole, slice], on: socket)
                whole[round] = 9
                slice[slice.startIndex + round] = 8
            }
        }
        #expect(try await router.log.wait { $0.messages.count == 20 })
        for (round, message) in router.log.all.messages.enumerated() {
            let (whole, slice) = (message[0], message[1])
            #expect(whole.count == 2 << 20 && slice.count == 1_000_000)
            #expect(whole.prefix(20).filter { $0 == 9 }.count == round && whole.dropFirst(20).allSatisfy { $0 == 1 })
            #expect(slice.prefix(20).filter { $0 == 8 }.count == round && slice.dropFirst(20).allSatisfy { $0 == 1 })
        }
        // What was received is an ordinary value.
        var kept = router.log.all.messages[0][0]
        kept[0] = 77
        #expect(router.log.all.messages[0][0].first == 1)
        #expect(kept.suffix(5) == Data(repeating: 1, count: 5))
    }

    @Test func aWholeBurstArrivesInOrder() async throws {
        let router = try await Station.router(reaction: echo)
        let dealer = try await Station.dealer(to: router.endpoint)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        let messages = (0..<500).map { [Data("\($0)".utf8)] }
        for message in messages { #expect(try await dealer.send(message) == nil) }
        #expect(try await dealer.log.wait { $0.messages.count == 500 })
        #expect(dealer.log.all.messages == messages)
    }

    @Test func aPeerThatNeverWasIsUnreachable() async throws {
        let router = try await Station.router()
        defer { router.loop.stop() }
        #expect(try await router.send([Data("x".utf8)], to: PeerID(bytes: Data([1, 2, 3]))) == .unreachable)
    }

    @Test func withoutAConnectionNothingIsQueued() async throws {
        let vacant = try await Station.router()
        vacant.loop.stop()
        let dealer = try await Station.dealer(to: vacant.endpoint)
        defer { dealer.loop.stop() }
        #expect(try await dealer.send([Data("stale".utf8)]) == .notConnected)
        #expect(try await dealer.log.wait { $0.retries > 0 })

        let router = try await Station.router(vacant.endpoint.description)
        defer { router.loop.stop() }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        #expect(try await dealer.send([Data("fresh".utf8)]) == nil)
        #expect(try await router.log.wait { $0.messages.count == 1 })
        #expect(router.log.all.messages == [[Data("fresh".utf8)]])
    }

    @Test func aMessageOverOurOwnLimitIsNotSent() async throws {
        var options = Station.quick
        options.maximumFrameBytes = 1000
        let router = try await Station.router(options: options)
        let dealer = try await Station.dealer(to: router.endpoint, options: options)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        #expect(try await dealer.send([Data("x".utf8), Data(count: 1001)]) == .messageTooBig)
        #expect(try await dealer.send([Data(count: 1000)]) == nil)
        #expect(try await router.log.wait { $0.messages.count == 1 })
        #expect(router.log.all.messages == [[Data(count: 1000)]])
    }

    @Test func aMessageOverTheReceiversLimitEndsTheConversationAndANewOneBegins() async throws {
        var small = Station.quick
        small.maximumFrameBytes = 1000
        let router = try await Station.router(options: small)
        let dealer = try await Station.dealer(to: router.endpoint)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        #expect(try await dealer.send([Data("one".utf8)]) == nil)
        #expect(try await router.log.wait { $0.messages.count == 1 })
        #expect(try await dealer.send([Data(count: 5000)]) == nil)
        #expect(try await dealer.log.wait { $0.disconnections == 1 && $0.connections == 2 })
        #expect(try await dealer.send([Data("two".utf8)]) == nil)
        #expect(try await router.log.wait { $0.messages.count == 2 })
        #expect(router.log.all.messages == [[Data("one".utf8)], [Data("two".utf8)]])
        #expect(Set(router.log.all.peers).count == 2, "each conversation has its own routing id")
    }

    @Test func aDealerThatTakesTooMuchComesBackToo() async throws {
        var small = Station.quick
        small.maximumFrameBytes = 1000
        let router = try await Station.router { event, context in
            guard case .message(let socket, let peer, _) = event else { return }
            try? context.send([Data(count: 5000)], to: peer, on: socket)
        }
        let dealer = try await Station.dealer(to: router.endpoint, options: small)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        #expect(try await dealer.send([Data("x".utf8)]) == nil)
        #expect(try await dealer.log.wait { $0.disconnections == 1 && $0.connections == 2 })
        #expect(dealer.log.all.messages.isEmpty)
    }

    @Test func aRestartedRouterIsFoundAgain() async throws {
        let first = try await Station.router()
        let dealer = try await Station.dealer(to: first.endpoint) { event, context in
            if case .connected(let socket) = event { try? context.send([Data("hello".utf8)], on: socket) }
        }
        defer { dealer.loop.stop() }
        #expect(try await first.log.wait { $0.messages.count == 1 })
        first.loop.stop()
        #expect(try await dealer.log.wait { $0.disconnections == 1 })
        let second = try await Station.router(first.endpoint.description)
        defer { second.loop.stop() }
        #expect(try await second.log.wait { $0.messages.count == 1 })
        #expect(first.log.all.peers != second.log.all.peers)
    }

    @Test func reopeningGivesANewConversation() async throws {
        let router = try await Station.router()
        let dealer = try await Station.dealer(to: router.endpoint) { event, context in
            if case .connected(let socket) = event { try? context.send([Data("hello".utf8)], on: socket) }
        }
        defer { Station.stop(dealer, router) }
        #expect(try await router.log.wait { $0.messages.count == 1 })
        let socket = dealer.socket
        try await dealer.loop.perform { _, context in context.reopen(socket) }
        #expect(try await router.log.wait { $0.messages.count == 2 })
        #expect(Set(router.log.all.peers).count == 2)
        let old = try #require(router.log.all.peers.first)
        var answer = try await router.send([Data("x".utf8)], to: old)
        for _ in 0..<500 where answer == nil {
            try await Task.sleep(for: .milliseconds(5))
            answer = try await router.send([Data("x".utf8)], to: old)
        }
        #expect(answer == .unreachable)
    }
}
