// SPDX-License-Identifier: Apache-2.0

package import Coordination
import GRDB

/// A study as the ledger keeps it.
package struct StudyRow: Sendable, Hashable {
    package let plan: StudyPlan
    package let yaml: String
    package let json: String
    package let baseFolder: String
    /// The study's files by content; empty when workers read them from the paths in the study.
    package let manifest: String
    /// Milliseconds since 1970, UTC.
    package let created: Int64
}

/// A study on its way into the ledger, which gives it its number.
struct NewStudy {
    var name: String
    var yaml: String
    var json: String
    var baseFolder: String
    var manifest = ""
    /// The settings of each trial as JSON.
    var trials: [String]
    var steps: Int
    var segmentSteps: Int
    var parallelism = Parallelism.trials
    var encodeParts = 0
    var previewEvery: Int?
    var mixesClasses = false
    var priority = 0
    var created: Int64

    func plan(_ id: StudyID) -> StudyPlan {
        StudyPlan(
            id: id, name: name, trialCount: trials.count, steps: steps, segmentSteps: segmentSteps, parallelism: parallelism,
            encodeParts: encodeParts, previewEvery: previewEvery, mixesClasses: mixesClasses)
    }
}

extension Ledger {
    /// Adds a study with all its trials and gives it its number.
    ///
    /// - Throws: `FleetError` `.storage`; `.refused` if there is a study of that name.
    func addStudy(_ study: NewStudy) throws(FleetError) -> StudyPlan {
        try write { database in
            if try Bool.fetchOne(database, sql: "SELECT 1 FROM studies WHERE name = ?", arguments: [study.name]) ?? false {
                throw FleetError(.refused, "there is a study \(study.name) already")
            }
            try database.execute(
                sql: """
                    INSERT INTO studies (name, yaml, json, base_folder, trials, steps, segment_steps, state, created, priority, parallel,
                        encode_parts, preview_every, mixed, manifest)
                    VALUES (?, ?, ?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    study.name, study.yaml, study.json, study.baseFolder, study.trials.count, study.steps, study.segmentSteps,
                    study.created,
                    study.priority, study.parallelism.rawValue, study.encodeParts, study.previewEvery, study.mixesClasses, study.manifest,
                ])
            let id = database.lastInsertedRowID
            let statement = try database.makeStatement(
                sql: """
                    INSERT INTO trials (study, trial, state, step, attempt, crashes, failure, settings)
                    VALUES (?, ?, 'waiting', 0, 0, 0, '', ?)
                    """)
            for (index, settings) in study.trials.enumerated() {
                try statement.execute(arguments: [id, index, settings == study.json ? nil : settings])
            }
            return study.plan(StudyID(id))
        }
    }

    /// Every study, in the order of submission.
    package func studies() throws(FleetError) -> [StudyRow] {
        try read { database in try Row.fetchAll(database, sql: "SELECT * FROM studies ORDER BY id").map(studyRow) }
    }

    private func studyRow(_ row: Row) throws -> StudyRow {
        let (trials, steps, segmentSteps): (Int, Int, Int) = (row["trials"], row["steps"], row["segment_steps"])
        let (parts, preview): (Int, Int?) = (row["encode_parts"], row["preview_every"])
        guard trials > 0, steps > 0, segmentSteps > 0, parts >= 0, preview ?? 1 > 0, let parallel = Parallelism(rawValue: row["parallel"])
        else { throw Self.damaged(path, "study \(row["id"] as Int64) has no steps") }
        let plan = StudyPlan(
            id: StudyID(row["id"]), name: row["name"], trialCount: trials, steps: steps, segmentSteps: segmentSteps, parallelism: parallel,
            encodeParts: parts, previewEvery: preview, mixesClasses: row["mixed"])
        return StudyRow(
            plan: plan, yaml: row["yaml"], json: row["json"], baseFolder: row["base_folder"], manifest: row["manifest"],
            created: row["created"])
    }

    /// The settings of one trial as JSON; nil when they are the study's own.
    func settings(of trial: TrialID) throws(FleetError) -> String? {
        try read { database in
            try String.fetchOne(
                database, sql: "SELECT settings FROM trials WHERE study = ? AND trial = ?", arguments: [trial.study.rawValue, trial.index])
        }
    }

    func setState(_ state: StudyState, reason: String, of study: StudyID) throws(FleetError) {
        try stage {
            try $0.execute(
                sql: "UPDATE studies SET state = ?, failure = ? WHERE id = ?", arguments: [state.rawValue, reason, study.rawValue])
        }
    }

    func record(study: StudyID, priority: Int, isPaused: Bool) throws(FleetError) {
        try stage {
            try $0.execute(
                sql: "UPDATE studies SET priority = ?, paused = ? WHERE id = ?", arguments: [priority, isPaused, study.rawValue])
        }
    }

    func record(_ record: TrialRecord) throws(FleetError) {
        try stage { database in
            // The attempt number never goes back, whatever is written after it.
            try database.execute(
                sql: """
                    UPDATE trials SET state = ?, step = ?, attempt = max(attempt, ?), crashes = ?, failure = ?, class = ?
                    WHERE study = ? AND trial = ?
                    """,
                arguments: [
                    record.state.rawValue, record.step, record.attempt, record.crashes, record.failure, record.numericsClass,
                    record.trial.study.rawValue, record.trial.index,
                ])
        }
    }

    /// Takes an attempt number for good, before its grant is sent.
    func recordGrant(_ grant: Coordination.Grant, of id: TrialID) throws(FleetError) {
        let changed = try stage { database in
            try database.execute(
                sql: "UPDATE trials SET state = 'running', step = ?, attempt = ? WHERE study = ? AND trial = ? AND attempt < ?",
                arguments: [grant.fromStep, grant.lease.attempt, id.study.rawValue, id.index, grant.lease.attempt])
            return database.changesCount
        }
        guard changed == 1 else { throw Self.damaged(path, "attempt \(grant.lease) was granted before") }
    }

    /// Everything a restarted coordinator starts from.
    package func facts() throws(FleetError) -> [StudyFacts] {
        try read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM studies ORDER BY id").map { row in
                let plan = try studyRow(row).plan
                guard let state = StudyState(rawValue: row["state"]) else {
                    throw Self.damaged(path, "study \(plan.name) has an unknown state")
                }
                let pieces = try pieces(of: plan.id, database)
                return StudyFacts(
                    plan: plan, state: state, priority: row["priority"], isPaused: row["paused"], encoded: pieces.encoded,
                    failure: row["failure"], trials: try trialFacts(of: plan, previews: pieces.previews, database))
            }
        }
    }

    private func trialFacts(of plan: StudyPlan, previews: [Int: [Int: String]], _ database: Database) throws -> [TrialFacts] {
        let rows = try Row.fetchAll(
            database, sql: "SELECT trial, state, step, attempt, crashes, failure, class FROM trials WHERE study = ? ORDER BY trial",
            arguments: [plan.id.rawValue])
        let segments = try segments(of: plan, database), conflicts = try conflicts(of: plan.id, database)
        var facts: [TrialFacts] = []
        for (index, row) in rows.enumerated() {
            guard row["trial"] == index, let state = TrialState(rawValue: row["state"]) else {
                throw Self.damaged(path, "trial \(index) of study \(plan.name) is missing")
            }
            let record = TrialRecord(
                trial: TrialID(study: plan.id, index: index), state: state, step: row["step"], attempt: row["attempt"],
                crashes: row["crashes"], failure: row["failure"], numericsClass: row["class"])
            facts.append(
                TrialFacts(
                    record: record, segments: segments[index] ?? [], conflicts: conflicts[index] ?? [:], previews: previews[index] ?? [:]))
        }
        guard facts.count == plan.trialCount else {
            throw Self.damaged(path, "study \(plan.name) has \(facts.count) of its \(plan.trialCount) trials")
        }
        return facts
    }
}
