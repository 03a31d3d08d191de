// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Testing
import WireMessages
import ZeroMQ

@testable import Fleet

/// What a coordinator answers to peers that are late, confused or hostile.
@Suite(.timeLimit(.minutes(1)))
struct ConversationTests {
    private func grant(_ payload: WireEnvelope.OneOf_Payload) -> WireGrant? {
        if case .grant(let grant) = payload { grant } else { nil }
    }

    private func verdict(_ payload: WireEnvelope.OneOf_Payload) -> WireVerdict? {
        if case .resultAck(let ack) = payload { ack.verdict } else { nil }
    }

    private func refusal(_ payload: WireEnvelope.OneOf_Payload) -> WireErrorCode? {
        if case .errorReply(let reply) = payload { reply.code } else { nil }
    }

    private func result(_ grant: WireGrant, spoiled: Bool = false) throws -> WireSegmentResult {
        let request = SegmentRequest(
            studyName: grant.studyName, studyJSON: grant.studyJson, trial: Int(grant.trial), fromStep: Int(grant.fromStep),
            toStep: Int(grant.toStep), state: grant.hasState ? try TrainingState(grant.state) : nil)
        var outcome = try FakeTrainer(secondsPerStep: 0).train(request, report: { _ in }, isCancelled: { false })
        if spoiled { outcome.state.embedding[0] += 1 }
        return try WireSegmentResult(outcome, of: request, studyID: grant.studyID, lease: grant.leaseID, attempt: grant.attempt)
    }

    @Test func doubledAndContradictingResultsChangeNothing() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let peer = try RawPeer(try coordinator.start())
        _ = try await coordinator.submit()
        _ = try await peer.joinAsWorker()
        let first = try await peer.next(grant)
        let good = try result(first)
        try peer.send(.segmentResult(good))
        #expect(try await peer.next(verdict) == .accepted)
        try peer.send(.segmentResult(good))
        #expect(try await peer.next(verdict) == .duplicate)
        try peer.send(.segmentResult(try result(first, spoiled: true)))
        #expect(try await peer.next(verdict) == .conflict)
        peer.stop()
        let worker = try bench.worker("ada", at: try #require(try? Endpoint(coordinator.status().endpoint)))
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        try bench.expectUndisturbedResult()
        worker.stop()
        coordinator.stop()
    }

    @Test func aDamagedResultIsRefused() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let peer = try RawPeer(try coordinator.start())
        _ = try await coordinator.submit()
        _ = try await peer.joinAsWorker()
        var damaged = try result(try await peer.next(grant))
        damaged.history[3].loss += 1
        try peer.send(.segmentResult(damaged))
        #expect(try await peer.next(refusal) == .invalid)
        #expect(try Ledger(at: bench.home.appendingPathComponent("ledger.sqlite")).facts()[0].trials[0].segments.isEmpty)
        peer.stop()
        coordinator.stop()
    }

    @Test func nobodySpeaksBeforeHello() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let peer = try RawPeer(try coordinator.start())
        try peer.send(.statusRequest(WireStatusRequest()))
        #expect(try await peer.next(refusal) == .helloRequired)
        peer.stop()
        coordinator.stop()
    }

    @Test func rolesAreKeptApart() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let peer = try RawPeer(endpoint)
        _ = try await peer.joinAsWorker()
        try peer.send(.statusRequest(WireStatusRequest()))
        #expect(try await peer.next(refusal) == .refused)
        let client = try RawPeer(endpoint)
        try client.send(.hello(RawPeer.hello(.client)))
        try client.beat("session-2")
        #expect(try await client.next(refusal) == .refused)
        peer.stop()
        client.stop()
        coordinator.stop()
    }

    @Test func anotherProtocolIsDeniedAndEndsTheWorker() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let peer = try RawPeer(try coordinator.start())
        var hello = RawPeer.hello(.worker)
        hello.protocolMajor = 9
        var envelope = WireEnvelope(.hello(hello), requestID: 3)
        envelope.protocolMajor = 9
        peer.send(frames: try WireCodec.encode(envelope))
        let denied = try await peer.next { if case .denied(let denied) = $0 { denied } else { nil } }
        #expect(denied.code == .version && denied.supported.map(\.major) == [1])
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
                ][count % 6])
        }
        _ = try await coordinator.submit()
        let worker = try bench.worker("ada", at: endpoint)
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        try bench.expectUndisturbedResult()
        peer.stop()
        worker.stop()
        coordinator.stop()
    }
}

@Suite(.timeLimit(.minutes(1)))
struct ClientTests {
    /// A client waits for its answer, so it must not sit on one of Swift's few threads.
    private func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result { try work() }) }.start()
        }
    }

    private func code(of work: @escaping @Sendable () throws -> some Sendable) async -> FleetError.Code? {
        do {
            _ = try await blocking(work)
            return nil
        } catch {
            return (error as? FleetError)?.code
        }
    }

    @Test func questionsGetTheirAnswers() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let client = FleetClient(try coordinator.start())
        let yaml = Bench.yaml()
        let submission = try await blocking { try client.submit(yaml: yaml, baseFolder: "/tmp", source: "study.yaml") }
        #expect(submission == Submission(id: "1", name: "teal-heart", isAlreadyThere: false))
        let worker = try bench.worker("ada", at: client.endpoint, FakeTrainer(secondsPerStep: 0.02))
        try await coordinator.wait("it runs") { ($0.studies.first?.trials[0].step ?? 0) > 3 }
        let status = try await blocking { try client.status(study: "1") }
        #expect(status.studies.map(\.name) == ["teal-heart"] && status.studies[0].state == .running)
        #expect(status.studies[0].trials[0].worker == "ada" && status.studies[0].trials[0].loss != nil)
        #expect(status.workers.map(\.name) == ["ada"] && status.workers[0].state == .busy && status.workers[0].study == "teal-heart")
        let cancellation = try await blocking { try client.cancel(study: "teal-heart") }
        #expect(cancellation.cancelledTrials == 1 && !cancellation.hadEnded)
        #expect(try await blocking { try client.cancel(study: "teal-heart") }.hadEnded)
        worker.stop()
        coordinator.stop()
    }

    @Test func refusalsAreTyped() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let client = FleetClient(try coordinator.start())
        #expect(await code { try client.status(study: "nobody") } == .notFound)
        #expect(await code { try client.cancel(study: "nobody") } == .notFound)
        #expect(await code { try client.submit(yaml: "study: [", baseFolder: "/tmp", source: "a.yaml") } == .invalid)
        #expect(await code { try client.submit(yaml: "", baseFolder: "/tmp", source: "a.yaml") } == .invalid)
        coordinator.stop()
    }

    @Test func aCoordinatorThatIsNotThereIsUnreachable() async throws {
        let client = FleetClient(try Endpoint("tcp://127.0.0.1:9"), connectTimeout: .milliseconds(300))
        #expect(await code { try client.status() } == .unreachable)
    }
}
