// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Studies
import SwiftProtobuf
import Testing
import WireMessages
import ZeroMQ

@testable import Fleet

/// What a coordinator answers to peers that are late, confused or hostile.
@Suite(.timeLimit(.minutes(1)))
struct ConversationTests {
    private func result(_ grant: WireTrainGrant, spoiled: Bool = false) throws -> WireSegmentResult {
        let request = try FakeTrainer.request(
            FakeStudy(), trial: Int(grant.lease.trial), from: Int(grant.fromStep), to: Int(grant.toStep),
            state: grant.hasState ? try TrainingState(grant.state) : nil)
        var outcome = try FakeTrainer(secondsPerStep: 0).train(request, report: { _ in }, isCancelled: { false })
        if spoiled { outcome.state.embedding[0] += 1 }
        return try WireSegmentResult(outcome, of: request, lease: grant.lease)
    }

    @Test func doubledAndContradictingResultsChangeNothing() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let peer = try RawPeer(endpoint)
        try await coordinator.submit()
        try await peer.joinAsWorker()
        let first = try await peer.next(RawPeer.trainGrant)
        let good = try result(first)
        try peer.send(.segmentResult(good))
        #expect(try await peer.next(RawPeer.verdict) == .accepted)
        try peer.send(.segmentResult(good))
        #expect(try await peer.next(RawPeer.verdict) == .duplicate)
        try peer.send(.segmentResult(try result(first, spoiled: true)))
        #expect(try await peer.next(RawPeer.verdict) == .conflict)
        #expect(coordinator.status().workers.map(\.alarms) == [1])
        #expect(try alarm(bench)?.text.contains("gave other bits on worker raw") == true)
        peer.stop()
        let worker = try bench.worker("ada", at: endpoint)
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        try await bench.expectUndisturbedResult()
        worker.stop()
        coordinator.stop()
    }

    @Test func aGoodbyeCountsThoughTheConnectionBrokeUnderWhatWasBeingSaid() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let peer = try RawPeer(try coordinator.start())
        try await peer.joinAsWorker()
        try await coordinator.wait("it is there") { $0.workers.count == 1 }
        coordinator.loop.post { handler, context in
            // All while the coordinator is busy with something else.
            try? peer.send(.goodbye(WireGoodbye()))
            peer.stop()
            Thread.sleep(forTimeInterval: 0.2)
            for (key, _) in handler.sessions.workers { handler.turn.say(.heartbeatReply(WireHeartbeatReply()), to: key) }
            handler.endTurn(in: &context)
        }
        try await coordinator.wait("it has left", seconds: 5) { $0.workers.isEmpty }
        coordinator.stop()
    }

    @Test func slicesWithOtherBitsRaiseTheAlarmAndTheFirstOneCounts() async throws {
        let study = FakeStudy { $0.sharesSteps = true }
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let peer = try RawPeer(endpoint)
        try await coordinator.submit(study)
        try await peer.joinAsWorker()
        let grant = try await peer.next(RawPeer.sliceGrant)
        #expect(grant.leases.map(\.index) == [0, 1, 2] && grant.leases[0].kind == .evaluate && !grant.hasVectors)
        let request = SliceRequest(
            study: try FakeTrainer.request(study).study, kind: .evaluate, trial: 0, step: 0, slice: 0, vectors: nil)
        var outcome = try FakeTrainer(secondsPerSlice: 0).slice(request, isCancelled: { false })
        try peer.send(.sliceResult(try WireSliceResult(outcome, seconds: 0.01, lease: grant.leases[0])))
        outcome.losses[0] += 1
        try peer.send(.sliceResult(try WireSliceResult(outcome, seconds: 0.01, lease: grant.leases[0])))
        let status = try await coordinator.wait("the alarm is shown") { $0.workers.first?.alarms == 1 }
        #expect(status.problems.isEmpty)
        #expect(try alarm(bench)?.text.contains("workers raw and raw gave other bits") == true)
        peer.stop()
        let worker = try bench.worker("ada", at: endpoint)
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        try await bench.expectUndisturbedResult(study)
        worker.stop()
        coordinator.stop()
    }

    private func alarm(_ bench: Bench) throws -> LogEntry? {
        try Ledger(reading: bench.home.appendingPathComponent("ledger.sqlite")).events(after: 0, target: "", limit: 1000)
            .first { $0.kind == "alarm" }
    }

    @Test func aDamagedResultIsRefused() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let peer = try RawPeer(try coordinator.start())
        try await coordinator.submit()
        try await peer.joinAsWorker()
        var damaged = try result(try await peer.next(RawPeer.trainGrant))
        damaged.history[3].loss += 1
        try peer.send(.segmentResult(damaged))
        #expect(try await peer.next(RawPeer.refusal) == .invalid)
        #expect(try Ledger(reading: bench.home.appendingPathComponent("ledger.sqlite")).facts()[0].trials[0].segments.isEmpty)
        peer.stop()
        coordinator.stop()
    }

    @Test func aGrantsBriefIsToldToWhoeverAsks() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let peer = try RawPeer(try coordinator.start())
        try await coordinator.submit()
        try await peer.joinAsWorker()
        let grant = try await peer.next(RawPeer.trainGrant)
        try peer.send(.briefRequest(.with { $0.brief = grant.brief }))
        let reply = try await peer.next { if case .briefReply(let reply) = $0 { reply } else { nil } }
        let json = try FakeStudy().settings().canonicalJSON()
        #expect(reply.brief == grant.brief && reply.studyJson == json)
        #expect(reply.manifestJson.isEmpty && reply.shards.isEmpty && reply.modelFolder.isEmpty)
        try peer.send(.briefRequest(.with { $0.brief = Data(count: 32) }))
        #expect(try await peer.next(RawPeer.refusal) == .notFound)
        peer.stop()
        coordinator.stop()
    }

    @Test func nobodySpeaksBeforeHello() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let peer = try RawPeer(try coordinator.start())
        try peer.send(.statusRequest(WireStatusRequest()))
        #expect(try await peer.next(RawPeer.refusal) == .helloRequired)
        peer.stop()
        coordinator.stop()
    }

    @Test func rolesAreKeptApart() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let peer = try RawPeer(endpoint)
        try await peer.joinAsWorker()
        try peer.send(.statusRequest(WireStatusRequest()))
        #expect(try await peer.next(RawPeer.refusal) == .refused)
        let client = try RawPeer(endpoint)
        try client.send(.hello(RawPeer.hello(.client)))
        try client.beat("session-2")
        #expect(try await client.next(RawPeer.refusal) == .refused)
        peer.stop()
        client.stop()
        coordinator.stop()
    }

    @Test(arguments: [1, 9] as [UInt32])
    func anotherProtocolIsDeniedWithAReasonAndShown(major: UInt32) async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let peer = try RawPeer(try coordinator.start())
        var hello = RawPeer.hello(.worker)
        hello.protocolMajor = major
        var envelope = WireEnvelope(.hello(hello), requestID: 3)
        envelope.protocolMajor = major
        peer.send(frames: try WireCodec.encode(envelope))
        let denied = try await peer.next(RawPeer.denial)
        #expect(denied.code == .version && denied.supported.map(\.major) == [2])
        try await coordinator.wait("the problem is shown") { status in
            status.problems.contains { $0.contains("raw was refused: protocol \(major) is not spoken here") }
        }
        #expect(coordinator.status().workers.isEmpty)
        peer.stop()
        coordinator.stop()
    }

    @Test func hostileBytesAreHarmless() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let peer = try RawPeer(endpoint)
        var random = SystemRandomNumberGenerator()
        let magic = Data(WireLimits.magic)
        let hello = try WireCodec.encode(WireEnvelope(.hello(RawPeer.hello(.worker)), requestID: 1))
        for count in 0..<400 {
            let noise = Data((0..<(count % 97)).map { _ in UInt8.random(in: .min ... .max, using: &random) })
            var bent = hello[1]
            if !bent.isEmpty { bent[Int.random(in: 0..<bent.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
            peer.send(
                frames: [
                    [noise], [magic, noise], [magic], [magic, bent], [magic, bent.prefix(count % bent.count)], [noise, noise, noise],
                    [Data("PWD1".utf8), hello[1]],
                ][count % 7])
        }
        try await coordinator.submit()
        let worker = try bench.worker("ada", at: endpoint)
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        try await bench.expectUndisturbedResult()
        peer.stop()
        worker.stop()
        coordinator.stop()
    }
}
