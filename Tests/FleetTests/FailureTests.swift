// SPDX-License-Identifier: Apache-2.0

import Checkpoints
import Coordination
import Foundation
import Testing
import ZeroMQ

@testable import Fleet

/// Work that fails, and disks that refuse.
@Suite(.timeLimit(.minutes(1)))
struct FailureTests {
    struct Crash: Error {}

    @Test func wrongInputFailsTheTrialAtOnceWithItsMessage() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let worker = try bench.worker(
            "ada", at: endpoint, FakeTrainer(beforeStep: { if $0 == 12 { throw SegmentFailure(.input, "pictures/3.png: not a picture") } }))
        try await coordinator.submit()
        let study = try await coordinator.waitUntilEnded()
        #expect(study.state == .failed && study.trials[0].failure == "pictures/3.png: not a picture" && study.trials[0].attempt == 2)
        #expect(try await bench.checkpoint("teal-heart", trial: 0, at: 10).optimizer.step == 10)
        worker.stop()
        coordinator.stop()
    }

    @Test func aWorkersOwnTroubleIsRetriedFiveTimes() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(beforeStep: { if $0 == 12 { throw Crash() } }))
        try await coordinator.submit()
        let study = try await coordinator.waitUntilEnded()
        #expect(study.state == .failed && study.trials[0].attempt == 6)
        #expect(study.trials[0].failure == "steps 10 to 20 crashed their worker 5 times without progress; the last time: Crash()")
        worker.stop()
        coordinator.stop()
    }

    @Test func aMachineThatCannotDoItNowIsNotTheWorksFault() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let full = try bench.worker(
            "full", at: endpoint, FakeTrainer(beforeStep: { _ in throw SegmentFailure(.unable, "no space left on device") }))
        try await coordinator.submit()
        try await coordinator.wait("it was tried there") { ($0.trial?.attempt ?? 0) >= 2 }
        let good = try bench.worker("good", at: endpoint)
        let study = try await coordinator.waitUntilEnded()
        #expect(study.state == .complete && study.trials[0].failure.isEmpty)
        try await bench.expectUndisturbedResult()
        full.stop()
        good.stop()
        coordinator.stop()
    }

    @Test(arguments: [SegmentFailure.Kind.input, .numeric])
    func aSliceThatCannotBeComputedAnywhereFailsTheTrial(kind: SegmentFailure.Kind) async throws {
        let study = FakeStudy { $0.sharesSteps = true }
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let workers = try ["ada", "ben"].map { name in
            try bench.worker(
                name, at: endpoint,
                FakeTrainer(beforeSlice: { if $0.kind == .gradient, $0.step == 12 { throw SegmentFailure(kind, "it is not finite") } }))
        }
        try await coordinator.submit(study)
        let ended = try await coordinator.waitUntilEnded()
        #expect(ended.state == .failed && ended.trials[0].failure == "it is not finite" && ended.trials[0].step == 10)
        workers.forEach { $0.stop() }
        coordinator.stop()
    }

    @Test func aSliceThatCrashesEveryWorkerIsGivenUpWithItsReason() async throws {
        let study = FakeStudy { $0.sharesSteps = true }
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let workers = try ["ada", "ben"].map { name in
            try bench.worker(
                name, at: endpoint, FakeTrainer(beforeSlice: { if $0.kind == .gradient, $0.step == 3, $0.slice == 1 { throw Crash() } }))
        }
        try await coordinator.submit(study)
        let ended = try await coordinator.waitUntilEnded()
        #expect(ended.state == .failed)
        #expect(ended.trials[0].failure.contains("gradient 1.0 step 3 slice 1 crashed their worker 5 times"), "\(ended.trials[0].failure)")
        workers.forEach { $0.stop() }
        coordinator.stop()
    }

    @Test func aCheckpointThatCannotBeWrittenStopsNothingAndIsTriedAgain() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let obstacle = bench.home.appendingPathComponent("studies/teal-heart/trial-0")
        try await coordinator.submit()
        try Data().write(to: obstacle)
        let gate = Gate()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(beforeStep: { if $0 == 35 { gate.pass() } }))
        let status = try await coordinator.wait("the trial goes on, and the problem is shown") {
            ($0.trial?.step ?? 0) >= 30 && !$0.problems.isEmpty
        }
        #expect(status.problems.count == 1 && status.trial?.failure.contains("checkpoint could not be written") == true)
        try FileManager.default.removeItem(at: obstacle)
        gate.open()
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        try await bench.expectUndisturbedResult()
        try await coordinator.wait("the problem is gone") { $0.problems.isEmpty && $0.trial?.failure == "" }
        worker.stop()
        coordinator.stop()
    }
}
