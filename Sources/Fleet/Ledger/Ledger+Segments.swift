// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import GRDB

extension Ledger {
    /// Keeps an accepted result, or one that contradicts it; writing the same one again changes nothing.
    func add(_ report: SegmentReport, to shelf: Shelf, payload: Data, cpu: String, received: Int64) throws(FleetError) {
        let id = report.trial
        try stage { database in
            switch shelf {
            case .segment:
                try database.run(
                    sql: """
                        INSERT INTO segments (study, trial, from_step, to_step, attempt, worker, digest, finished, best_loss, best_step,
                            loss, cpu, received, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                            ON CONFLICT (study, trial, from_step) DO NOTHING
                        """,
                    arguments: [
                        id.study.rawValue, id.index, report.fromStep, report.toStep, report.attempt, report.worker.rawValue,
                        report.digest, report.finished, report.best?.loss, report.best?.step, report.loss, cpu, received, payload,
                    ])
                guard database.changesCount == 0 else { return }
                let kept = try String.fetchOne(
                    database, sql: "SELECT digest FROM segments WHERE study = ? AND trial = ? AND from_step = ?",
                    arguments: [id.study.rawValue, id.index, report.fromStep])
                guard kept == report.digest else { throw Self.damaged(path, "two results for step \(report.fromStep) of trial \(id)") }
            case .conflict:
                try database.run(
                    sql: """
                        INSERT OR IGNORE INTO conflicts (study, trial, from_step, to_step, attempt, worker, digest, cpu, received, payload)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        id.study.rawValue, id.index, report.fromStep, report.toStep, report.attempt, report.worker.rawValue,
                        report.digest, cpu, received, payload,
                    ])
            }
        }
    }

    /// The stored results of a trial, in order.
    func payloads(of trial: TrialID) throws(FleetError) -> [Data] {
        try read { database in
            try Data.fetchAll(
                database, sql: "SELECT payload FROM segments WHERE study = ? AND trial = ? ORDER BY from_step",
                arguments: [trial.study.rawValue, trial.index])
        }
    }

    /// The stored result that ends at the trial's present step; nil before the first.
    func lastPayload(of trial: TrialID) throws(FleetError) -> Data? {
        try read { database in
            try Data.fetchOne(
                database.cachedStatement(sql: "SELECT payload FROM segments WHERE study = ? AND trial = ? ORDER BY from_step DESC LIMIT 1"),
                arguments: [trial.study.rawValue, trial.index])
        }
    }

    /// The stored result that ends at `step`; nil if there is none.
    func payload(of trial: TrialID, endingAt step: Int) throws(FleetError) -> Data? {
        try read { database in
            try Data.fetchOne(
                database.cachedStatement(sql: "SELECT payload FROM segments WHERE study = ? AND trial = ? AND to_step = ?"),
                arguments: [trial.study.rawValue, trial.index, step])
        }
    }

    /// The segments of a study's trials, checked to be without holes.
    func segments(of plan: StudyPlan, _ database: Database) throws -> [Int: [SegmentFact]] {
        let rows = try Row.fetchCursor(
            database,
            sql: """
                SELECT trial, from_step, to_step, attempt, digest, finished, best_loss, best_step, loss FROM segments
                WHERE study = ? ORDER BY trial, from_step
                """, arguments: [plan.id.rawValue])
        var found: [Int: [SegmentFact]] = [:]
        while let row = try rows.next() {
            let (trial, from, to): (Int, Int, Int) = (row["trial"], row["from_step"], row["to_step"])
            let end = found[trial]?.last?.toStep ?? 0
            guard from == end, to > from, to <= plan.steps else {
                throw Self.damaged(path, "study \(plan.name), trial \(trial): a segment from step \(from) follows step \(end)")
            }
            let best: (loss: Double?, step: Int?) = (row["best_loss"], row["best_step"])
            found[trial, default: []].append(
                SegmentFact(
                    fromStep: from, toStep: to, attempt: row["attempt"], digest: row["digest"], finished: row["finished"],
                    best: best.loss.flatMap { loss in best.step.map { Best(loss: loss, step: $0) } }, loss: row["loss"]))
        }
        return found
    }

    func conflicts(of study: StudyID, _ database: Database) throws -> [Int: [Int: Set<String>]] {
        let rows = try Row.fetchAll(
            database, sql: "SELECT trial, from_step, digest FROM conflicts WHERE study = ?", arguments: [study.rawValue])
        return Dictionary(grouping: rows, by: { $0["trial"] as Int }).mapValues { rows in
            Dictionary(grouping: rows, by: { $0["from_step"] as Int }).mapValues { Set($0.map { $0["digest"] as String }) }
        }
    }
}
