// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import ZeroMQ

@testable import Fleet

/// Studies of many trials.
@Suite(.timeLimit(.minutes(1)))
struct SearchFleetTests {
    private func expectAllTrials(_ bench: Bench, _ study: FakeStudy) async throws {
        for trial in 0..<9 { try await bench.expectUndisturbedResult(study, trial: trial) }
    }

    /// The trial that has to be the best one, whatever the fleet did.
    private func best(_ study: FakeStudy) throws -> Int {
        let losses = try (0..<9).map { try FakeTrainer.undisturbed(study, trial: $0).state.best?.loss ?? .infinity }
        return losses.indices.min { (losses[$0], $0) < (losses[$1], $1) } ?? 0
    }

    @Test(arguments: [false, true])
    func everyTrialOfASweepIsTrainedAndTheBestOneIsKnown(sharesSteps: Bool) async throws {
        var study = FakeStudy.sweep
        study.sharesSteps = sharesSteps
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let workers = try ["ada", "ben", "cyd", "dan"].map { try bench.worker($0, at: endpoint) }
        try await coordinator.submit(study)
        let ended = try await coordinator.waitUntilEnded("sweep", seconds: 40)
        #expect(ended.state == .complete && ended.trials.map(\.index) == Array(0..<9))
        #expect(ended.counts == FleetStatus.Counts(all: 9, waiting: 0, running: 0, complete: 9, failed: 0, pruned: 0))
        let best = try best(study)
        #expect(ended.bestTrial == best && ended.best?.index == best)
        #expect(ended.ranked.compactMap(\.bestLoss) == ended.trials.compactMap(\.bestLoss).sorted())
        // In byte order of the keys; the last one changes fastest.
        #expect(
            ended.trials[5].parameters
                == [.init(key: "training.batch", value: "4"), .init(key: "training.learning_rate", value: "3e-2")])
        #expect(ended.stepsDone == 180 && ended.stepsTotal == 180)
        try await expectAllTrials(bench, study)
        let client = FleetClient(endpoint)
        #expect(try await aside { try client.checkpoint(study: "sweep", trial: nil).trial } == best)
        workers.forEach { $0.stop() }
        coordinator.stop()
    }

    @Test func aSweepGoesOnAfterItsCoordinatorWasKilled() async throws {
        let bench = try Bench()
        let first = try bench.coordinator()
        let endpoint = try first.start()
        let workers = try ["ada", "ben", "cyd"].map { try bench.worker($0, at: endpoint, FakeTrainer(secondsPerStep: 0.005)) }
        try await first.submit(.sweep)
        try await first.wait("some trials are complete") { ($0.study("sweep")?.counts.complete ?? 0) >= 2 }
        first.kill()
        let second = try await bench.restart(at: endpoint)
        #expect((second.status().study("sweep")?.counts.complete ?? 0) >= 2)
        #expect(try await second.waitUntilEnded("sweep", seconds: 40).counts.complete == 9)
        try await expectAllTrials(bench, .sweep)
        workers.forEach { $0.stop() }
        second.stop()
    }

    @Test func oneTrialThatFailsDoesNotHoldUpTheOthers() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let endpoint = try coordinator.start()
        let worker = try bench.worker("ada", at: endpoint, FakeTrainer(secondsPerStep: 0.0005))
        var study = FakeStudy.sweep
        study.more = study.more.replacing("\"3e-2\"", with: "\"1e38\"")
        try await coordinator.submit(study)
        let ended = try await coordinator.waitUntilEnded("sweep", seconds: 40)
        #expect(ended.state == .complete && ended.counts.complete == 6 && ended.counts.failed == 3)
        #expect(ended.trials.filter { $0.state == .failed }.map(\.index) == [2, 5, 8])
        #expect(ended.trials[2].failure.contains("lower the learning rate"), "\(ended.trials[2].failure)")
        try await bench.expectUndisturbedResult(study, trial: 1)
        worker.stop()
        coordinator.stop()
    }

    @Test func ofManyTrialsOnlyThoseThatMatterAreListedUnlessAllAreAskedFor() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let client = FleetClient(try coordinator.start())
        let study = FakeStudy {
            $0.name = "many"
            $0.more = """
                search:
                  method: random
                  trials: 30
                  parameters:
                    training.learning_rate: {log_uniform: [1e-4, 1e-1]}
                """
        }
        try await coordinator.submit(study)
        let status = coordinator.status()
        #expect(status.studies[0].trials.isEmpty && status.studies[0].counts.all == 30 && status.waitingTrials == 30)
        #expect(try await aside { try client.status(allTrials: true) }.studies[0].trials.count == 30)
        let one = try await aside { try client.status(study: "many") }.studies[0]
        #expect(one.trials.map(\.index) == Array(0..<30) && Set(one.trials.map { $0.parameters.map(\.value) }).count == 30)
        coordinator.stop()
    }
}
