// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation

extension FleetStatus.Study {
    init(_ study: Snapshot.Study, created: Int64, names: [WorkerID: String], details: (TrialID) -> FleetStatus.Trial.Details) {
        let state: FleetStatus.StudyState =
            switch study.state {
            case .complete: .complete
            case .failed: .failed
            case .cancelled: .cancelled
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
            trials: study.trials.map { trial in
                FleetStatus.Trial(trial, of: study, worker: trial.worker.flatMap { names[$0] } ?? "", details(trial.id))
            })
    }
}

extension FleetStatus.Trial {
    /// What the coordinator's state machine does not know.
    struct Details {
        var evaluationLoss: Double?
        var checkpointPath = ""
        var problem = ""
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
            attempt: trial.attempt, failure: trial.failure.isEmpty ? details.problem : trial.failure, checkpointPath: details.checkpointPath
        )
    }
}

extension FleetStatus.Worker {
    init(_ worker: Snapshot.Worker, study: String) {
        let state: FleetStatus.WorkerState =
            switch worker.state {
            case .suspect: .suspect
            case .lost: .lost
            case .draining: .draining
            case .connected: worker.isStalled ? .stalled : worker.lease == nil ? .idle : .busy
            }
        self.init(
            id: worker.id.rawValue, name: worker.about.name, host: worker.about.host, processID: worker.about.processID, state: state,
            study: study, trial: worker.lease?.trial.index, step: worker.step, stepsPerSecond: worker.stepsPerSecond,
            silenceSeconds: max(0, worker.silence.inSeconds), threads: worker.about.threads, cpu: worker.about.cpu,
            program: worker.about.program)
    }
}
