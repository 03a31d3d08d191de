// SPDX-License-Identifier: Apache-2.0

package import Coordination
import GRDB

/// A study as the ledger keeps it.
package struct StudyRow: Sendable, Hashable {
    package let plan: StudyPlan
    package let yaml: String
    package let json: String
    package let baseFolder: String
    /// Milliseconds since 1970, UTC.
    package let created: Int64
}

extension Ledger {
    /// Adds a study with all its trials and gives it its number.
    ///
    /// - Throws: `FleetError` `.storage`; `.refused` if there is a study of that name.
    func addStudy(
        name: String, yaml: String, json: String, baseFolder: String, trials: Int, steps: Int, segmentSteps: Int, created: Int64
    ) throws(FleetError) -> StudyPlan {
        try write { database in
            if try Bool.fetchOne(database, sql: "SELECT 1 FROM studies WHERE name = ?", arguments: [name]) ?? false {
                throw FleetError(.refused, "there is a study \(name) already")
            }
            try database.execute(
                sql: """
                    INSERT INTO studies (name, yaml, json, base_folder, trials, steps, segment_steps, state, created)
                    VALUES (?, ?, ?, ?, ?, ?, ?, 'running', ?)
                    """,
                arguments: [name, yaml, json, baseFolder, trials, steps, segmentSteps, created])
            let id = database.lastInsertedRowID
            for index in 0..<trials {
                try database.execute(
                    sql: "INSERT INTO trials (study, trial, state, step, attempt, crashes, failure) VALUES (?, ?, 'waiting', 0, 0, 0, '')",
                    arguments: [id, index])
            }
            return StudyPlan(id: StudyID(id), name: name, trialCount: trials, steps: steps, segmentSteps: segmentSteps)
        }
    }

    /// Every study, in the order of submission.
    package func studies() throws(FleetError) -> [StudyRow] {
        try read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM studies ORDER BY id").map { row in
                let (trials, steps, segmentSteps): (Int, Int, Int) = (row["trials"], row["steps"], row["segment_steps"])
                guard trials > 0, steps > 0, segmentSteps > 0 else { throw Self.damaged(path, "study \(row["id"] as Int64) has no steps") }
                let plan = StudyPlan(
                    id: StudyID(row["id"]), name: row["name"], trialCount: trials, steps: steps, segmentSteps: segmentSteps)
                return StudyRow(plan: plan, yaml: row["yaml"], json: row["json"], baseFolder: row["base_folder"], created: row["created"])
            }
        }
    }

    func setState(_ state: StudyState, of study: StudyID) throws(FleetError) {
        try write { try $0.execute(sql: "UPDATE studies SET state = ? WHERE id = ?", arguments: [state.rawValue, study.rawValue]) }
    }

    func record(_ record: TrialRecord) throws(FleetError) {
        try write { database in
            // The attempt number never goes back, whatever is written after it.
            try database.execute(
                sql: """
                    UPDATE trials SET state = ?, step = ?, attempt = max(attempt, ?), crashes = ?, failure = ? WHERE study = ? AND trial = ?
                    """,
                arguments: [
                    record.state.rawValue, record.step, record.attempt, record.crashes, record.failure, record.trial.study.rawValue,
                    record.trial.index,
                ])
        }
    }

    /// Takes an attempt number for good, before its grant is sent.
    func recordGrant(_ grant: Coordination.Grant) throws(FleetError) {
        let changed = try write { database in
            try database.execute(
                sql: """
                    UPDATE trials SET state = 'running', step = ?, attempt = ? WHERE study = ? AND trial = ? AND attempt < ?
                    """,
                arguments: [
                    grant.fromStep, grant.lease.attempt, grant.lease.trial.study.rawValue, grant.lease.trial.index, grant.lease.attempt,
                ])
            return database.changesCount
        }
        guard changed == 1 else { throw Self.damaged(path, "attempt \(grant.lease) was granted before") }
    }

    /// Everything a restarted coordinator starts from.
    package func facts() throws(FleetError) -> [StudyFacts] {
        let rows = try studies()
        return try read { database in
            let states = try Dictionary(
                uniqueKeysWithValues: Row.fetchAll(database, sql: "SELECT id, state FROM studies").map {
                    ($0["id"] as Int64, $0["state"] as String)
                })
            return try rows.map { row in
                guard let state = states[row.plan.id.rawValue].flatMap(StudyState.init) else {
                    throw Self.damaged(path, "study \(row.plan.name) has an unknown state")
                }
                let trials = try trialFacts(of: row.plan, database)
                return StudyFacts(plan: row.plan, state: state, trials: trials)
            }
        }
    }

    private func trialFacts(of plan: StudyPlan, _ database: Database) throws -> [TrialFacts] {
        let rows = try Row.fetchAll(database, sql: "SELECT * FROM trials WHERE study = ? ORDER BY trial", arguments: [plan.id.rawValue])
        var facts: [TrialFacts] = []
        for (index, row) in rows.enumerated() {
            guard row["trial"] == index, let state = TrialState(rawValue: row["state"]) else {
                throw Self.damaged(path, "trial \(index) of study \(plan.name) is missing")
            }
            let id = TrialID(study: plan.id, index: index)
            let record = TrialRecord(
                trial: id, state: state, step: row["step"], attempt: row["attempt"], crashes: row["crashes"], failure: row["failure"])
            facts.append(
                TrialFacts(record: record, segments: try segments(of: id, plan, database), conflicts: try conflicts(of: id, database)))
        }
        guard facts.count == plan.trialCount else {
            throw Self.damaged(path, "study \(plan.name) has \(facts.count) of its \(plan.trialCount) trials")
        }
        return facts
    }
}
