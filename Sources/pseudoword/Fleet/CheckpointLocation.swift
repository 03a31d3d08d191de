// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Fleet
import Foundation

/// Finds the checkpoint that a user means.
enum CheckpointLocation {
    private static let patience: Duration = .seconds(20)

    /// - Returns: nil when the study is not on this machine and a coordinator may know it.
    static func find(_ study: String, home: HomeOption, trial: TrialChoice) throws -> Checkpoint? {
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: study, isDirectory: &isFolder)
        if exists && !isFolder.boolValue { return try Checkpoint.read(from: study) }
        let base = exists ? URL(fileURLWithPath: study) : home.folder
        let studies = base.appendingPathComponent("studies")
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: studies.path)) ?? []).sorted()
        let name = exists ? names.first ?? "" : study
        if exists && names.count != 1 {
            throw CommandLineError(.notFound, "\(study): holds \(names.count) studies; name one of them and give the folder as --home")
        }
        if !exists, home.home == nil, !names.contains(name) { return nil }
        let ledger = try? OfflineHome(base)
        // Which trial is best is not guessed where the ledger is damaged; any other file speaks for itself.
        let known = trial.number == nil ? try ledger?.status().study(name) : try? ledger?.status().study(name)
        let index = trial.number ?? known?.bestTrial ?? 0
        let path = Home.checkpoint(in: base, study: name, trial: index).path
        guard FileManager.default.fileExists(atPath: path) else {
            let known = names.isEmpty ? "there is no study" : "studies there: \(names.joined(separator: ", "))"
            throw CommandLineError(.notFound, "no checkpoint of study \(study), trial \(index) in \(base.path); \(known)")
        }
        return try read(path, from: known?.trials.first { $0.index == index }?.step ?? 0, in: base)
    }

    /// Reads a file that may be a moment behind the ledger, or behind for good where a coordinator was killed.
    private static func read(_ path: String, from step: Int, in base: URL) throws -> Checkpoint {
        let end = ContinuousClock.now + patience
        while true {
            let checkpoint = try Checkpoint.read(from: path)
            if checkpoint.optimizer.step >= step { return checkpoint }
            guard Home.isInUse(base), ContinuousClock.now < end else {
                announce(
                    "the checkpoint is at step \(checkpoint.optimizer.step), the ledger at step \(step): a coordinator on this home writes the rest"
                )
                return checkpoint
            }
            usleep(50_000)
        }
    }
}
