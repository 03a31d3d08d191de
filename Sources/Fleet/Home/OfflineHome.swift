// SPDX-License-Identifier: Apache-2.0

import Coordination
package import Foundation

/// A home whose coordinator does not run: what its ledger says, read without changing anything.
package struct OfflineHome: Sendable {
    private let folder: URL
    private let ledger: Ledger

    /// - Throws: `FleetError` `.notFound` when nobody ever kept a ledger there.
    package init(_ folder: URL) throws(FleetError) {
        self.folder = folder
        let url = folder.appendingPathComponent("ledger.sqlite")
        guard FileManager.default.fileExists(atPath: url.path) else {
            throw FleetError(.notFound, "home \(folder.path): holds no ledger; start a coordinator there, or name another with --home")
        }
        ledger = try Ledger(reading: url)
    }

    package func events(after number: Int64, target: String, limit: Int) throws(FleetError) -> [LogEntry] {
        try ledger.events(after: number, target: target, limit: limit)
    }

    /// When the ledger was written last.
    package func lastWritten() -> Date? {
        ["ledger.sqlite", "ledger.sqlite-wal"].compactMap { name in
            let path = folder.appendingPathComponent(name).path
            return (try? FileManager.default.attributesOfItem(atPath: path))?[.modificationDate] as? Date
        }.max()
    }

    /// The studies as they stand; nothing runs.
    package func status() throws(FleetError) -> FleetStatus {
        let coordinator = Coordinator(restoring: try ledger.facts(), at: Instant(milliseconds: 0))
        let created = Dictionary(uniqueKeysWithValues: try ledger.studies().map { ($0.plan.id, $0) })
        let snapshot = coordinator.snapshot(now: Instant(milliseconds: 0))
        var status = FleetStatus(program: "", endpoint: "", uptimeSeconds: 0)
        status.studies = snapshot.studies.map { study in
            FleetStatus.Study(study, created: created[study.id]?.created ?? 0, trials: study.trials, names: [:]) { trial in
                let path = Home.checkpoint(in: folder, study: study.name, trial: trial.index).path
                return FleetStatus.Trial.Details(
                    checkpointPath: FileManager.default.fileExists(atPath: path) ? path : "",
                    parameters: study.trials.count > 1 ? StudySettings.parameters(of: trial.index, json: created[study.id]?.json ?? "") : []
                )
            }
        }
        return status
    }
}
