// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import GRDB

/// An encoded part or a preview that is on disk.
package struct PieceRow: Sendable, Hashable {
    package let trial: Int
    /// The part, or the preview's step.
    package let number: Int
    /// SHA-256 in hexadecimal.
    package let digest: String
    package let bytes: Int64
}

extension Ledger {
    /// Keeps the name of a piece's blob; writing the same one again changes nothing.
    func add(_ report: PieceReport, bytes: UInt64, received: Int64) throws(FleetError) {
        let (kind, trial, number) = try Self.place(of: report.lease.work)
        try stage { database in
            try database.execute(
                sql:
                    "INSERT OR IGNORE INTO pieces (study, kind, trial, number, digest, bytes, worker, received) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                arguments: [
                    report.lease.work.study.rawValue, kind, trial, number, report.digest, Int64(clamping: bytes), report.worker.rawValue,
                    received,
                ])
        }
    }

    /// The encoded parts of a study, in order.
    func encodedParts(of study: StudyID) throws(FleetError) -> [PieceRow] {
        try read { try pieceRows(of: study, kind: "encode", $0) }
    }

    /// The previews of a study's trials.
    func previews(of study: StudyID) throws(FleetError) -> [PieceRow] {
        try read { try pieceRows(of: study, kind: "preview", $0) }
    }

    func pieces(of study: StudyID, _ database: Database) throws -> (encoded: [Int: String], previews: [Int: [Int: String]]) {
        var previews: [Int: [Int: String]] = [:]
        for row in try pieceRows(of: study, kind: "preview", database) { previews[row.trial, default: [:]][row.number] = row.digest }
        let parts = try pieceRows(of: study, kind: "encode", database)
        return (Dictionary(uniqueKeysWithValues: parts.map { ($0.number, $0.digest) }), previews)
    }

    private func pieceRows(of study: StudyID, kind: String, _ database: Database) throws -> [PieceRow] {
        try Row.fetchAll(
            database, sql: "SELECT trial, number, digest, bytes FROM pieces WHERE study = ? AND kind = ? ORDER BY trial, number",
            arguments: [study.rawValue, kind]
        ).map { PieceRow(trial: $0["trial"], number: $0["number"], digest: $0["digest"], bytes: $0["bytes"]) }
    }

    private static func place(of work: Work) throws(FleetError) -> (kind: String, trial: Int, number: Int) {
        switch work {
        case .encode(_, let part): return ("encode", 0, part)
        case .preview(let trial, let step): return ("preview", trial.index, step)
        case .train, .gradient, .evaluate: throw FleetError(.internal, "\(work) is no piece")
        }
    }
}
