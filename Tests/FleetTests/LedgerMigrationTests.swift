// SPDX-License-Identifier: Apache-2.0

import Checkpoints
import Coordination
import Foundation
import GRDB
import Testing
import WireMessages

@testable import Fleet

/// Homes of earlier releases: `scripts/fixtures/make_ledger_fixtures.py` wrote their ledgers.
@Suite(.timeLimit(.minutes(1)))
struct LedgerMigrationTests {
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/ledgers")
    private static let trial = TrialID(study: StudyID(1), index: 0)

    /// A bench whose home holds a copy.
    private func bench(_ name: String) throws -> Bench {
        let bench = try Bench()
        try FileManager.default.createDirectory(at: bench.home, withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: Self.fixtures.appendingPathComponent(name), to: url(bench))
        return bench
    }

    private func url(_ bench: Bench) -> URL { bench.home.appendingPathComponent("ledger.sqlite") }

    @Test func version1IsReadWithAllThatItHolds() throws {
        let bench = try bench("ledger-v1.sqlite")
        let ledger = try Ledger(at: url(bench))
        let facts = try ledger.facts()
        #expect(facts.count == 1 && facts[0].state == .running && facts[0].priority == 0 && !facts[0].isPaused && facts[0].encoded.isEmpty)
        let plan = facts[0].plan
        #expect(plan == StudyPlan(id: StudyID(1), name: "teal-heart", trialCount: 1, steps: 40, segmentSteps: 10))
        let trial = facts[0].trials[0]
        #expect(trial.record == TrialRecord(trial: Self.trial, state: .running, step: 20, attempt: 3))
        #expect(trial.segments.map(\.toStep) == [10, 20] && trial.segments.map(\.best?.loss) == [0.9, 0.8])
        #expect(trial.conflicts.mapValues(\.count) == [0: 1] && trial.previews.isEmpty)
        #expect(try ledger.studies()[0].manifest.isEmpty && ledger.settings(of: Self.trial) == nil)
        #expect(try ledger.events(after: 0, target: "", limit: 10).isEmpty)
        #expect(try ledger.read { try Int.fetchOne($0, sql: "PRAGMA user_version") } == 2)
    }

    @Test func resultsOfProtocol1KeepTheirMeaningAndTheirDigests() throws {
        let ledger = try Ledger(at: url(try bench("ledger-v1.sqlite")))
        let digests = try ledger.facts()[0].trials[0].segments.map(\.digest)
        for (index, payload) in try ledger.payloads(of: Self.trial).enumerated() {
            var result = try WireSegmentResult(stored: payload)
            #expect(result.fromStep == UInt32(10 * index) && result.toStep == UInt32(10 * index + 10))
            #expect(result.history.count == 10 && result.cpu == "fake" && result.digest.hexadecimal == digests[index])
            let state = try TrainingState(result.after)
            #expect(state.count == 2 && state.width == 4 && state.embedding.first == Float(result.toStep) / 8)
            // Lease and trial stood in fields that are no more.
            (result.lease.study, result.lease.trial) = (1, 0)
            #expect(result.contentDigest.hexadecimal == digests[index])
        }
    }

    @Test func aLedgerIsMigratedByItsCoordinatorAndThenReadByEverybody() throws {
        let bench = try bench("ledger-v1.sqlite")
        let error = #expect(throws: FleetError.self) { try Ledger(reading: url(bench)) }
        #expect(error?.code == .storage && error?.message.contains("belongs to another release") == true)
        for _ in 0..<2 { try Ledger(at: url(bench)).close() }
        #expect(try Ledger(reading: url(bench)).facts().count == 1)
    }

    @Test func aLedgerOfALaterReleaseIsNotTouched() throws {
        let bench = try bench("ledger-v1.sqlite")
        let ledger = try Ledger(at: url(bench))
        try ledger.database.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('9 the far future')") }
        ledger.close()
        let error = #expect(throws: FleetError.self) { try Ledger(at: url(bench)) }
        #expect(error?.code == .storage && error?.message.contains("was written by a later release") == true)
        #expect(throws: FleetError.self) { try Ledger(reading: url(bench)) }
    }

    /// The study goes on from its last segment, with the bits of that release.
    @Test func aStudyOfVersion1GoesOnToItsEnd() async throws {
        let bench = try bench("ledger-v1.sqlite")
        let before = try Ledger(at: url(bench))
        let payload = try #require(try before.lastPayload(of: Self.trial))
        let state = try TrainingState(WireSegmentResult(stored: payload).after)
        before.close()
        let study = FakeStudy { $0.steps = 40 }
        let expected = try FakeTrainer(secondsPerStep: 0).train(
            try FakeTrainer.request(study, from: 20, state: state), report: { _ in }, isCancelled: { false })
        let coordinator = try bench.coordinator()
        let worker = try bench.worker("ada", at: try coordinator.start())
        let ended = try await coordinator.waitUntilEnded()
        #expect(ended.state == .complete && ended.trials[0].attempt == 5)
        let checkpoint = try await bench.checkpoint("teal-heart", trial: 0, at: 40)
        #expect(checkpoint.embedding.values == expected.state.embedding)
        #expect(checkpoint.optimizer.exponentialAverage.values == expected.state.expAvg)
        #expect(checkpoint.history.step == Array(1...40) && checkpoint.evaluation.step == [0, 10, 20, 30, 40])
        // The same study file is the same study still.
        #expect(try await coordinator.submit(study).isAlreadyThere)
        worker.stop()
        coordinator.stop()
    }
}
