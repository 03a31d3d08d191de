// SPDX-License-Identifier: Apache-2.0

import Coordination
package import Foundation
import GRDB

/// Something that happened in the fleet, for `pseudoword logs`.
package struct LogEntry: Sendable, Hashable {
    package var number: Int64 = 0
    package var time: Date
    /// Such as `granted`, `accepted`, `requeued`, `joined`, `lost`, `alarm`.
    package var kind: String
    package var study: String = ""
    package var trial: Int?
    package var worker: String = ""
    package var text: String
}

extension Ledger {
    /// Old entries go when there are twice as many.
    private static let keptEvents = 100_000

    func add(_ entries: [LogEntry], studyNumber: (String) -> Int64?) throws(FleetError) {
        guard !entries.isEmpty else { return }
        try stage { database in
            let statement = try database.cachedStatement(
                sql: "INSERT INTO events (time, kind, study, trial, worker, text) VALUES (?, ?, ?, ?, ?, ?)")
            for entry in entries {
                try statement.execute(arguments: [
                    Int64(entry.time.timeIntervalSince1970 * 1000), entry.kind, studyNumber(entry.study), entry.trial, entry.worker,
                    entry.text,
                ])
            }
            let newest = database.lastInsertedRowID
            if newest % 1000 < Int64(entries.count) {
                try database.execute(sql: "DELETE FROM events WHERE number <= ?", arguments: [newest - Int64(Self.keptEvents)])
            }
        }
    }

    /// The newest entries after a number, in order.
    ///
    /// - Parameter target: only what concerns this study or worker; empty for all.
    package func events(after number: Int64, target: String, limit: Int) throws(FleetError) -> [LogEntry] {
        try read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT e.*, s.name AS study_name FROM events e LEFT JOIN studies s ON s.id = e.study
                    WHERE e.number > ? AND (? = '' OR s.name = ? OR e.worker = ?) ORDER BY e.number DESC LIMIT ?
                    """, arguments: [number, target, target, target, limit]
            ).reversed().map { row in
                LogEntry(
                    number: row["number"], time: Date(timeIntervalSince1970: Double(row["time"] as Int64) / 1000), kind: row["kind"],
                    study: row["study_name"] ?? "", trial: row["trial"], worker: row["worker"], text: row["text"])
            }
        }
    }
}
