// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import GRDB
import Testing

@testable import Fleet

/// A ledger in a folder of its own.
struct LedgerBench {
    private let bench: Bench
    let url: URL
    let ledger: Ledger

    init() throws {
        bench = try Bench()
        url = bench.folder.appendingPathComponent("ledger.sqlite")
        ledger = try Ledger(at: url)
    }

    /// Two trials of a hundred steps.
    @discardableResult
    func add(_ name: String = "a", change: (inout NewStudy) -> Void = { _ in }) throws -> StudyPlan {
        var study = NewStudy(
            name: name, yaml: "y", json: "{}", baseFolder: "/", trials: ["{}", "{}"], steps: 100, segmentSteps: 40, created: 1)
        change(&study)
        return try ledger.addStudy(study)
    }

    static func report(_ plan: StudyPlan, _ from: Int, _ to: Int, digest: String = "d") -> SegmentReport {
        SegmentReport(
            worker: WorkerID("w"), trial: TrialID(study: plan.id, index: 1), attempt: 3, fromStep: from, toStep: to, digest: digest,
            finished: false, best: Best(loss: 0.5, step: 20), loss: 0.7)
    }

    /// Keeps a segment of trial 1 and commits it.
    func keep(_ plan: StudyPlan, _ from: Int, _ to: Int, payload: Data = Data()) throws {
        try ledger.add(Self.report(plan, from, to), to: .segment, payload: payload, cpu: "c", received: 5)
        try ledger.commit()
    }
}

struct LedgerTests {
    let bench: LedgerBench
    var ledger: Ledger { bench.ledger }

    init() throws { bench = try LedgerBench() }

