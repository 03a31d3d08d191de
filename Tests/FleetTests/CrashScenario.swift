// SPDX-License-Identifier: Apache-2.0

import Checkpoints
import Coordination
import Foundation
import WireMessages

@testable import Fleet

/// What a coordinator does to its disk from a study's submission to its end, in one thread and without a network.
///
/// Run again on the same home it goes on where it was, as a restarted coordinator does.
struct CrashScenario {
    /// What must be the same after any crash.
    struct Facts: Hashable {
        var states: [TrialState] = []
        var segments: [[String]] = []
    }

    static let study = FakeStudy { ($0.steps, $0.every) = (20, 10) }
    static let trials = 1

    let folder: URL

    /// - Parameter acknowledge: called with what was just put on disk for good, `TRIAL STEP`.
    func run(acknowledge: (String) throws -> Void = { _ in }) throws {
        let home = try Home(folder: folder)
        defer { home.release() }
        let ledger = try Ledger(at: home.ledger)
        if try ledger.studies().isEmpty { _ = try ledger.addStudy(Self.new) }
        let row = try ledger.studies()[0]
        try home.writeStudyFile(row.yaml, study: row.plan.name)
        var keeper = CheckpointKeeper(home: home, ledger: ledger, program: "test 1")
        let facts = try ledger.facts()[0]
        for trial in facts.trials {
            let id = trial.record.trial
            var (step, attempt) = (trial.segments.last?.toStep ?? 0, trial.record.attempt)
            keeper.resume(id, step: step, in: row)
            while step < Self.study.steps {
                attempt += 1
                let result = try grant(id, from: step, attempt: attempt, ledger)
                step = Int(result.toStep)
                try keep(result, of: id, attempt: attempt, ledger)
                try acknowledge("\(id.index) \(step)")
                keeper.resultsAccepted([result], of: id, in: row)
            }
        }
        try ledger.setState(.complete, reason: "", of: row.plan.id)
        try ledger.commit()
        // What could not be written is tried again.
        var later = CheckpointKeeper(home: home, ledger: ledger, program: "test 1")
        for trial in facts.trials { later.resume(trial.record.trial, step: Self.study.steps, in: row) }
        if let problem = later.problems.values.first { throw FleetError(.storage, problem) }
        ledger.close()
    }

    private static var new: NewStudy {
        NewStudy(
            name: study.name, yaml: study.yaml, json: "{}", baseFolder: "/", trials: Array(repeating: "{}", count: trials),
            steps: study.steps, segmentSteps: study.every, created: 1)
    }

    private func grant(_ id: TrialID, from step: Int, attempt: Int, _ ledger: Ledger) throws -> WireSegmentResult {
        let lease = LeaseID(.train(id), attempt: attempt)
        let end = step + Self.study.every
        try ledger.recordGrant(Grant(worker: WorkerID("w"), lease: lease, fromStep: step, toStep: end), of: id)
        try ledger.commit()
        let state = try ledger.payload(of: id, endingAt: step).map { try TrainingState(WireSegmentResult(stored: $0).after) }
        let request = try FakeTrainer.request(Self.study, trial: id.index, from: step, to: end, state: state)
        let outcome = try FakeTrainer(secondsPerStep: 0).train(request, report: { _ in }, isCancelled: { false })
        return try WireSegmentResult(outcome, of: request, lease: lease.wire)
    }

    private func keep(_ result: WireSegmentResult, of id: TrialID, attempt: Int, _ ledger: Ledger) throws {
        let report = try SegmentReport(result, from: WorkerID("w"))
        try ledger.add(report, to: .segment, payload: result.stored(), cpu: result.cpu, received: 5)
        try ledger.record(
            TrialRecord(trial: id, state: result.finished ? .complete : .running, step: report.toStep, attempt: attempt))
        try ledger.add([LogEntry(time: Date(timeIntervalSince1970: 1), kind: "accepted", study: Self.study.name, text: "a segment")]) { _ in
            id.study.rawValue
        }
        try ledger.commit()
    }

    // MARK: - What is there

    func facts() throws -> Facts {
        let url = folder.appendingPathComponent("ledger.sqlite")
        guard FileManager.default.fileExists(atPath: url.path) else { return Facts() }
        let ledger = try Ledger(at: url)
        defer { ledger.close() }
        guard let study = try ledger.facts().first else { return Facts() }
        return Facts(
            states: study.trials.map(\.record.state),
            segments: study.trials.map { $0.segments.map { "\($0.fromStep) \($0.toStep) \($0.digest)" } })
    }

    private func path(_ trial: Int) -> String { Home.checkpoint(in: folder, study: Self.study.name, trial: trial).path }

    /// Nil when there is no file; throws for one that is not whole.
    func checkpoint(_ trial: Int) throws -> Checkpoint? {
        FileManager.default.fileExists(atPath: path(trial)) ? try Checkpoint.read(from: path(trial)) : nil
    }

    /// The files beside a trial's checkpoint.
    func leftovers(_ trial: Int) -> [String] {
        let folder = URL(fileURLWithPath: path(trial)).deletingLastPathComponent().path
        return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { $0 != "checkpoint.h5" }
    }
}
