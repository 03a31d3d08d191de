// SPDX-License-Identifier: Apache-2.0

import Foundation
import WireMessages

extension FleetStatus {
    /// Reads a reply that the codec has checked.
    init(_ wire: WireStatusReply) {
        self.init(
            program: wire.coordinator.programVersion, endpoint: wire.coordinator.endpoint, uptimeSeconds: wire.coordinator.uptimeSeconds,
            problems: wire.coordinator.problems, waitingTrials: Int(wire.coordinator.waitingTrials),
            transfers: Int(wire.coordinator.transfers), transferBytesPerSecond: Int(clamping: wire.coordinator.transferBytesPerSecond),
            studies: wire.studies.map(Study.init), workers: wire.workers.map(Worker.init),
            workersLeftOut: Int(wire.coordinator.workersLeftOut))
    }

    /// As much as fits into one message: first everything but trials, then trials, study by study.
    ///
    /// - Parameter listsAll: its studies have all their trials, so that those left out can be asked for.
    func wire(listsAll: Bool) -> WireStatusReply {
        var wire = WireStatusReply()
        wire.coordinator.programVersion = program
        wire.coordinator.uptimeSeconds = uptimeSeconds
        wire.coordinator.endpoint = endpoint
        wire.coordinator.problems = problems.map { WireText.clipped($0) }.filter { !$0.isEmpty }
        wire.coordinator.waitingTrials = UInt32(clamping: waitingTrials)
        wire.coordinator.transfers = UInt32(clamping: transfers)
        wire.coordinator.transferBytesPerSecond = UInt64(clamping: transferBytesPerSecond)
        var budget = ReplyBudget()
        wire.studies = studies.map { $0.wire(&budget) }
        for worker in workers {
            let row = worker.wire
            // Half of the room is for trials.
            guard budget.take(row.cost, leaving: 0.5) else { break }
            wire.workers.append(row)
        }
        wire.coordinator.workersLeftOut = UInt32(clamping: workersLeftOut + workers.count - wire.workers.count)
        for (index, study) in studies.enumerated() {
            for trial in study.trials {
                let row = trial.wire
                guard budget.take(row.cost) else {
                    if listsAll { wire.studies[index].nextTrial = row.index }
                    break
                }
                wire.studies[index].trials.append(row)
            }
        }
        return wire
    }
}

extension FleetStatus.Study {
    fileprivate init(_ wire: WireStudyStatus) {
        let state: FleetStatus.StudyState =
            switch wire.state {
            case .waiting, .unspecified, .UNRECOGNIZED: .waiting
            case .running: .running
            case .paused: .paused
            case .complete: .complete
            case .failed: .failed
            case .cancelled: .cancelled
            }
        self.init(
            id: wire.studyID, name: wire.name, state: state, created: Date(timeIntervalSince1970: Double(wire.createdMs) / 1000),
            trials: wire.trials.map(FleetStatus.Trial.init), priority: Int(wire.priority),
            counts: FleetStatus.Counts(
                all: Int(wire.trialCount), waiting: Int(wire.trialsWaiting), running: Int(wire.trialsRunning),
                complete: Int(wire.trialsComplete), failed: Int(wire.trialsFailed), pruned: Int(wire.trialsPruned)),
            bestTrial: wire.hasBestTrial ? Int(wire.bestTrial) : nil, encodedParts: Int(wire.encodedParts),
            encodeParts: Int(wire.encodeParts), failure: wire.failure, remainingSeconds: wire.hasEtaSeconds ? wire.etaSeconds : nil,
            parallel: wire.parallel, stepsDone: wire.stepsDone, stepsTotal: wire.stepsTotal,
            nextTrial: wire.hasNextTrial ? Int(wire.nextTrial) : nil)
    }

    /// Without its trials.
    fileprivate func wire(_ budget: inout ReplyBudget) -> WireStudyStatus {
        var wire = WireStudyStatus()
        wire.studyID = id
        wire.name = name
        wire.state =
            switch state {
            case .waiting: .waiting
            case .running: .running
            case .paused: .paused
            case .complete: .complete
            case .failed: .failed
            case .cancelled: .cancelled
            }
        wire.createdMs = Int64((created.timeIntervalSince1970 * 1000).rounded())
        wire.priority = Int32(clamping: priority)
        wire.trialCount = UInt32(clamping: counts.all)
        wire.trialsWaiting = UInt32(clamping: counts.waiting)
        wire.trialsRunning = UInt32(clamping: counts.running)
        wire.trialsComplete = UInt32(clamping: counts.complete)
        wire.trialsFailed = UInt32(clamping: counts.failed)
        wire.trialsPruned = UInt32(clamping: counts.pruned)
        if let bestTrial { wire.bestTrial = UInt32(clamping: bestTrial) }
        wire.encodedParts = UInt32(clamping: encodedParts)
        wire.encodeParts = UInt32(clamping: encodeParts)
        wire.failure = WireText.clipped(failure)
        if let remainingSeconds { wire.etaSeconds = remainingSeconds }
        wire.parallel = parallel
        wire.stepsDone = stepsDone
        wire.stepsTotal = stepsTotal
        if let nextTrial { wire.nextTrial = UInt32(clamping: nextTrial) }
        _ = budget.take(ReplyBudget.Cost(elements: 8, bytes: 256 + name.utf8.count + wire.failure.utf8.count))
        return wire
    }
}

