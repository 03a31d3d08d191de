// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import GRDB
import Testing

@testable import Fleet

/// What goes to disk together, and what is forgotten together.
struct LedgerTurnTests {
    let bench: LedgerBench
    var ledger: Ledger { bench.ledger }

    init() throws { bench = try LedgerBench() }

    private func state(_ ledger: Ledger) throws -> StudyState? { try ledger.facts().first?.state }

    @Test func nobodyElseSeesWhatIsStagedBeforeItIsCommitted() throws {
        let plan = try bench.add()
        let reader = try Ledger(reading: bench.url)
        #expect(!ledger.hasStaged)
        try ledger.setState(.cancelled, reason: "r", of: plan.id)
        try ledger.record(study: plan.id, priority: 3, isPaused: true)
        #expect(ledger.hasStaged)
        #expect(try state(reader) == .running && reader.facts()[0].priority == 0)
        try ledger.commit()
        #expect(!ledger.hasStaged)
        let facts = try reader.facts()[0]
        #expect(facts.state == .cancelled && facts.failure == "r" && facts.priority == 3 && facts.isPaused)
    }

    @Test func theWriterItselfReadsWhatItHasStaged() throws {
        let plan = try bench.add()
        try ledger.setState(.failed, reason: "", of: plan.id)
        #expect(try state(ledger) == .failed)
        ledger.rollBack()
        #expect(try state(ledger) == .running)
    }

    @Test func aTurnThatIsRolledBackLeavesNothing() throws {
        let plan = try bench.add()
        let trial = TrialID(study: plan.id, index: 0)
        let grant = Grant(worker: WorkerID("w"), lease: LeaseID(.train(trial), attempt: 1), fromStep: 0, toStep: 40)
        try ledger.recordGrant(grant, of: trial)
        try ledger.add(LedgerBench.report(plan, 0, 40), to: .segment, payload: Data([1]), cpu: "c", received: 5)
        try ledger.add([LogEntry(time: Date(), kind: "granted", study: "a", text: "")]) { _ in plan.id.rawValue }
        ledger.rollBack()
        #expect(!ledger.hasStaged)
        let facts = try ledger.facts()[0]
        #expect(facts.trials.allSatisfy { $0.segments.isEmpty && $0.record.attempt == 0 && $0.record.state == .waiting })
        #expect(try ledger.events(after: 0, target: "", limit: 10).isEmpty)
        // The attempt is free again.
        try ledger.recordGrant(grant, of: trial)
        try ledger.commit()
        #expect(try Ledger(reading: bench.url).facts()[0].trials[0].record.attempt == 1)
    }

    @Test func committingAndRollingBackNothingIsHarmless() throws {
        try ledger.commit()
        ledger.rollBack()
        try ledger.commit()
        try bench.add()
        #expect(try ledger.facts().count == 1)
    }

    @Test func anErrorInsideATurnCanBeRolledBack() throws {
        let plan = try bench.add()
        let trial = TrialID(study: plan.id, index: 0)
        let grant = Grant(worker: WorkerID("w"), lease: LeaseID(.train(trial), attempt: 1), fromStep: 0, toStep: 40)
        try ledger.recordGrant(grant, of: trial)
        try ledger.commit()
        try ledger.record(study: plan.id, priority: 5, isPaused: false)
        #expect(throws: FleetError.self) { try ledger.recordGrant(grant, of: trial) }
        ledger.rollBack()
        #expect(try ledger.facts()[0].priority == 0)
        try ledger.record(study: plan.id, priority: 6, isPaused: false)
        try ledger.commit()
        #expect(try ledger.facts()[0].priority == 6)
    }
}

/// What came with version 2.
struct LedgerContentTests {
    let bench: LedgerBench
    var ledger: Ledger { bench.ledger }

    init() throws { bench = try LedgerBench() }

    @Test func eachTrialKeepsSettingsOfItsOwn() throws {
        let plan = try bench.add(change: { ($0.json, $0.trials) = ("{0}", ["{0}", "{1}", "{2}"]) })
        #expect(plan.trialCount == 3)
        // What is the study's own is not written again.
        #expect(try ledger.settings(of: TrialID(study: plan.id, index: 0)) == nil)
        #expect(try ledger.settings(of: TrialID(study: plan.id, index: 2)) == "{2}")
        #expect(try ledger.settings(of: TrialID(study: plan.id, index: 3)) == nil)
        #expect(try ledger.facts()[0].trials.count == 3)
    }

