// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Fleet
import Foundation

/// Finds the checkpoint that a user means.
enum CheckpointLocation {
    /// - Returns: nil when the study is not on this machine and a coordinator may know it.
    static func find(_ study: String, home: HomeOption, trial: TrialChoice) throws -> String? {
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: study, isDirectory: &isFolder)
        if exists && !isFolder.boolValue { return study }
        let base = exists ? URL(fileURLWithPath: study) : home.folder
        let studies = base.appendingPathComponent("studies")
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: studies.path)) ?? []).sorted()
        let name = exists ? names.first ?? "" : study
        if exists && names.count != 1 {
            throw CommandLineError(.notFound, "\(study): holds \(names.count) studies; name one of them and give the folder as --home")
        }
        if !exists, home.home == nil, !names.contains(name) { return nil }
        let index = try trial.number ?? best(of: name, in: base)
        let path = Home.checkpoint(in: base, study: name, trial: index).path
        guard FileManager.default.fileExists(atPath: path) else {
            let known = names.isEmpty ? "there is no study" : "studies there: \(names.joined(separator: ", "))"
            throw CommandLineError(.notFound, "no checkpoint of study \(study), trial \(index) in \(base.path); \(known)")
        }
        try waitForLedger(path, name, index, base)
        return path
    }

    /// A file may be a moment behind the ledger, or behind for good where a coordinator was killed.
    private static func waitForLedger(_ path: String, _ name: String, _ index: Int, _ base: URL) throws {
        func reached() throws -> Int { try Checkpoint.read(from: path).optimizer.step }
        guard let step = try? OfflineHome(base).status().study(name)?.trials.first(where: { $0.index == index })?.step else { return }
        let end = ContinuousClock.now + patience
        while try reached() < step {
            guard Home.isInUse(base), ContinuousClock.now < end else {
                return announce(
                    "the checkpoint is at step \(try reached()), the ledger at step \(step): a coordinator on this home writes the rest")
            }
            usleep(50_000)
        }
    }

    private static let patience: Duration = .seconds(20)

    /// The trial with the lowest evaluation loss, as the ledger has it.
    private static func best(of name: String, in base: URL) throws -> Int {
        try (try? OfflineHome(base))?.status().study(name)?.bestTrial ?? 0
    }
}
