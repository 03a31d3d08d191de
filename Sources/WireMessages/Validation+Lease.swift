// SPDX-License-Identifier: Apache-2.0
import Foundation

extension WireTrainGrant {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.lease(lease, [.train])
        try check.digest(brief, "brief")
        try check.require(fromStep < toStep, "to_step", "is \(toStep), not after from_step \(fromStep)")
        try check.positive(deadlineMs, "deadline_ms")
        if hasState {
            try check.state(state, "state", step: fromStep)
        } else {
            try check.require(fromStep == 0, "state", "is missing though from_step is \(fromStep)")
        }
    }
}

extension WireSliceGrant {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.leases(leases, [.gradient, .evaluate])
        try check.digest(brief, "brief")
        try check.positive(deadlineMs, "deadline_ms")
        if hasVectors { try check.vectors(vectors, "vectors") }
    }
}

extension WirePieceGrant {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.lease(lease, [.encode, .preview])
        try check.digest(brief, "brief")
        try check.positive(deadlineMs, "deadline_ms")
        try check.require(hasVectors == (lease.kind == .preview), "vectors", "belong to a preview, and to nothing else")
        if hasVectors { try check.vectors(vectors, "vectors") }
    }
}

extension WireBriefReply {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.digest(brief, "brief")
        try check.document(studyJson, "study_json")
        try check.document(manifestJson, "manifest_json", limit: WireLimits.manifestBytes)
        try check.require(shards.count <= WireLimits.leases, "shards", "are \(shards.count); at most \(WireLimits.leases) are allowed")
        for shard in shards { try check.blob(shard, "shards") }
        try check.text(modelFolder, "model_folder", WireLimits.pathBytes, canBeEmpty: true)
        try check.text(blobFolder, "blob_folder", WireLimits.pathBytes, canBeEmpty: true)
    }
}

extension WireSegmentResult {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.lease(lease, [.train])
        try validateContent(check)
    }

    /// All but the lease.
    func validateContent(_ check: FieldChecks) throws(WireError) {
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

extension WireSliceResult {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.lease(lease, [.gradient, .evaluate])
        try check.require(
            (1...WireLimits.samples).contains(losses.count), "losses", "are \(losses.count); expected 1 to \(WireLimits.samples)")
        for loss in losses { try check.finite(loss, "losses") }
        if lease.kind == .gradient {
            try check.require(!gradient.isEmpty && gradient.count.isMultiple(of: 4), "gradient", "has \(gradient.count) bytes")
            try check.floats(gradient, "gradient", count: gradient.count / 4)
        } else {
            try check.require(gradient.isEmpty, "gradient", "does not belong to an evaluation")
        }
        if hasInitial { try check.vectors(initial, "initial") }
        try check.digest(digest, "digest")
        try check.notNegative(seconds, "seconds")
        try check.digest(modelDigest, "model_digest")
        try check.digest(dataDigest, "data_digest")
        try check.text(cpu, "cpu", WireLimits.nameBytes)
    }
}

extension WirePieceResult {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.lease(lease, [.encode, .preview])
        try check.blob(blob, "blob")
    }
}

extension WireResultAck {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.lease(lease, [.train, .encode, .preview])
        try check.known(verdict, "verdict")
    }
}

extension WireLeaseFailed {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.lease(lease)
        try check.known(kind, "kind")
        try check.text(message, "message", WireLimits.lineBytes)
    }
}

extension WireCancelLease {
    func validate(_ check: FieldChecks) throws(WireError) {
        try check.lease(lease)
        try check.text(reason, "reason", WireLimits.lineBytes, canBeEmpty: true)
    }
}
