// SPDX-License-Identifier: Apache-2.0
import Fleet
import Foundation

/// The state of a fleet as lines of text: one line for a study's trial, one for a worker.
struct StatusTable {
    let lines: [String]

    init(_ status: FleetStatus, isWide: Bool) {
        var lines = ["coordinator \(status.endpoint)  \(status.program)  up \(Self.duration(status.uptimeSeconds))"]
        lines += status.problems.map { "problem: " + $0 }
        lines.append("")
        var studies = [
            ["STUDY", "STATE", "TRIAL", "STEP", "LOSS", "EVAL", "BEST", "STEPS/S", "ETA", "WORKER"]
                + (isWide ? ["ATTEMPT", "CHECKPOINT"] : [])
        ]
        for study in status.studies {
            for trial in study.trials {
                var row = [
                    study.name, trial.state.rawValue, "#\(trial.index)", "\(trial.step)/\(trial.totalSteps)", Self.number(trial.loss),
                    Self.number(trial.evaluationLoss), trial.bestLoss.map { "\(Self.number($0))@\(trial.bestStep ?? 0)" } ?? "-",
                    trial.stepsPerSecond.map { formatted($0, digits: 1) } ?? "-", trial.remainingSeconds.map(Self.duration) ?? "-",
                    trial.worker.isEmpty ? "-" : trial.worker,
                ]
                if isWide { row += [String(trial.attempt), trial.checkpointPath.isEmpty ? "-" : trial.checkpointPath] }
                studies.append(row)
                if !trial.failure.isEmpty { studies.append(["  \(trial.failure)"]) }
            }
        }
        lines += studies.count > 1 ? Self.columns(studies) : ["no studies; hand one in with: pseudoword submit STUDY.yaml"]
        lines.append("")
        var workers = [
            ["WORKER", "STATE", "WORK", "STEP", "STEPS/S", "HEARD", "THREADS"] + (isWide ? ["HOST", "PID", "PROGRAM", "CPU"] : [])
        ]
        for worker in status.workers {
            var row = [
                worker.name, worker.state.rawValue, worker.study.isEmpty ? "-" : worker.study + (worker.trial.map { " #\($0)" } ?? ""),
                worker.step.map(String.init) ?? "-", worker.stepsPerSecond.map { formatted($0, digits: 1) } ?? "-",
                Self.duration(worker.silenceSeconds), String(worker.threads),
            ]
            if isWide { row += [worker.host, String(worker.processID), worker.program, worker.cpu] }
            workers.append(row)
        }
        lines +=
            workers.count > 1 ? Self.columns(workers) : ["no workers; start one with: pseudoword worker --coordinator \(status.endpoint)"]
        self.lines = lines
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

/// The state of a fleet as the documented JSON: keys in snake case, all arrays always there.
struct FleetStatusJSON: Encodable {
    let schemaVersion = 1
    let endpoint: String, program: String, uptimeSeconds: Double, problems: [String]
    let studies: [Study]
    let workers: [Worker]

    struct Study: Encodable {
        let id: String, name: String, state: String, created: Date
        let trials: [Trial]
    }

    struct Trial: Encodable {
        let index: Int, state: String, step: Int, totalSteps: Int, loss: Double?, evaluationLoss: Double?, bestLoss: Double?,
            bestStep: Int?
        let stepsPerSecond: Double?, remainingSeconds: Double?, worker: String, attempt: Int, failure: String, checkpointPath: String
    }

    struct Worker: Encodable {
        let id: String, name: String, host: String, processId: Int, state: String, study: String, trial: Int?, step: Int?
        let stepsPerSecond: Double?, silenceSeconds: Double, threads: Int, cpu: String, program: String
    }

    init(_ status: FleetStatus) {
        (endpoint, program, uptimeSeconds, problems) = (status.endpoint, status.program, status.uptimeSeconds, status.problems)
        studies = status.studies.map { study in
            Study(
                id: study.id, name: study.name, state: study.state.rawValue, created: study.created,
                trials: study.trials.map {
                    Trial(
                        index: $0.index, state: $0.state.rawValue, step: $0.step, totalSteps: $0.totalSteps, loss: $0.loss,
                        evaluationLoss: $0.evaluationLoss, bestLoss: $0.bestLoss, bestStep: $0.bestStep,
                        stepsPerSecond: $0.stepsPerSecond,
                        remainingSeconds: $0.remainingSeconds, worker: $0.worker, attempt: $0.attempt, failure: $0.failure,
                        checkpointPath: $0.checkpointPath)
                })
        }
        workers = status.workers.map {
            Worker(
                id: $0.id, name: $0.name, host: $0.host, processId: $0.processID, state: $0.state.rawValue, study: $0.study,
                trial: $0.trial,
                step: $0.step, stepsPerSecond: $0.stepsPerSecond, silenceSeconds: $0.silenceSeconds, threads: $0.threads, cpu: $0.cpu,
                program: $0.program)
        }
    }
}
