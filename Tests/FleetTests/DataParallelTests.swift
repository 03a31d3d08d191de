// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Testing
import ZeroMQ

@testable import Fleet

/// One trial over many workers: the same bits as from one, whoever comes and goes.
@Suite(.timeLimit(.minutes(1)))
struct DataParallelTests {
    private static let study = FakeStudy {
        ($0.steps, $0.every, $0.batch, $0.microbatch, $0.sharesSteps) = (24, 6, 8, 1, true)
    }

    @Test(arguments: [1, 3, 8])
    func workersShareStepsAndTheBitsAreThoseOfOne(count: Int) async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let notes = Notes<String>()
        let workers = try (0..<count).map { number in
            try bench.worker(
                "worker-\(number)", at: endpoint,
                FakeTrainer(beforeSlice: { if $0.kind == .gradient { notes.add("worker-\(number)") } }))
        }
        try await coordinator.wait("all are there") { $0.workers.count == count }
        try await coordinator.submit(Self.study)
        let ended = try await coordinator.waitUntilEnded()
        #expect(ended.state == .complete && ended.parallel == "data" && ended.trials[0].step == 24)
        try await bench.expectUndisturbedResult(Self.study)
        #expect(Set(notes.all).count > count / 2)
        // Nothing was computed twice but what somebody waited for too long.
        #expect(notes.all.count >= 24 * 8)
        workers.forEach { $0.stop() }
        coordinator.stop()
    }

    /// A study's digests do not tell how it was shared out.
    @Test func segmentsAreTheSameInBothModes() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        var alone = Self.study
        alone.sharesSteps = false
        let worker = try bench.worker("ada", at: endpoint)
        try await coordinator.submit(Self.study)
        try await coordinator.waitUntilEnded()
        let other = try Bench()
        let second = try other.coordinator()
        let helper = try other.worker("ben", at: try second.start())
        try await second.submit(alone)
        try await second.waitUntilEnded()
        func digests(_ bench: Bench) throws -> [String] {
            try Ledger(reading: bench.home.appendingPathComponent("ledger.sqlite")).facts()[0].trials[0].segments.map(\.digest)
        }
        let (shared, whole) = (try digests(bench), try digests(other))
        #expect(shared == whole && shared.count == 4)
        worker.stop()
        helper.stop()
        coordinator.stop()
        second.stop()
    }

    @Test func aWorkerThatDiesInTheMiddleOfAStepCostsNothingButTime() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let gate = Gate()
        let victim = try bench.worker(
            "victim", at: endpoint, FakeTrainer(beforeSlice: { if $0.kind == .gradient, $0.step == 9 { gate.pass() } }))
        let heirs = try ["ada", "ben"].map { try bench.worker($0, at: endpoint) }
        try await coordinator.wait("all are there") { $0.workers.count == 3 }
        try await coordinator.submit(Self.study)
        try await coordinator.wait("the victim is in the middle of a step") { _ in gate.hasVisitor }
        // Its compute thread still waits at the gate when everything else of it is gone.
        async let death: Void = aside { victim.kill() }
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        try await bench.expectUndisturbedResult(Self.study)
        gate.open()
        try await death
        heirs.forEach { $0.stop() }
        coordinator.stop()
    }

    @Test func aWorkerThatIsFarTooSlowIsNotWaitedFor() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let gate = Gate()
        let slow = try bench.worker(
            "slow", at: endpoint, FakeTrainer(beforeSlice: { if $0.kind == .gradient, $0.step == 9 { gate.pass() } }))
        let quick = try bench.worker("quick", at: endpoint)
        try await coordinator.wait("both are there") { $0.workers.count == 2 }
        try await coordinator.submit(Self.study)
        // It heartbeats and is in good health; only its slice takes for ever.
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        #expect(gate.hasVisitor && coordinator.status().workers.count == 2)
        try await bench.expectUndisturbedResult(Self.study)
        gate.open()
        slow.stop()
        quick.stop()
        coordinator.stop()
    }

    @Test(arguments: [true, false])
    func aCoordinatorThatEndsInTheMiddleOfASegmentGoesOnFromTheLastOne(killed: Bool) async throws {
        let bench = try Bench()
        let first = try bench.coordinator()
        let endpoint = try first.start()
        let gate = Gate()
        let workers = try ["ada", "ben"].map { name in
            try bench.worker(name, at: endpoint, FakeTrainer(beforeSlice: { if $0.kind == .gradient, $0.step == 9 { gate.pass() } }))
        }
        try await first.submit(Self.study)
        try await first.wait("it is in the middle of the second segment") { gate.hasVisitor && $0.trial?.step == 9 }
        if killed { first.kill() } else { first.stop() }
        gate.open()
        let second = try await bench.restart(at: endpoint)
        #expect(try await second.waitUntilEnded().state == .complete)
        try await bench.expectUndisturbedResult(Self.study)
        workers.forEach { $0.stop() }
        second.stop()
    }
}
