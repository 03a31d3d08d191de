// SPDX-License-Identifier: Apache-2.0
import Fleet
import Foundation

/// The progress of a study: one line that is drawn again on a terminal, lines now and then elsewhere.
final class ProgressDisplay {
    private let isQuiet: Bool
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var shownStep = -1
    private var shownEvaluation: Double?
    private var shownProblems: [String] = []
    private var lastLine = Date.distantPast
    private var hasOpenLine = false

    init(isQuiet: Bool) { self.isQuiet = isQuiet }

    func show(_ study: FleetStatus.Study, problems: [String]) {
        for problem in problems where !shownProblems.contains(problem) { note("problem: " + problem) }
        shownProblems = problems
        guard !isQuiet, let trial = study.trials.first(where: { $0.state == .running }) ?? study.trials.last else { return }
        let line = Self.sweep(study) + Self.line(trial)
        if isTerminal {
            write("\r\u{1B}[K" + line)
            hasOpenLine = true
        } else if trial.step != shownStep, trial.evaluationLoss != shownEvaluation || Date().timeIntervalSince(lastLine) > 10 {
            write(line + "\n")
            (shownStep, shownEvaluation, lastLine) = (trial.step, trial.evaluationLoss, Date())
        }
    }

    func finish() {
        if hasOpenLine { write("\n") }
        hasOpenLine = false
    }

    private func note(_ text: String) {
        finish()
        write(text + "\n")
    }

    /// Where a study of many trials stands.
    private static func sweep(_ study: FleetStatus.Study) -> String {
        if study.encodedParts < study.encodeParts { return "encoding pictures \(study.encodedParts)/\(study.encodeParts)  " }
        guard study.counts.all > 1 else { return "" }
        let done = study.counts.complete + study.counts.failed + study.counts.pruned
        return "\(done)/\(study.counts.all) trials"
            + (study.best.map { ", best #\($0.index) \(formatted($0.bestLoss ?? 0, digits: 5))" } ?? "") + "  "
    }

    private static func line(_ trial: FleetStatus.Trial) -> String {
        let width = 24, part = trial.totalSteps > 0 ? min(1, Double(trial.step) / Double(trial.totalSteps)) : 0
        let full = Int((part * Double(width)).rounded(.down))
        var line =
            "[" + String(repeating: "#", count: full) + String(repeating: ".", count: width - full) + "] \(trial.step)/\(trial.totalSteps)"
        if let loss = trial.loss { line += "  loss \(formatted(loss))" }
        if let loss = trial.evaluationLoss { line += "  eval \(formatted(loss, digits: 5))" }
        if let rate = trial.stepsPerSecond { line += "  \(formatted(rate, digits: 1)) steps/s" }
        if let left = trial.remainingSeconds { line += "  ETA \(StatusTable.duration(left))" }
        if trial.state == .waiting { line += "  waiting for a worker" }
        return line
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