    @Test func everythingIsThereAfterReopening() throws {
        let plan = try bench.add(change: { ($0.priority, $0.parallelism, $0.previewEvery, $0.mixesClasses) = (4, .data, 30, true) })
        let trial = TrialID(study: plan.id, index: 1)
        try ledger.recordGrant(
            Grant(worker: WorkerID("w"), lease: LeaseID(.train(trial), attempt: 3), fromStep: 0, toStep: 40), of: trial)
        let report = LedgerBench.report(plan, 0, 40)
        try ledger.add(report, to: .segment, payload: Data([1, 2]), cpu: "c", received: 5)
        try ledger.add(LedgerBench.report(plan, 0, 40, digest: "e"), to: .conflict, payload: Data([3]), cpu: "c", received: 6)
        try ledger.record(
            TrialRecord(trial: trial, state: .waiting, step: 40, attempt: 2, crashes: 1, failure: "f", numericsClass: "n"))
        try ledger.setState(.failed, reason: "r", of: plan.id)
        try ledger.commit()
        let facts = try Ledger(at: bench.url).facts()
        #expect(facts.count == 1 && facts[0].plan == plan && facts[0].state == .failed && facts[0].trials.count == 2)
        #expect(facts[0].failure == "r" && facts[0].priority == 4 && !facts[0].isPaused)
        #expect(plan.parallelism == .data && plan.previewEvery == 30 && plan.mixesClasses)
        #expect(facts[0].trials[1].segments == [report.segment])
        #expect(facts[0].trials[1].conflicts == [0: ["e"]])
        // The row was written with an older attempt number: the higher one stays.
        #expect(
            facts[0].trials[1].record
                == TrialRecord(trial: trial, state: .waiting, step: 40, attempt: 3, crashes: 1, failure: "f", numericsClass: "n"))
        #expect(try ledger.payloads(of: trial) == [Data([1, 2])])
        #expect(try ledger.lastPayload(of: trial) == Data([1, 2]) && ledger.payload(of: trial, endingAt: 40) == Data([1, 2]))
        #expect(try ledger.payload(of: trial, endingAt: 80) == nil)
    }

    @Test func writesSurviveAPowerCut() throws {
        let modes = try ledger.database.read { database in
            (try String.fetchOne(database, sql: "PRAGMA journal_mode"), try Int.fetchOne(database, sql: "PRAGMA synchronous"))
        }
        #expect(modes.0 == "wal" && modes.1 == 2)
    }

    @Test func anAttemptNumberIsGrantedOnce() throws {
        let trial = TrialID(study: try bench.add().id, index: 0)
        let grant = Grant(worker: WorkerID("w"), lease: LeaseID(.train(trial), attempt: 1), fromStep: 0, toStep: 40)
        try ledger.recordGrant(grant, of: trial)
        #expect(throws: FleetError.self) { try ledger.recordGrant(grant, of: trial) }
    }

    @Test func namesAreUnique() throws {
        try bench.add()
        #expect(throws: FleetError(.refused, "there is a study a already")) { try bench.add() }
    }

    @Test func aFullDiskIsOneLineAndLosesNothing() throws {
        let plan = try bench.add()
        try ledger.database.writeWithoutTransaction { database in
            let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
            try database.execute(sql: "PRAGMA max_page_count = \(pages + 2)")
        }
        let big = Data(repeating: 7, count: 100_000)
        let error = #expect(throws: FleetError.self) { try bench.keep(plan, 0, 40, payload: big) }
        #expect(error?.message == "\(bench.url.path): the disk is full; free some space, nothing that was accepted is lost")
        ledger.rollBack()
        #expect(try ledger.facts()[0].trials[1].segments.isEmpty)
        try ledger.database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
        try bench.keep(plan, 0, 40, payload: big)
        #expect(try ledger.facts()[0].trials[1].segments.count == 1)
    }

    @Test func aFileThatIsNoLedgerIsOneLine() throws {
        let url = bench.url.deletingLastPathComponent().appendingPathComponent("other.sqlite")
        try Data(repeating: 65, count: 10_000).write(to: url)
        let error = #expect(throws: FleetError.self) { try Ledger(at: url) }
        #expect(error?.code == .storage && error?.message.hasPrefix("\(url.path): the ledger is damaged") == true)
        #expect(try Data(contentsOf: url).count == 10_000)
    }

    @Test func aDamagedPageIsFoundWhenTheLedgerIsOpened() throws {
        let plan = try bench.add()
        for step in 0..<40 { try bench.keep(plan, step, step + 1, payload: Data(repeating: 9, count: 3000)) }
        ledger.close()
        var bytes = try Data(contentsOf: bench.url)
        for page in 3..<bytes.count / 4096 {
            bytes.replaceSubrange(page * 4096..<page * 4096 + 200, with: Data(repeating: 0xEE, count: 200))
        }
        try bytes.write(to: bench.url)
        let error = #expect(throws: FleetError.self) { _ = try Ledger(at: bench.url).facts() }
        #expect(error?.message.contains("the ledger is damaged") == true)
    }

    @Test func aHoleInATrialIsFound() throws {
        try bench.keep(try bench.add(), 40, 80)
        let error = #expect(throws: FleetError.self) { try ledger.facts() }
        #expect(error?.message.contains("study a, trial 1: a segment from step 40 follows step 0") == true)
    }

    @Test func aSecondResultForTheSameStepsIsDamage() throws {
        let plan = try bench.add()
        try bench.keep(plan, 0, 40)
        // The same one again changes nothing.
        try bench.keep(plan, 0, 40)
        let error = #expect(throws: FleetError.self) {
            try ledger.add(LedgerBench.report(plan, 0, 40, digest: "e"), to: .segment, payload: Data(), cpu: "c", received: 5)
        }
        #expect(error?.message.contains("two results for step 0 of trial 1.1") == true)
    }

    @Test func aHomeThatCannotBeMadeIsOneLine() throws {
        let file = bench.url.deletingLastPathComponent().appendingPathComponent("file")
        try Data().write(to: file)
        let error = #expect(throws: FleetError.self) { try Home(folder: file.appendingPathComponent("home")) }
        #expect(error?.code == .storage && error?.message.contains("\n") == false)
    }
}
