// SPDX-License-Identifier: Apache-2.0
import Foundation

extension WireGrant {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.lease(leaseID, attempt: attempt)
        try check.text(studyID, "study_id", WireLimits.identifierBytes)
        try check.text(studyName, "study_name", WireLimits.nameBytes)
        try check.document(studyJson, "study_json")
        try check.require(fromStep < toStep, "to_step", "is \(toStep), not after from_step \(fromStep)")
        try check.positive(deadlineMs, "deadline_ms")
        if hasState {
            try check.state(state, "state", step: fromStep)
        } else {
            try check.require(fromStep == 0, "state", "is missing though from_step is \(fromStep)")
        }
    }
}

extension WireSegmentResult {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.lease(leaseID, attempt: attempt)
        try check.text(studyID, "study_id", WireLimits.identifierBytes)
        try check.require(fromStep < toStep, "to_step", "is \(toStep), not after from_step \(fromStep)")
        try check.require(hasAfter, "after", "is missing")
        try check.state(after, "after", step: toStep)
        try check.steps(history.map(\.step), "history", within: fromStep + 1...toStep)
        for row in history {
            try check.finite(row.loss, "history.loss")
            try check.finite(row.learningRate, "history.learning_rate")
            try check.notNegative(row.gradientNorm, "history.gradient_norm")
            try check.notNegative(row.embeddingNorm, "history.embedding_norm")
            try check.notNegative(row.seconds, "history.seconds")
        }
        try check.steps(evaluations.map(\.step), "evaluations", within: fromStep...toStep)
        for row in evaluations {
            try check.finite(row.loss, "evaluations.loss")
            try check.notNegative(row.standardError, "evaluations.standard_error")
        }
        try check.digest(digest, "digest")
        try check.digest(modelDigest, "model_digest")
        try check.digest(dataDigest, "data_digest")
        try check.text(cpu, "cpu", WireLimits.nameBytes)
    }
}

extension WireResultAck {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.lease(leaseID, attempt: attempt)
        try check.known(verdict, "verdict")
    }
}

extension WireLeaseFailed {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.lease(leaseID, attempt: attempt)
        try check.known(kind, "kind")
        try check.text(message, "message", WireLimits.lineBytes)
    }
}

extension WireCancelLease {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.positive(leaseID, "lease_id")
        try check.text(reason, "reason", WireLimits.lineBytes, canBeEmpty: true)
    }
}
