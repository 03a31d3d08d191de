// SPDX-License-Identifier: Apache-2.0
import Fleet
import Foundation

/// The state of a fleet as lines of text: one line for a study's trial, one for a worker.
struct StatusTable {
    let lines: [String]

    init(_ status: FleetStatus, isWide: Bool, isOneStudy: Bool = false) {
        var lines: [String] = []
        if !status.endpoint.isEmpty {
            lines.append(
                "coordinator \(status.endpoint)  \(status.program)  up \(Self.duration(status.uptimeSeconds))"
                    + (status.waitingTrials > 0 ? "  \(status.waitingTrials) trials waiting" : "")
                    + (status.transfers > 0 ? "  \(status.transfers) transfers at \(status.transferBytesPerSecond >> 20) MiB/s" : ""))
        }
        lines += status.problems.map { "problem: " + $0 } + [""]
        for study in status.studies where study.counts.all > 1 || study.encodedParts < study.encodeParts || study.state == .paused {
            lines.append(Self.summary(study))
            if !study.failure.isEmpty { lines.append("  " + study.failure) }
        }
        var rows = [
            ["STUDY", "STATE", "TRIAL", "STEP", "LOSS", "EVAL", "BEST", "STEPS/S", "ETA", "WORKER"]
                + (isWide ? ["ATTEMPT", "CLASS", "SETTINGS", "CHECKPOINT"] : [])
        ]
        for study in status.studies {
            for trial in isOneStudy && study.counts.all > 1 ? study.ranked : study.trials {
                rows.append(Self.row(trial, of: study, isWide: isWide))
                if !trial.failure.isEmpty { rows.append(["  \(trial.failure)"]) }
            }
        }
        lines += rows.count > 1 ? Self.columns(rows) : ["no studies; hand one in with: pseudoword submit STUDY.yaml"]
        if !status.endpoint.isEmpty { lines += [""] + Self.workers(status, isWide: isWide) }
        if status.workersLeftOut > 0 { lines.append("and \(status.workersLeftOut) more workers") }
        self.lines = lines
    }

    private static func summary(_ study: FleetStatus.Study) -> String {
        let counts = study.counts
        var parts = ["\(counts.complete)/\(counts.all) trials complete", "\(counts.running) running", "\(counts.waiting) waiting"]
        if counts.failed > 0 { parts.append("\(counts.failed) failed") }
        if counts.pruned > 0 { parts.append("\(counts.pruned) pruned") }
        if study.encodedParts < study.encodeParts { parts.append("pictures: \(study.encodedParts)/\(study.encodeParts) parts encoded") }
        if let best = study.best { parts.append("best #\(best.index) \(number(best.bestLoss))") }
        if let left = study.remainingSeconds { parts.append("ETA \(duration(left))") }
        if study.priority != 0 { parts.append("priority \(study.priority)") }
        return "\(study.name)  \(study.state.rawValue)  " + parts.joined(separator: ", ")
    }

    private static func row(_ trial: FleetStatus.Trial, of study: FleetStatus.Study, isWide: Bool) -> [String] {
        let worker = trial.workers > 1 ? "\(trial.workers) workers" : trial.worker.isEmpty ? "-" : trial.worker
        var row = [
            study.name, trial.state.rawValue, "#\(trial.index)", "\(trial.step)/\(trial.totalSteps)", number(trial.loss),
            number(trial.evaluationLoss), trial.bestLoss.map { "\(number($0))@\(trial.bestStep ?? 0)" } ?? "-",
            trial.stepsPerSecond.map { formatted($0, digits: 1) } ?? "-", trial.remainingSeconds.map(duration) ?? "-", worker,
        ]
        if isWide {
            let settings = trial.parameters.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            row += [
                String(trial.attempt), trial.numericsClass.isEmpty ? "-" : trial.numericsClass, settings.isEmpty ? "-" : settings,
                trial.checkpointPath.isEmpty ? "-" : trial.checkpointPath,
            ]
        }
        return row
    }

    private static func workers(_ status: FleetStatus, isWide: Bool) -> [String] {
        var rows = [
            ["WORKER", "STATE", "WORK", "STEP", "STEPS/S", "HEARD", "THREADS"]
                + (isWide ? ["HOST", "PID", "PROGRAM", "CLASS", "KEY", "ACCEPTED", "CPU"] : [])
        ]
        for worker in status.workers {
            let place = worker.study.isEmpty ? "-" : "\(worker.work) \(worker.study)" + (worker.trial.map { " #\($0)" } ?? "")
            var row = [
                worker.name, worker.state.rawValue, worker.preparing.isEmpty ? place : "\(place) (\(worker.preparing))",
                worker.step.map(String.init) ?? "-", worker.stepsPerSecond.map { formatted($0, digits: 1) } ?? "-",
                duration(worker.silenceSeconds), String(worker.threads),
            ]
            if isWide {
                row += [
                    worker.host, String(worker.processID), worker.program, worker.numericsClass.isEmpty ? "-" : worker.numericsClass,
                    worker.key.isEmpty ? "-" : worker.key, String(worker.accepted), worker.cpu,
                ]
            }
            rows.append(row)
            if worker.alarms > 0 { rows.append(["  gave other bits than others \(worker.alarms) times; check its memory and CPU"]) }
        }
        return rows.count > 1 ? columns(rows) : ["no workers; start one with: pseudoword worker --coordinator \(status.endpoint)"]
    }

    /// Rows of the first row's length are aligned; shorter ones are notes that stand as they are.
    private static func columns(_ rows: [[String]]) -> [String] {
        let count = rows[0].count, full = rows.filter { $0.count == count }
        let widths = (0..<count).map { column in full.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            guard row.count == count else { return row.joined() }
            let text = zip(row, widths).map { $0.padded(to: $1) }.joined(separator: "  ")
            return String(text.reversed().drop { $0 == " " }.reversed())
        }
    }

    private static func number(_ value: Double?) -> String { value.map { formatted($0, digits: 4) } ?? "-" }

    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e7 else { return "-" }
        let whole = Int(seconds.rounded())
        if whole < 60 { return "\(whole)s" }
        if whole < 3600 { return "\(whole / 60)m\(String(format: "%02d", whole % 60))s" }
        return "\(whole / 3600)h\(String(format: "%02d", whole / 60 % 60))m"
    }
}
