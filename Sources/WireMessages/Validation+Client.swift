// SPDX-License-Identifier: Apache-2.0
import Foundation

extension WireSubmitStudy {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.document(yaml, "yaml")
        try check.text(baseFolder, "base_folder", WireLimits.pathBytes)
        try check.text(sourcePath, "source_path", WireLimits.pathBytes, canBeEmpty: true)
    }
}

extension WireSubmitReply {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.known(outcome, "outcome")
        let isRefused = outcome == .refused
        try check.text(studyID, "study_id", WireLimits.identifierBytes, canBeEmpty: isRefused)
        try check.text(name, "name", WireLimits.nameBytes, canBeEmpty: isRefused)
        try check.text(message, "message", WireLimits.lineBytes, canBeEmpty: !isRefused)
    }
}

extension WireCancelReply {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.known(outcome, "outcome")
        try check.text(studyID, "study_id", WireLimits.identifierBytes)
        try check.text(name, "name", WireLimits.nameBytes)
    }
}

extension WireStatusReply {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.require(hasCoordinator, "coordinator", "is missing")
        try check.text(coordinator.programVersion, "coordinator.program_version", WireLimits.identifierBytes)
        try check.notNegative(coordinator.uptimeSeconds, "coordinator.uptime_seconds")
        try check.text(coordinator.endpoint, "coordinator.endpoint", WireLimits.nameBytes)
        for study in studies { try study.validate(check) }
        for worker in workers { try worker.validate(check) }
    }
}

extension WireStudyStatus {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.text(studyID, "studies.study_id", WireLimits.identifierBytes)
        try check.text(name, "studies.name", WireLimits.nameBytes)
        try check.known(state, "studies.state")
        for trial in trials { try trial.validate(check) }
    }
}

extension WireTrialStatus {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.known(state, "trials.state")
        if hasLoss { try check.finite(loss, "trials.loss") }
        if hasEvaluationLoss { try check.finite(evaluationLoss, "trials.evaluation_loss") }
        if hasBestLoss { try check.finite(bestLoss, "trials.best_loss") }
        if hasStepsPerSecond { try check.notNegative(stepsPerSecond, "trials.steps_per_second") }
        if hasEtaSeconds { try check.notNegative(etaSeconds, "trials.eta_seconds") }
        try check.text(worker, "trials.worker", WireLimits.nameBytes, canBeEmpty: true)
        try check.text(failure, "trials.failure", WireLimits.lineBytes, canBeEmpty: true)
        try check.text(checkpointPath, "trials.checkpoint_path", WireLimits.pathBytes, canBeEmpty: true)
    }
}

extension WireWorkerStatus {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.uuid(workerID, "workers.worker_id")
        try check.text(name, "workers.name", WireLimits.nameBytes)
        try check.text(host, "workers.host", WireLimits.nameBytes)
        try check.known(state, "workers.state")
        if hasStepsPerSecond { try check.notNegative(stepsPerSecond, "workers.steps_per_second") }
        try check.notNegative(lastHeardSeconds, "workers.last_heard_seconds")
        try check.text(cpu, "workers.cpu", WireLimits.nameBytes)
        try check.text(programVersion, "workers.program_version", WireLimits.identifierBytes)
        try check.text(study, "workers.study", WireLimits.nameBytes, canBeEmpty: true)
    }
}
