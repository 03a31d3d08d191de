// SPDX-License-Identifier: Apache-2.0
import Fleet
import Foundation

/// The state of a fleet as the documented JSON (proto-docs/STATUS.md): keys in snake case, all arrays always there.
struct FleetStatusJSON: Encodable {
    let schemaVersion = 2
    let endpoint: String, program: String, uptimeSeconds: Double, problems: [String]
    let waitingTrials: Int, transfers: Int, transferBytesPerSecond: Int
    let studies: [Study]
    let workers: [Worker]

    struct Study: Encodable {
        let id: String, name: String, state: String, created: Date, priority: Int, parallel: String, failure: String
        let counts: FleetStatus.Counts, bestTrial: Int?, encodedParts: Int, encodeParts: Int, remainingSeconds: Double?
        let trials: [Trial]
    }

    struct Trial: Encodable {
        let index: Int, state: String, step: Int, totalSteps: Int, loss: Double?, evaluationLoss: Double?, bestLoss: Double?,
            bestStep: Int?
        let stepsPerSecond: Double?, remainingSeconds: Double?, worker: String, workers: Int, attempt: Int, failure: String,
            checkpointPath: String
        let parameters: [FleetStatus.Parameter], numericsClass: String
    }

    struct Worker: Encodable {
        let id: String, name: String, host: String, processId: Int, state: String, study: String, work: String, trial: Int?, step: Int?
        let stepsPerSecond: Double?, silenceSeconds: Double, threads: Int, cpu: String, program: String
        let numericsClass: String, key: String, accepted: Int, alarms: Int, preparing: String, memoryBytes: UInt64
    }

    init(_ status: FleetStatus) {
        (endpoint, program, uptimeSeconds, problems) = (status.endpoint, status.program, status.uptimeSeconds, status.problems)
        (waitingTrials, transfers, transferBytesPerSecond) = (status.waitingTrials, status.transfers, status.transferBytesPerSecond)
        studies = status.studies.map { study in
            Study(
                id: study.id, name: study.name, state: study.state.rawValue, created: study.created, priority: study.priority,
                parallel: study.parallel, failure: study.failure, counts: study.counts, bestTrial: study.bestTrial,
                encodedParts: study.encodedParts, encodeParts: study.encodeParts, remainingSeconds: study.remainingSeconds,
                trials: study.trials.map(Trial.init))
        }
        workers = status.workers.map {
            Worker(
                id: $0.id, name: $0.name, host: $0.host, processId: $0.processID, state: $0.state.rawValue, study: $0.study, work: $0.work,
                trial: $0.trial, step: $0.step, stepsPerSecond: $0.stepsPerSecond, silenceSeconds: $0.silenceSeconds, threads: $0.threads,
                cpu: $0.cpu, program: $0.program, numericsClass: $0.numericsClass, key: $0.key, accepted: $0.accepted, alarms: $0.alarms,
                preparing: $0.preparing, memoryBytes: $0.memoryBytes)
        }
    }
}

extension FleetStatusJSON.Trial {
    init(_ trial: FleetStatus.Trial) {
        self.init(
            index: trial.index, state: trial.state.rawValue, step: trial.step, totalSteps: trial.totalSteps, loss: trial.loss,
            evaluationLoss: trial.evaluationLoss, bestLoss: trial.bestLoss, bestStep: trial.bestStep, stepsPerSecond: trial.stepsPerSecond,
            remainingSeconds: trial.remainingSeconds, worker: trial.worker, workers: trial.workers, attempt: trial.attempt,
            failure: trial.failure, checkpointPath: trial.checkpointPath, parameters: trial.parameters, numericsClass: trial.numericsClass)
    }
}