    @Test func piecesAreKeptOnceAndInOrder() throws {
        let plan = try bench.add(change: { ($0.encodeParts, $0.manifest) = (3, "{}") })
        let trial = TrialID(study: plan.id, index: 1)
        func report(_ work: Work, _ digest: String) -> PieceReport {
            PieceReport(worker: WorkerID("w"), lease: LeaseID(work, attempt: 1), digest: digest)
        }
        for part in [2, 0, 1] { try ledger.add(report(.encode(plan.id, part: part), "e\(part)"), bytes: UInt64(part), received: 5) }
        try ledger.add(report(.encode(plan.id, part: 1), "other"), bytes: 9, received: 6)
        try ledger.add(report(.preview(trial, step: 20), "p20"), bytes: .max, received: 7)
        try ledger.add(report(.preview(trial, step: 10), "p10"), bytes: 1, received: 7)
        try ledger.commit()
        #expect(try ledger.encodedParts(of: plan.id).map(\.digest) == ["e0", "e1", "e2"])
        #expect(try ledger.encodedParts(of: plan.id).map(\.bytes) == [0, 1, 2])
        let previews = try ledger.previews(of: plan.id)
        #expect(previews.map(\.number) == [10, 20] && previews.map(\.trial) == [1, 1] && previews[1].bytes == .max)
        let facts = try Ledger(at: bench.url).facts()[0]
        #expect(facts.plan.encodeParts == 3 && facts.encoded == [0: "e0", 1: "e1", 2: "e2"])
        #expect(facts.trials[1].previews == [10: "p10", 20: "p20"] && facts.trials[0].previews.isEmpty)
        #expect(try ledger.studies()[0].manifest == "{}")
        #expect(throws: FleetError.self) { try ledger.add(report(.train(trial), "t"), bytes: 1, received: 7) }
    }

    @Test func eventsAreFoundByStudyAndByWorker() throws {
        let plan = try bench.add()
        let time = Date(timeIntervalSince1970: 1_800_000_000.25)
        let entries = [
            LogEntry(time: time, kind: "joined", worker: "ada", text: "on here"),
            LogEntry(time: time, kind: "granted", study: "a", trial: 1, worker: "ada", text: "steps 0 to 40"),
            LogEntry(time: time, kind: "submitted", study: "a", text: "two trials"),
            LogEntry(time: time, kind: "refused", study: "gone", text: "nobody knows it"),
        ]
        try ledger.add(entries) { $0 == "a" ? plan.id.rawValue : nil }
        try ledger.commit()
        let all = try ledger.events(after: 0, target: "", limit: 10)
        #expect(all.map(\.number) == [1, 2, 3, 4] && all.map(\.kind) == ["joined", "granted", "submitted", "refused"])
        #expect(all[1].study == "a" && all[1].trial == 1 && all[1].worker == "ada" && all[1].text == "steps 0 to 40" && all[1].time == time)
        #expect(all[3].study == "")
        #expect(try ledger.events(after: 0, target: "a", limit: 10).map(\.number) == [2, 3])
        #expect(try ledger.events(after: 0, target: "ada", limit: 10).map(\.number) == [1, 2])
        #expect(try ledger.events(after: 2, target: "", limit: 10).map(\.number) == [3, 4])
        // The newest ones, in order.
        #expect(try ledger.events(after: 0, target: "", limit: 2).map(\.number) == [3, 4])
    }

    @Test func eventsAreBounded() throws {
        let entries = (0..<2500).map { LogEntry(time: Date(timeIntervalSince1970: 1), kind: "k", text: "\($0)") }
        for _ in 0..<42 {
            try ledger.add(entries) { _ in nil }
            try ledger.commit()
        }
        let count = try ledger.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM events") ?? 0 }
        #expect((100_000...105_000).contains(count))
        let newest = try ledger.events(after: 0, target: "", limit: 1)
        #expect(newest.map(\.number) == [105_000] && newest.map(\.text) == ["2499"])
        #expect(try Ledger(at: bench.url).events(after: 104_999, target: "", limit: 9).count == 1)
    }
}
