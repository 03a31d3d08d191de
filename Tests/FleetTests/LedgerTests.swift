// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import GRDB
import Testing
import WireMessages

@testable import Fleet

struct LedgerTests {
    private func add(_ name: String, to ledger: Ledger) throws -> StudyPlan {
        try ledger.addStudy(name: name, yaml: "y", json: "{}", baseFolder: "/", trials: 2, steps: 100, segmentSteps: 40, created: 1)
    }

    private func report(_ plan: StudyPlan, _ from: Int, _ to: Int, digest: String = "d") -> SegmentReport {
        SegmentReport(
            worker: WorkerID("w"), lease: LeaseID(trial: TrialID(study: plan.id, index: 1), attempt: 3), fromStep: from, toStep: to,
            digest: digest, finished: false, best: Best(loss: 0.5, step: 20), loss: 0.7)
    }

    @Test func everythingIsThereAfterReopening() throws {
        let bench = try Bench()
        let url = bench.home.appendingPathComponent("ledger.sqlite")
        let ledger = try Ledger(at: url)
        let plan = try add("a", to: ledger)
        let trial = TrialID(study: plan.id, index: 1)
        try ledger.recordGrant(Grant(worker: WorkerID("w"), lease: LeaseID(trial: trial, attempt: 3), fromStep: 0, toStep: 40))
        try ledger.add(report(plan, 0, 40), to: .segment, payload: Data([1, 2]), cpu: "c", received: 5)
        try ledger.add(report(plan, 0, 40, digest: "e"), to: .conflict, payload: Data([3]), cpu: "c", received: 6)
        try ledger.record(TrialRecord(trial: trial, state: .waiting, step: 40, attempt: 2, crashes: 1, failure: "f"))
        try ledger.setState(.failed, of: plan.id)
        let facts = try Ledger(at: url).facts()
        #expect(facts.count == 1 && facts[0].plan == plan && facts[0].state == .failed && facts[0].trials.count == 2)
        #expect(facts[0].trials[1].segments == [report(plan, 0, 40).segment])
        #expect(facts[0].trials[1].conflicts == [0: ["e"]])
        // The row was written with an older attempt number: the higher one stays.
        #expect(facts[0].trials[1].record == TrialRecord(trial: trial, state: .waiting, step: 40, attempt: 3, crashes: 1, failure: "f"))
        #expect(try ledger.payloads(of: trial) == [Data([1, 2])])
    }

    @Test func writesSurviveAPowerCut() throws {
        let bench = try Bench()
        let ledger = try Ledger(at: bench.home.appendingPathComponent("ledger.sqlite"))
        let modes = try ledger.database.read { database in
            (try String.fetchOne(database, sql: "PRAGMA journal_mode"), try Int.fetchOne(database, sql: "PRAGMA synchronous"))
        }
        #expect(modes.0 == "wal" && modes.1 == 2)
    }

    @Test func anAttemptNumberIsGrantedOnce() throws {
        let bench = try Bench()
        let ledger = try Ledger(at: bench.home.appendingPathComponent("ledger.sqlite"))
        let plan = try add("a", to: ledger)
        let grant = Grant(
            worker: WorkerID("w"), lease: LeaseID(trial: TrialID(study: plan.id, index: 0), attempt: 1), fromStep: 0, toStep: 40)
        try ledger.recordGrant(grant)
        #expect(throws: FleetError.self) { try ledger.recordGrant(grant) }
    }

    @Test func namesAreUnique() throws {
        let bench = try Bench()
        let ledger = try Ledger(at: bench.home.appendingPathComponent("ledger.sqlite"))
        _ = try add("a", to: ledger)
        #expect(throws: FleetError(.refused, "there is a study a already")) { try add("a", to: ledger) }
    }