extension FleetStatus.Trial {
    fileprivate init(_ wire: WireTrialStatus) {
        let state: FleetStatus.TrialState =
            switch wire.state {
            case .waiting, .unspecified, .UNRECOGNIZED: .waiting
            case .running: .running
            case .paused: .paused
            case .complete: .complete
            case .pruned: .pruned
            case .failed: .failed
            case .cancelled: .cancelled
            }
        self.init(
            index: Int(wire.index), state: state, step: Int(wire.step), totalSteps: Int(wire.totalSteps),
            loss: wire.hasLoss ? wire.loss : nil, evaluationLoss: wire.hasEvaluationLoss ? wire.evaluationLoss : nil,
            bestLoss: wire.hasBestLoss ? wire.bestLoss : nil, bestStep: wire.hasBestStep ? Int(wire.bestStep) : nil,
            stepsPerSecond: wire.hasStepsPerSecond ? wire.stepsPerSecond : nil,
            remainingSeconds: wire.hasEtaSeconds ? wire.etaSeconds : nil, worker: wire.worker, attempt: Int(wire.attempt),
            failure: wire.failure, checkpointPath: wire.checkpointPath, workers: Int(wire.workers),
            parameters: wire.parameters.map { FleetStatus.Parameter(key: $0.key, value: $0.value) }, numericsClass: wire.numericsClass)
    }

    fileprivate var wire: WireTrialStatus {
        var wire = WireTrialStatus()
        wire.index = UInt32(clamping: index)
        wire.state =
            switch state {
            case .waiting: .waiting
            case .running: .running
            case .paused: .paused
            case .complete: .complete
            case .pruned: .pruned
            case .failed: .failed
            case .cancelled: .cancelled
            }
        wire.step = UInt32(clamping: step)
        wire.totalSteps = UInt32(clamping: totalSteps)
        if let loss { wire.loss = loss }
        if let evaluationLoss { wire.evaluationLoss = evaluationLoss }
        if let bestLoss { wire.bestLoss = bestLoss }
        if let bestStep { wire.bestStep = UInt32(clamping: bestStep) }
        if let stepsPerSecond { wire.stepsPerSecond = stepsPerSecond }
        if let remainingSeconds { wire.etaSeconds = remainingSeconds }
        wire.worker = worker
        wire.attempt = UInt32(clamping: attempt)
        wire.failure = WireText.clipped(failure)
        wire.checkpointPath = WireText.clipped(checkpointPath, limit: WireLimits.pathBytes)
        wire.workers = UInt32(clamping: workers)
        wire.parameters = parameters.map { parameter in
            var wire = WireParameter()
            wire.key = WireText.clipped(parameter.key, limit: WireLimits.nameBytes)
            wire.value = WireText.clipped(parameter.value)
            return wire
        }
        wire.numericsClass = numericsClass
        return wire
    }
}

extension FleetStatus.Worker {
    fileprivate init(_ wire: WireWorkerStatus) {
        let state: FleetStatus.WorkerState =
            switch wire.state {
            case .idle, .unspecified, .UNRECOGNIZED: .idle
            case .busy: .busy
            case .stalled: .stalled
            case .suspect: .suspect
            case .lost: .lost
            case .draining: .draining
            }
        self.init(
            id: wire.workerID, name: wire.name, host: wire.host, processID: Int(wire.pid), state: state, study: wire.study,
            trial: wire.hasTrial ? Int(wire.trial) : nil, step: wire.hasStep ? Int(wire.step) : nil,
            stepsPerSecond: wire.hasStepsPerSecond ? wire.stepsPerSecond : nil, silenceSeconds: wire.lastHeardSeconds,
            threads: Int(wire.threads), cpu: wire.cpu, program: wire.programVersion, work: wire.work, numericsClass: wire.numericsClass,
            key: wire.key, accepted: Int(wire.accepted), alarms: Int(wire.alarms), preparing: wire.preparing,
            memoryBytes: wire.memoryBytes)
    }

    fileprivate var wire: WireWorkerStatus {
        var wire = WireWorkerStatus()
        wire.workerID = id
        wire.name = name
        wire.host = host
        wire.pid = UInt32(clamping: processID)
        wire.state =
            switch state {
            case .idle: .idle
            case .busy: .busy
            case .stalled: .stalled
            case .suspect: .suspect
            case .lost: .lost
            case .draining: .draining
            }
        wire.study = study
        if let trial { wire.trial = UInt32(clamping: trial) }
        if let step { wire.step = UInt32(clamping: step) }
        if let stepsPerSecond { wire.stepsPerSecond = stepsPerSecond }
        wire.lastHeardSeconds = silenceSeconds
        wire.threads = UInt32(clamping: threads)
        wire.cpu = cpu
        wire.programVersion = program
        wire.work = work
        wire.numericsClass = numericsClass
        wire.key = key
        wire.accepted = UInt32(clamping: accepted)
        wire.alarms = UInt32(clamping: alarms)
        wire.preparing = WireText.clipped(preparing)
        wire.memoryBytes = memoryBytes
        return wire
    }
}
