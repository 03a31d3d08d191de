// SPDX-License-Identifier: Apache-2.0

import Checkpoints
import Foundation
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
        try await bench.expectUndisturbedResult()
        let status = try await coordinator.wait("the file is shown") { !($0.trial?.checkpointPath.isEmpty ?? true) }
        #expect(status.trial?.checkpointPath.hasSuffix("studies/teal-heart/trial-0/checkpoint.h5") == true)
        let file = bench.home.appendingPathComponent("studies/teal-heart/study.yaml")
        #expect(try String(contentsOf: file, encoding: .utf8) == FakeStudy().yaml)
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
        try await coordinator.submit()
        try await coordinator.wait("the victim is in the middle of a segment") { _ in middle.hasVisitor }
        let attempt = try #require(coordinator.status().study("teal-heart")?.trials[0].attempt)
        middle.open()
        victim.kill()
        let heir = try bench.worker("heir", at: endpoint)
        let ended = try await coordinator.waitUntilEnded()
        #expect(ended.state == .complete && ended.trials[0].attempt > attempt)
        try await bench.expectUndisturbedResult()
        heir.stop()
        coordinator.stop()
    }

    @Test(arguments: [true, false])
    func aRestartedCoordinatorGoesOn(killed: Bool) async throws {
        let bench = try Bench()
        let first = try bench.coordinator()
        let endpoint = try first.start()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(secondsPerStep: 0.01))
        try await first.submit()
        try await first.wait("some segments are done") { ($0.trial?.step ?? 0) >= 25 }
        if killed { first.kill() } else { first.stop() }
        let second = try await bench.restart(at: endpoint)
        #expect((second.status().study("teal-heart")?.trials[0].step ?? 0) >= 20)
        #expect(try await second.waitUntilEnded().state == .complete)
        try await bench.expectUndisturbedResult()
        worker.stop()
        second.stop()
    }

    @Test func aResultThatWasComputedWithoutACoordinatorCounts() async throws {
        let bench = try Bench()
        let gate = Gate()
        let first = try bench.coordinator()
        let endpoint = try first.start()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(beforeStep: { if $0 == 15 { gate.pass() } }))
        try await first.submit()
        try await first.wait("the worker waits in the second segment") { _ in gate.hasVisitor }
        first.kill()
        gate.open()
        try await Task.sleep(for: .milliseconds(100))
        let second = try await bench.restart(at: endpoint)
        let study = try await second.waitUntilEnded()
        // Six segments in six attempts: the work that was done meanwhile was not done again.
        #expect(study.state == .complete && study.trials[0].attempt == 6)
        try await bench.expectUndisturbedResult()
        worker.stop()
        second.stop()
    }

    @Test func twoCoordinatorsInOneHomeAreRefused() throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let error = #expect(throws: FleetError.self) { try bench.coordinator() }
        #expect(error?.code == .homeInUse && error?.message.contains(endpoint.description) == true)
        #expect(Home.isInUse(bench.home))
        coordinator.stop()
        #expect(!Home.isInUse(bench.home))
    }

    @Test(arguments: ["tcp://0.0.0.0:0", "tcp://*:0", "tcp://[::]:0", "tcp://192.0.2.1:7400"])
    func withoutKeysOtherMachinesCannotReachIt(endpoint: String) throws {
        let bench = try Bench()
        let error = #expect(throws: FleetError.self) { try bench.coordinator(at: endpoint) }
        #expect(error?.code == .refused && error?.message.contains("without keys") == true)
    }

    @Test func aStudyIsSubmittedOnce() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        try coordinator.start()
        try await coordinator.submit()
        #expect(try await coordinator.submit().isAlreadyThere)
        await #expect(throws: FleetError.self) { try await coordinator.submit(FakeStudy { $0.steps = 61 }) }
        coordinator.stop()
    }
}
