// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import Testing
import WireMessages
import ZeroMQ

@testable import Fleet

/// What has become unreadable or too large concerns nobody but its own trial.
@Suite(.timeLimit(.minutes(1)))
struct DamageTests {
    private func damage(_ bench: Bench, trial: Int) throws {
        let ledger = try Ledger(at: bench.home.appendingPathComponent("ledger.sqlite"))
        try ledger.database.write { try $0.execute(sql: "UPDATE segments SET payload = x'FF' WHERE trial = ?", arguments: [trial]) }
        ledger.close()
    }

    @Test func aTrialWhoseResultCannotBeReadFailsAloneAndTheOthersGoOn() async throws {
        let bench = try Bench()
        let first = try bench.coordinator()
        let endpoint = try first.start()
        let gate = Gate()
        let ada = try bench.worker("ada", at: endpoint, FakeTrainer(beforeStep: { if $0 == 12 { gate.pass() } }))
        try await first.submit(.sweep)
        try await first.wait("some trial has two segments") { _ in gate.hasVisitor }
        let hurt = try #require(first.status().study("sweep")?.trials.first { $0.state == .running }).index
        first.kill()
        ada.stop()
        gate.open()
        try damage(bench, trial: hurt)
        let second = try await bench.restart(at: endpoint)
        let ben = try bench.worker("ben", at: endpoint)
        let ended = try await second.waitUntilEnded("sweep", seconds: 40)
        #expect(ended.state == .complete && ended.counts.complete == 8 && ended.counts.failed == 1)
        #expect(ended.trials[hurt].failure.contains("the result before step 10 cannot be read"), "\(ended.trials[hurt].failure)")
        ben.stop()
        second.stop()
    }

    @Test func aCheckpointThatIsTooLargeIsRefusedUnread() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let client = FleetClient(try coordinator.start())
        try await coordinator.submit()
        let file = Home.checkpoint(in: bench.home, study: "teal-heart", trial: 0)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data().write(to: file)
        // More than there is memory, and nothing on the disk.
        let handle = try FileHandle(forWritingTo: file)
        try handle.truncate(atOffset: 1 << 40)
        try handle.close()
        let error = await #expect(throws: FleetError.self) {
            try await aside { try client.checkpoint(study: "teal-heart", trial: 0).trial }
        }
        #expect(error?.code == .refused && error?.message.contains("too many for a message") == true)
        coordinator.stop()
    }

    @Test func theLastEvaluationIsShownAfterARestartToo() async throws {
        let bench = try Bench()
        let first = try bench.coordinator()
        let endpoint = try first.start()
        let worker = try bench.worker("ada", at: endpoint)
        try await first.submit(FakeStudy { $0.steps = 20 })
        try await first.waitUntilEnded()
        let shown = try await first.wait("the evaluation is shown") { $0.trial?.evaluationLoss != nil }.trial?.evaluationLoss
        worker.stop()
        first.stop()
        let second = try await bench.restart(at: endpoint)
        try await second.wait("the same evaluation is shown") { $0.trial?.evaluationLoss == shown }
        second.stop()
    }

    @Test func drainingAWorkerThatIsGoneSaysSo() async throws {
        let bench = try Bench()
        let coordinator = try bench.coordinator()
        let worker = try bench.worker("ada", at: try coordinator.start())
        try await coordinator.wait("it is there") { $0.workers.count == 1 }
        worker.stop()
        try await coordinator.wait("it has left") { $0.workers.allSatisfy { $0.state == .lost } }
        let error = await #expect(throws: FleetError.self) { try await coordinator.command(.drain, "ada") }
        #expect(error?.code == .notFound && error?.message.contains("worker ada is gone") == true)
        coordinator.stop()
    }

    @Test func jobsAreTheSameOnlyIfTheirStepsAre() {
        let task = Job.Task.train(trial: 1, fromStep: 10, toStep: 20, state: nil)
        #expect(task.isSame(as: .train(trial: 1, fromStep: 10, toStep: 20, state: nil)))
        #expect(!task.isSame(as: .train(trial: 1, fromStep: 20, toStep: 30, state: nil)))
        #expect(!task.isSame(as: .train(trial: 1, fromStep: 10, toStep: 30, state: nil)))
        #expect(Job.Task.encode(part: 1).isSame(as: .encode(part: 1)) && !task.isSame(as: .encode(part: 1)))
    }
}
