// SPDX-License-Identifier: Apache-2.0

import Checkpoints
import Foundation
import Synchronization
import Testing
import ZeroMQ

@testable import Fleet

@Suite(.timeLimit(.minutes(1)))
struct FleetTests {
    @Test func aStudyCompletesAndItsCheckpointHoldsTheResult() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        #expect(Discovery.read(from: bench.home)?.endpoint == endpoint.description)
        let workers = try ["ada", "ben"].map { try bench.worker($0, at: endpoint) }
        let submission = try await coordinator.submit()
        #expect(submission == Submission(id: "1", name: "teal-heart", isAlreadyThere: false))
        let study = try await coordinator.waitUntilEnded()
        #expect(study.state == .complete && study.trials[0].state == .complete && study.trials[0].step == 60)
        #expect(study.trials[0].checkpointPath.hasSuffix("studies/teal-heart/trial-0/checkpoint.h5"))
        try bench.expectUndisturbedResult()
        let file = bench.home.appendingPathComponent("studies/teal-heart/study.yaml")
        #expect(try String(contentsOf: file, encoding: .utf8) == Bench.yaml())
        workers.forEach { $0.stop() }
        try await coordinator.wait("both workers have left") { $0.workers.isEmpty }
        coordinator.stop()
        #expect(Discovery.read(from: bench.home) == nil)
    }

    @Test func aKilledWorkerCostsNothingButTime() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let middle = Gate()
        let victim = try bench.worker(
            "victim", at: endpoint, FakeTrainer(secondsPerStep: 0.03, beforeStep: { if $0 == 25 { middle.pass() } }))
        _ = try await coordinator.submit()
        try await coordinator.wait("the victim is in the middle of a segment") { _ in middle.hasVisitor }
        let attempt = try #require(coordinator.status().study("teal-heart")?.trials[0].attempt)
        middle.open()
        victim.kill()
        let heir = try bench.worker("heir", at: endpoint)
        let ended = try await coordinator.waitUntilEnded()
        #expect(ended.state == .complete && ended.trials[0].attempt > attempt)
        try bench.expectUndisturbedResult()
        heir.stop()
        coordinator.stop()
    }

    @Test(arguments: [true, false])
    func aRestartedCoordinatorGoesOn(killed: Bool) async throws {
        let bench = try Bench()
        let first = try bench.coordinator()
        let endpoint = try first.start()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(secondsPerStep: 0.01))
        _ = try await first.submit()
        try await first.wait("some segments are done") { ($0.studies.first?.trials[0].step ?? 0) >= 25 }
        if killed { first.kill() } else { first.stop() }
        let second = try await restart(bench, at: endpoint)
        #expect((second.status().study("teal-heart")?.trials[0].step ?? 0) >= 20)
        #expect(try await second.waitUntilEnded().state == .complete)
        try bench.expectUndisturbedResult()
        worker.stop()
        second.stop()
    }

    @Test func aResultThatWasComputedWithoutACoordinatorCounts() async throws {
        let bench = try Bench()
        let gate = Gate()
        let first = try bench.coordinator()
        let endpoint = try first.start()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(beforeStep: { if $0 == 15 { gate.pass() } }))
        _ = try await first.submit()
        try await first.wait("the worker waits in the second segment") { _ in gate.hasVisitor }
        first.kill()
        gate.open()
        try await Task.sleep(for: .milliseconds(100))
        let second = try await restart(bench, at: endpoint)
        let study = try await second.waitUntilEnded()
        // Six segments in six attempts: the work that was done meanwhile was not done again.
        #expect(study.state == .complete && study.trials[0].attempt == 6)
        try bench.expectUndisturbedResult()
        worker.stop()
        second.stop()
    }

    @Test func wrongInputFailsTheTrialAtOnceWithItsMessage() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let worker = try bench.worker(
            "ada", at: endpoint, FakeTrainer(beforeStep: { if $0 == 12 { throw SegmentFailure(.input, "pictures/3.png: not a picture") } }))
        _ = try await coordinator.submit()
        let study = try await coordinator.waitUntilEnded()
        #expect(study.state == .failed && study.trials[0].failure == "pictures/3.png: not a picture" && study.trials[0].attempt == 2)
        #expect(try bench.checkpoint().optimizer.step == 10)
        worker.stop()
        coordinator.stop()
    }

    @Test func aWorkersOwnTroubleIsRetriedFiveTimes() async throws {
        struct Crash: Error {}
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(beforeStep: { if $0 == 12 { throw Crash() } }))
        _ = try await coordinator.submit()
        let study = try await coordinator.waitUntilEnded()
        #expect(study.state == .failed && study.trials[0].attempt == 6)
        #expect(study.trials[0].failure == "steps 10 to 20 crashed their worker 5 times without progress; the last time: Crash()")
        worker.stop()
        coordinator.stop()
    }

    @Test func aCancelledStudyStopsItsWorker() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(secondsPerStep: 0.02))
        _ = try await coordinator.submit(Bench.yaml(steps: 100_000, every: 100_000))
        try await coordinator.wait("it runs") { ($0.studies.first?.trials[0].step ?? 0) > 2 }
        let cancellation = try await coordinator.cancel("teal-heart")
        #expect(cancellation == Cancellation(id: "1", name: "teal-heart", hadEnded: false, cancelledTrials: 1))
        let status = try await coordinator.wait("the worker is free") { $0.workers.first?.state == .idle }
        #expect(status.studies[0].state == .cancelled && status.studies[0].trials[0].state == .cancelled)
        _ = try await coordinator.submit(Bench.yaml("second"))
        #expect(try await coordinator.waitUntilEnded("second").state == .complete)
        worker.stop()
        coordinator.stop()
    }

    @Test func aCheckpointThatCannotBeWrittenStopsNothingAndIsTriedAgain() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let obstacle = bench.home.appendingPathComponent("studies/teal-heart/trial-0")
        _ = try await coordinator.submit()
        try Data().write(to: obstacle)
        let gate = Gate()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(beforeStep: { if $0 == 35 { gate.pass() } }))
        let status = try await coordinator.wait("the trial goes on") { ($0.studies.first?.trials[0].step ?? 0) >= 30 }
        #expect(status.problems.count == 1 && status.studies[0].trials[0].failure.contains("checkpoint could not be written"))
        try FileManager.default.removeItem(at: obstacle)
        gate.open()
        #expect(try await coordinator.waitUntilEnded().trials[0].failure == "")
        try bench.expectUndisturbedResult()
        worker.stop()
        coordinator.stop()
    }

    @Test func twoCoordinatorsInOneHomeAreRefused() throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let error = #expect(throws: FleetError.self) { try bench.coordinator() }
        #expect(error?.code == .homeInUse && error?.message.contains(endpoint.description) == true)
        coordinator.stop()
    }

    @Test(arguments: ["tcp://0.0.0.0:0", "tcp://*:0", "tcp://[::]:0", "tcp://192.0.2.1:7400"])
    func otherMachinesCannotReachIt(endpoint: String) throws {
        let bench = try Bench()
        let error = #expect(throws: FleetError.self) { try bench.coordinator(at: endpoint) }
        #expect(error?.code == .refused && error?.message.contains("this version listens on loopback only") == true)
    }

    @Test func aStudyIsSubmittedOnce() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        try coordinator.start()
        _ = try await coordinator.submit()
        #expect(try await coordinator.submit().isAlreadyThere)
        await #expect(throws: FleetError.self) { try await coordinator.submit(Bench.yaml(steps: 61)) }
        coordinator.stop()
    }

    /// The lock and the port of a coordinator that was killed are free when its thread has ended and its objects are gone.
    private func restart(_ bench: Bench, at endpoint: Endpoint) async throws -> CoordinatorService {
        let end = ContinuousClock.now + .seconds(5)
        while true {
            do {
                let coordinator = try bench.coordinator(at: endpoint.description)
                try coordinator.start()
                return coordinator
            } catch  where ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
