// SPDX-License-Identifier: Apache-2.0
import Foundation

extension WireSubmitStudy {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.document(yaml, "yaml")
        try check.text(baseFolder, "base_folder", WireLimits.pathBytes)
        try check.text(sourcePath, "source_path", WireLimits.pathBytes, canBeEmpty: true)
        try check.document(manifestJson, "manifest_json", limit: WireLimits.manifestBytes)
        try check.priority(priority)
    }
}

extension WireSubmitReply {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.known(outcome, "outcome")
        let isRefused = outcome == .refused || outcome == .needsBlobs
        try check.text(studyID, "study_id", WireLimits.identifierBytes, canBeEmpty: isRefused)
        try check.text(name, "name", WireLimits.nameBytes, canBeEmpty: isRefused)
        try check.text(message, "message", WireLimits.lineBytes, canBeEmpty: outcome != .refused)
        for digest in missing { try check.digest(digest, "missing") }
    }
}

extension WireCommand {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.known(kind, "kind")
        try check.text(target, "target", WireLimits.nameBytes)
        try check.priority(priority)
    }
}

extension WireCommandReply {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.text(id, "id", WireLimits.identifierBytes)
        try check.text(name, "name", WireLimits.nameBytes)
    }
}

extension WireLogReply {
    func validate(_ check: FieldChecks) throws(WireError) {
        for entry in entries {
            try check.text(entry.kind, "entries.kind", WireLimits.identifierBytes)
            try check.text(entry.study, "entries.study", WireLimits.nameBytes, canBeEmpty: true)
            try check.text(entry.worker, "entries.worker", WireLimits.nameBytes, canBeEmpty: true)
            try check.text(entry.text, "entries.text", WireLimits.lineBytes, canBeEmpty: true)
        }
    }
}

extension WireKeysRequest {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.known(action, "action")
        try check.text(key, "key", WireLimits.nameBytes, canBeEmpty: true)
        try check.text(name, "name", WireLimits.nameBytes, canBeEmpty: true)
        try check.require(roles.count <= 16, "roles", "are \(roles.count)")
    }
}

extension WireKeysReply {
    func validate(_ check: FieldChecks) throws(WireError) {
        for entry in entries {
            try check.text(entry.key, "entries.key", WireLimits.identifierBytes)
            try check.text(entry.name, "entries.name", WireLimits.nameBytes, canBeEmpty: true)
        }
        try check.text(token, "token", WireLimits.lineBytes, canBeEmpty: true)
    }
}

extension WireStatusReply {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.require(hasCoordinator, "coordinator", "is missing")
        try check.text(coordinator.programVersion, "coordinator.program_version", WireLimits.identifierBytes)
        try check.notNegative(coordinator.uptimeSeconds, "coordinator.uptime_seconds")
        try check.text(coordinator.endpoint, "coordinator.endpoint", WireLimits.nameBytes)
        for problem in coordinator.problems { try check.text(problem, "coordinator.problems", WireLimits.lineBytes) }
        for study in studies { try study.validate(check) }
        for worker in workers { try worker.validate(check) }
    }
}

extension WireStudyStatus {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.text(studyID, "studies.study_id", WireLimits.identifierBytes)
        try check.text(name, "studies.name", WireLimits.nameBytes)
        try check.known(state, "studies.state")
        try check.text(failure, "studies.failure", WireLimits.lineBytes, canBeEmpty: true)
        try check.text(parallel, "studies.parallel", WireLimits.identifierBytes, canBeEmpty: true)
        if hasEtaSeconds { try check.notNegative(etaSeconds, "studies.eta_seconds") }
        try check.notNegative(stepsDone, "studies.steps_done")
        try check.notNegative(stepsTotal, "studies.steps_total")
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
        try check.text(numericsClass, "trials.numerics_class", WireLimits.identifierBytes, canBeEmpty: true)
        for parameter in parameters {
            try check.text(parameter.key, "trials.parameters.key", WireLimits.nameBytes)
            try check.text(parameter.value, "trials.parameters.value", WireLimits.lineBytes, canBeEmpty: true)
        }
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
        try check.text(work, "workers.work", WireLimits.identifierBytes, canBeEmpty: true)
        try check.text(numericsClass, "workers.numerics_class", WireLimits.identifierBytes, canBeEmpty: true)
        try check.text(key, "workers.key", WireLimits.identifierBytes, canBeEmpty: true)
        try check.text(preparing, "workers.preparing", WireLimits.lineBytes, canBeEmpty: true)
    }
}
