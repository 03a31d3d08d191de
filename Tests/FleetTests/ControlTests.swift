// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import ZeroMQ

@testable import Fleet

/// What people tell a fleet to do.
@Suite(.timeLimit(.minutes(1)))
struct ControlTests {
    private func granted(_ bench: Bench) throws -> [LogEntry] {
        try Ledger(reading: bench.home.appendingPathComponent("ledger.sqlite")).events(after: 0, target: "", limit: 5000)
            .filter { $0.kind == "granted" }
    }

    @Test func aCancelledStudyStopsItsWorker() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(secondsPerStep: 0.02))
        try await coordinator.submit(FakeStudy { ($0.steps, $0.every) = (100_000, 100_000) })
        try await coordinator.wait("it runs") { ($0.trial?.step ?? 0) > 2 }
        let outcome = try await coordinator.command(.cancel, "teal-heart")
        #expect(outcome.id == "1" && outcome.name == "teal-heart" && !outcome.wasSo && outcome.count == 1)
        let status = try await coordinator.wait("the worker is free") { $0.workers.first?.state == .idle }
        #expect(status.studies[0].state == .cancelled && status.trial?.state == .cancelled)
        let second = FakeStudy { $0.name = "second" }
        try await coordinator.submit(second)
        #expect(try await coordinator.waitUntilEnded("second").state == .complete)
        worker.stop()
        coordinator.stop()
    }

    @Test(arguments: [false, true])
    func aPausedStudyGoesOnWhereItStopped(sharesSteps: Bool) async throws {
        let study = FakeStudy { $0.sharesSteps = sharesSteps }
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(secondsPerStep: 0.01, secondsPerSlice: 0.003))
        try await coordinator.submit(study)
        try await coordinator.wait("it runs") { ($0.trial?.step ?? 0) >= 15 }
        let outcome = try await coordinator.command(.pause, "1")
        #expect(!outcome.wasSo && outcome.count == 1 && outcome.name == "teal-heart")
        #expect(try await coordinator.command(.pause, "teal-heart").wasSo)
        let paused = try await coordinator.wait("the worker is free") { $0.workers.first?.state == .idle }
        #expect(paused.studies[0].state == .paused && paused.trial?.state == .waiting)
        try await Task.sleep(for: .milliseconds(400))
        let still = coordinator.status()
        #expect(still.trial?.step == paused.trial?.step && still.workers.first?.state == .idle)
        #expect(try await coordinator.command(.resume, "teal-heart").wasSo == false)
        #expect(try await coordinator.command(.resume, "teal-heart").wasSo)
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        try await bench.expectUndisturbedResult(study)
        worker.stop()
        coordinator.stop()
    }

    @Test func aPauseOutlivesTheCoordinator() async throws {
        let bench = try Bench()
        let first = try bench.coordinator()
        let endpoint = try first.start()
        try await first.submit()
        _ = try await first.command(.pause, "teal-heart")
        _ = try await first.command(.prioritize, "teal-heart", priority: 7)
        first.kill()
        let second = try await bench.restart(at: endpoint)
        let worker = try bench.worker("ada", at: endpoint)
        try await second.wait("the worker is there") { $0.workers.count == 1 }
        try await Task.sleep(for: .milliseconds(400))
        #expect(second.status().studies[0].state == .paused && second.status().studies[0].priority == 7 && second.status().trial?.step == 0)
        _ = try await second.command(.resume, "teal-heart")
        #expect(try await second.waitUntilEnded().state == .complete)
        worker.stop()
        second.stop()
    }

    @Test func oneTrialOfManyIsPausedAndResumedOrEnded() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        try await coordinator.submit(.sweep)
        #expect(try await coordinator.command(.cancel, "sweep", trial: 3).count == 1)
        _ = try await coordinator.command(.pause, "sweep", trial: 5)
        let workers = try ["ada", "ben"].map { try bench.worker($0, at: endpoint) }
        let status = try await coordinator.wait("only the paused one is left") { $0.study("sweep")?.counts.complete == 7 }
        let study = try #require(status.study("sweep"))
        #expect(study.state == .paused && study.trials[5].state == .paused && study.trials[3].state == .pruned)
        #expect(study.trials[3].failure == "it was cancelled" && study.counts.pruned == 1)
        #expect(try await coordinator.command(.cancel, "sweep", trial: 3).wasSo)
        _ = try await coordinator.command(.resume, "sweep", trial: 5)
        #expect(try await coordinator.waitUntilEnded("sweep").state == .complete)
        try await bench.expectUndisturbedResult(.sweep, trial: 5)
        workers.forEach { $0.stop() }
        coordinator.stop()
    }

    @Test func theMoreUrgentStudyIsServedFirst() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        try await coordinator.submit(FakeStudy { $0.name = "first" })
        try await coordinator.submit(FakeStudy { $0.name = "second" })
        #expect(try await coordinator.command(.prioritize, "second", priority: 5).wasSo == false)
        #expect(try await coordinator.command(.prioritize, "second", priority: 5).wasSo)
        let worker = try bench.worker("ada", at: endpoint)
        try await coordinator.waitUntilEnded("second")
        try await coordinator.waitUntilEnded("first")
        #expect(try granted(bench).map(\.study) == Array(repeating: "second", count: 6) + Array(repeating: "first", count: 6))
        worker.stop()
        coordinator.stop()
    }

    @Test func aDrainedWorkerFinishesWhatItHasAndLeaves() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let gate = Gate()
        let ada = try bench.worker("ada", at: endpoint, FakeTrainer(beforeStep: { if $0 == 15 { gate.pass() } }))
        try await coordinator.submit()
        try await coordinator.wait("it is in the middle of a segment") { _ in gate.hasVisitor }
        let outcome = try await coordinator.command(.drain, "ada")
        #expect(outcome.name == "ada" && outcome.id == ada.id && outcome.count == 1 && !outcome.wasSo)
        #expect(try await coordinator.command(.drain, ada.id).wasSo)
        #expect(coordinator.status().workers.map(\.state) == [.draining])
        let ben = try bench.worker("ben", at: endpoint)
        gate.open()
        #expect(await ada.waitUntilStopped() == .stopped)
        let ended = try await coordinator.waitUntilEnded()
        // Its segment was not given to anybody else.
        #expect(ended.state == .complete && ended.trials[0].attempt == 6)
        #expect(try granted(bench).map(\.worker) == ["ada", "ada", "ben", "ben", "ben", "ben"])
        try await bench.expectUndisturbedResult()
        ben.stop()
        coordinator.stop()
    }

    @Test func aWorkerThatIsToldToStopFinishesWhatItHasToo() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(secondsPerStep: 0.01))
        try await coordinator.submit()
        try await coordinator.wait("it is in the middle of a segment") { ($0.trial?.step ?? 0) >= 13 }
        worker.drain()
        #expect(await worker.waitUntilStopped() == .stopped)
        let status = try await coordinator.wait("it has left") { $0.workers.isEmpty }
        #expect((status.trial?.step ?? 0).isMultiple(of: 10) && status.trial?.state == .waiting)
        coordinator.stop()
    }

    @Test func aDrainInTheMiddleOfASharedStepGivesTheSlicesToOthers() async throws {
        let study = FakeStudy { $0.sharesSteps = true }
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let workers = try ["ada", "ben"].map { try bench.worker($0, at: endpoint, FakeTrainer(secondsPerSlice: 0.003)) }
        try await coordinator.wait("both are there") { $0.workers.count == 2 }
        try await coordinator.submit(study)
        try await coordinator.wait("it runs") { ($0.trial?.step ?? 0) >= 15 && $0.trial?.workers == 2 }
        _ = try await coordinator.command(.drain, "ada")
        #expect(await workers[0].waitUntilStopped() == .stopped)
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        try await bench.expectUndisturbedResult(study)
        workers[1].stop()
        coordinator.stop()
    }
}
