// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import Testing
import ZeroMQ

@Suite struct LifecycleTests {
    @Test func threeLoopsStartAndStopFiftyTimes() async throws {
        for _ in 0..<50 {
            let router = try await Station.router(reaction: echo)
            let dealers = [try await Station.dealer(to: router.endpoint), try await Station.dealer(to: router.endpoint)]
            for dealer in dealers { _ = try await dealer.send([Data("x".utf8)]) }
            for station in [router] + dealers { station.loop.stop() }
        }
    }

    @Test func stoppingInTheMiddleOfTrafficIsQuick() async throws {
        let flood: Recorder.Reaction = { event, context in
            guard let socket = event.sender else { return }
            for _ in 0..<20 { try? context.send([Data(count: 50_000)], to: event.peer, on: socket) }
        }
        let router = try await Station.router(reaction: flood)
        let dealers = [
            try await Station.dealer(to: router.endpoint, reaction: flood), try await Station.dealer(to: router.endpoint, reaction: flood),
        ]
        #expect(try await router.log.wait { $0.messages.count > 50 })
        let start = ContinuousClock.now
        dealers[0].loop.stop()
        router.loop.stop()
        dealers[1].loop.stop()
        #expect(ContinuousClock.now - start < .seconds(4))
    }

    @Test func whatIsSentLastStillGoesOut() async throws {
        let router = try await Station.router()
        let dealer = try await Station.dealer(to: router.endpoint) { event, context in
            if event == .stopping { Stash.goodbye(in: &context) }
            if case .connected(let socket) = event { Stash.socket.withLock { $0 = socket } }
        }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        dealer.loop.stop()
        #expect(dealer.log.all.last == .stopping)
        #expect(try await router.log.wait { $0.messages == [[Data("goodbye".utf8)]] })
        router.loop.stop()
    }

    @Test func aDealerToNowhereStopsAtOnce() async throws {
        let dealer = try await Station.dealer(to: try Endpoint("tcp://127.0.0.1:1"), options: SocketOptions())
        let start = ContinuousClock.now
        dealer.loop.stop()
        #expect(ContinuousClock.now - start < .seconds(1))
    }

    @Test func postedWorkRunsInOrderAndNothingThatWasTakenIsLost() async throws {
        let station = try await Station.router()
        let box = Box()
        let taken = (0..<1000).filter { number in station.loop.post { _, _ in box.value.withLock { $0.append(number) } } }
        station.loop.stop()
        #expect(taken.count == 1000)
        #expect(box.value.withLock { $0 } == taken)
        #expect(!station.loop.post { _, _ in Issue.record("ran on a stopped loop") })
        let error = await #expect(throws: SocketError.self) { try await station.loop.perform { _, _ in } }
        #expect(error?.code == .closed)
    }

    @Test func manyThreadsMayPostWhileOneStops() async throws {
        let station = try await Station.router()
        let box = AtomicBox()
        let taken = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    (0..<2000).count { _ in station.loop.post { _, _ in box.value.add(1, ordering: .relaxed) } }
                }
            }
            group.addTask {
                try? await Task.sleep(for: .milliseconds(1))
                station.loop.stop()
                return 0
            }
            return await group.reduce(0, +)
        }
        station.loop.stop()
        #expect(box.value.load(ordering: .relaxed) == taken)
    }

    @Test func aHandlerThatCannotBeMadeEndsTheStart() async throws {
        struct Refusal: Error {}
        let loop = SocketLoop<Recorder>(name: "refusal", tickInterval: .seconds(1)) { context in
            _ = try context.bind(try Endpoint("tcp://127.0.0.1:*"))
            throw Refusal()
        }
        #expect(throws: Refusal.self) { try loop.start() }
        loop.stop()
        await loop.waitUntilStopped()
    }

    @Test func aLoopThatWasStoppedFirstDoesNotStart() throws {
        let loop = SocketLoop<Recorder>(name: "never", tickInterval: .seconds(1)) { _ in throw CancellationError() }
        loop.stop()
        #expect(throws: SocketError.self) { try loop.start() }
    }

    @Test func aHandlerMayEndItsOwnLoop() async throws {
        let station = try await Station.router { event, context in
            if event == .tick { context.stop() }
        }
        await station.loop.waitUntilStopped()
        #expect(station.log.all == [.tick, .stopping])
    }

    @Test func stoppingFromTheLoopsOwnThreadDoesNotWaitForItself() async throws {
        let station = try await Station.router()
        let loop = station.loop
        try await loop.perform { _, _ in loop.stop() }
        await loop.waitUntilStopped()
        #expect(station.log.all.last == .stopping)
    }

    @Test func ticksComeAtTheirIntervalAndAreNotMadeUpFor() async throws {
        let start = ContinuousClock.now
        let station = try await Station.router()
        defer { station.loop.stop() }
        try await Task.sleep(for: .milliseconds(300))
        let ticks = station.log.all.ticks
        #expect(ticks >= 2)
        #expect(Double(ticks) <= (ContinuousClock.now - start) / .milliseconds(20) + 2)
        let (before, resumed) = try await station.loop.perform { recorder, _ in
            Thread.sleep(forTimeInterval: 0.4)
            return (recorder.log.all.ticks, ContinuousClock.now)
        }
        try await Task.sleep(for: .milliseconds(60))
        let after = station.log.all.ticks
        #expect(Double(after - before) <= (ContinuousClock.now - resumed) / .milliseconds(20) + 2)
    }

    @Test func aSocketThatAHandlerClosesIsSilentFromThenOn() async throws {
        let router = try await Station.router { event, context in
            if case .message(let socket, _, _) = event { context.close(socket) }
        }
        let dealer = try await Station.dealer(to: router.endpoint)
        defer { Station.stop(dealer, router) }
        #expect(try await dealer.log.wait { $0.connections == 1 })
        for number in 0..<20 { _ = try await dealer.send([Data("\(number)".utf8)]) }
        #expect(try await dealer.log.wait { $0.disconnections == 1 })
        #expect(router.log.all.messages.count == 1)
        #expect(try await router.send([Data("x".utf8)], to: PeerID(bytes: Data([1]))) == .closed)
    }
}

private final class Box: Sendable {
    let value = Mutex<[Int]>([])
}

private final class AtomicBox: Sendable {
    let value = Atomic<Int>(0)
}

private enum Stash {
    static let socket = Mutex<SocketID?>(nil)

    static func goodbye(in context: inout LoopContext) {
        guard let socket = socket.withLock({ $0 }) else { return }
        try? context.send([Data("goodbye".utf8)], on: socket)
    }
}

extension LoopEvent {
    fileprivate var sender: SocketID? {
        switch self {
        case .connected(let socket), .message(let socket, _, _): socket
        default: nil
        }
    }

    fileprivate var peer: PeerID? {
        if case .message(_, let peer, _) = self { peer } else { nil }
    }
}