    @Test func aFullDiskIsOneLineAndLosesNothing() throws {
        let bench = try Bench()
        let url = bench.home.appendingPathComponent("ledger.sqlite")
        let ledger = try Ledger(at: url)
        let plan = try add("a", to: ledger)
        try ledger.database.writeWithoutTransaction { database in
            let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
            try database.execute(sql: "PRAGMA max_page_count = \(pages + 2)")
        }
        let big = Data(repeating: 7, count: 100_000)
        let error = #expect(throws: FleetError.self) {
            try ledger.add(report(plan, 0, 40), to: .segment, payload: big, cpu: "c", received: 5)
        }
        #expect(error?.message == "\(url.path): the disk is full; free some space, nothing that was accepted is lost")
        #expect(try ledger.facts()[0].trials[1].segments.isEmpty)
        try ledger.database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
        try ledger.add(report(plan, 0, 40), to: .segment, payload: big, cpu: "c", received: 5)
        #expect(try ledger.facts()[0].trials[1].segments.count == 1)
    }

    @Test func aFileThatIsNoLedgerIsOneLine() throws {
        let bench = try Bench()
        let url = bench.home.appendingPathComponent("ledger.sqlite")
        try Data(repeating: 65, count: 10_000).write(to: url)
        let error = #expect(throws: FleetError.self) { try Ledger(at: url) }
        #expect(error?.code == .storage && error?.message.hasPrefix("\(url.path): the ledger is damaged") == true)
        #expect(try Data(contentsOf: url).count == 10_000)
    }

    @Test func aDamagedPageIsFoundWhenTheLedgerIsOpened() throws {
        let bench = try Bench()
        let url = bench.home.appendingPathComponent("ledger.sqlite")
        let ledger = try Ledger(at: url)
        let plan = try add("a", to: ledger)
        for step in 0..<40 {
            try ledger.add(report(plan, step, step + 1), to: .segment, payload: Data(repeating: 9, count: 3000), cpu: "c", received: 5)
        }
        ledger.close()
        var bytes = try Data(contentsOf: url)
        for page in 3..<bytes.count / 4096 {
            bytes.replaceSubrange(page * 4096..<page * 4096 + 200, with: Data(repeating: 0xEE, count: 200))
        }
        try bytes.write(to: url)
        let error = #expect(throws: FleetError.self) { _ = try Ledger(at: url).facts() }
        #expect(error?.message.contains("the ledger is damaged") == true)
    }

    @Test func aHoleInATrialIsFound() throws {
        let bench = try Bench()
        let ledger = try Ledger(at: bench.home.appendingPathComponent("ledger.sqlite"))
        let plan = try add("a", to: ledger)
        try ledger.add(report(plan, 40, 80), to: .segment, payload: Data(), cpu: "c", received: 5)
        let error = #expect(throws: FleetError.self) { try ledger.facts() }
        #expect(error?.message.contains("study a, trial 1: a segment from step 40 follows step 0") == true)
    }

    @Test func aHomeThatCannotBeMadeIsOneLine() throws {
        let bench = try Bench()
        let file = bench.home.appendingPathComponent("file")
        try Data().write(to: file)
        let error = #expect(throws: FleetError.self) { try Home(folder: file.appendingPathComponent("home")) }
        #expect(error?.code == .storage && error?.message.contains("\n") == false)
    }
}

struct ConversionTests {
    @Test(arguments: [(1, 0, 1), (7, 3, 12), (16_777_215, 1_048_575, 5_000_000)] as [(Int64, Int, Int)])
    func leasesReadBackFromTheWire(study: Int64, trial: Int, attempt: Int) {
        let lease = LeaseID(trial: TrialID(study: StudyID(study), index: trial), attempt: attempt)
        #expect(LeaseID(wire: lease.wireNumber, attempt: lease.wireAttempt) == lease)
        #expect(LeaseID(wire: lease.wireNumber, attempt: lease.wireAttempt + 1) == nil)
        #expect(LeaseID(wire: lease.wireNumber, attempt: 0) == nil)
    }

    @Test func aLossThatIsNoNumberIsANumericFailure() throws {
        let request = SegmentRequest(studyName: "a", studyJSON: "{}", trial: 0, fromStep: 0, toStep: 3, state: nil)
        var outcome = try FakeTrainer(secondsPerStep: 0).train(request, report: { _ in }, isCancelled: { false })
        outcome.history[1].loss = .nan
        let failure = #expect(throws: SegmentFailure.self) {
            try WireSegmentResult(outcome, of: request, studyID: "1", lease: 1, attempt: 1)
        }
        #expect(failure?.kind == .numeric && failure?.message.contains("step 2") == true)
    }

    @Test func anOutcomeForOtherStepsIsTheTrainersFault() throws {
        let request = SegmentRequest(studyName: "a", studyJSON: "{}", trial: 0, fromStep: 0, toStep: 3, state: nil)
        var outcome = try FakeTrainer(secondsPerStep: 0).train(request, report: { _ in }, isCancelled: { false })
        outcome.state.step = 2
        let failure = #expect(throws: SegmentFailure.self) {
            try WireSegmentResult(outcome, of: request, studyID: "1", lease: 1, attempt: 1)
        }
        #expect(failure?.kind == .internal)
    }
}
