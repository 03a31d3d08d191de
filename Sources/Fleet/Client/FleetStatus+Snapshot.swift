// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation

extension FleetStatus.Study {
    init(
        _ study: Snapshot.Study, created: Int64, trials: [Snapshot.Trial], names: [WorkerID: String],
        details: (TrialID) -> FleetStatus.Trial.Details
    ) {
        let state: FleetStatus.StudyState =
            switch study.state {
            case .complete: .complete
            case .failed: .failed
            case .cancelled: .cancelled
            case .running where study.isPaused: .paused
            case .running:
                if study.trials.contains(where: { $0.state == .running }) {
                    .running
                } else if study.trials.allSatisfy({ $0.state == .paused || $0.state.isTerminal }) {
                    .paused
                } else {
                    study.stepsDone > 0 ? .running : .waiting
                }
            }
        self.init(
            id: study.id.description, name: study.name, state: state, created: Date(timeIntervalSince1970: Double(created) / 1000),
            trials: trials.map { trial in
                FleetStatus.Trial(trial, of: study, worker: trial.worker.flatMap { names[$0] } ?? "", details(trial.id))
            }, priority: study.priority,
            counts: FleetStatus.Counts(study), bestTrial: study.bestTrial?.index, encodedParts: study.encodedParts,
            encodeParts: study.encodeParts, failure: study.failure, remainingSeconds: study.remaining?.inSeconds,
            parallel: study.parallelism.rawValue, stepsDone: Double(study.stepsDone), stepsTotal: Double(study.steps))
    }
}

extension FleetStatus.Counts {
    fileprivate init(_ study: Snapshot.Study) {
        self.init()
        all = study.trials.count
        waiting = (study.counts[.waiting] ?? 0) + (study.counts[.paused] ?? 0)
        running = study.counts[.running] ?? 0
        complete = study.counts[.complete] ?? 0
        failed = study.counts[.failed] ?? 0
        pruned = study.counts[.pruned] ?? 0
    }
}

extension FleetStatus.Trial {
    /// What the coordinator's state machine does not know.
    struct Details {
        var evaluationLoss: Double?
        var checkpointPath = ""
        var problem = ""
        var parameters: [FleetStatus.Parameter] = []
    }

    init(_ trial: Snapshot.Trial, of study: Snapshot.Study, worker: String, _ details: Details) {
        let state: FleetStatus.TrialState =
            switch trial.state {
            case .waiting: .waiting
            case .running: .running
            case .paused: .paused
            case .complete: .complete
            case .pruned: study.state == .cancelled ? .cancelled : .pruned
            case .failed: .failed
            }
        let speed = trial.stepsPerSecond
        self.init(
            index: trial.id.index, state: state, step: trial.liveStep, totalSteps: trial.steps, loss: trial.loss,
            evaluationLoss: details.evaluationLoss, bestLoss: trial.best?.loss, bestStep: trial.best?.step, stepsPerSecond: speed,
            remainingSeconds: trial.state == .running ? speed.map { Double(trial.steps - trial.liveStep) / $0 } : nil, worker: worker,
            attempt: trial.attempt, failure: trial.failure.isEmpty ? details.problem : trial.failure,
            checkpointPath: details.checkpointPath, workers: trial.members.count, parameters: details.parameters,
            numericsClass: trial.numericsClass)
    }
}

extension FleetStatus.Worker {
    init(_ worker: Snapshot.Worker, study: String, work: Work?, key: String, preparing: String, memoryBytes: UInt64) {
        let state: FleetStatus.WorkerState =
            switch worker.state {
            case .suspect: .suspect
            case .lost: .lost
            case .draining: .draining
            case .connected: worker.isStalled ? .stalled : worker.leases.isEmpty ? .idle : .busy
            }
        self.init(
            id: worker.id.rawValue, name: worker.about.name, host: worker.about.host, processID: worker.about.processID, state: state,
            study: study, trial: work?.trial?.index, step: worker.step, stepsPerSecond: worker.stepsPerSecond,
            silenceSeconds: max(0, worker.silence.inSeconds), threads: worker.about.threads, cpu: worker.about.cpu,
            program: worker.about.program, work: work?.kindName ?? "", numericsClass: worker.about.numericsClass, key: key,
            accepted: worker.acceptedSegments + worker.acceptedPieces, alarms: worker.alarms, preparing: preparing, memoryBytes: memoryBytes
        )
    }
}

extension Work {
    /// Such as `train`.
    var kindName: String {
        switch self {
        case .train: "train"
        case .gradient: "gradient"
        case .evaluate: "evaluate"
        case .encode: "encode"
        case .preview: "preview"
        }
    }
}
