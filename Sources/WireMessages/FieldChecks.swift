// SPDX-License-Identifier: Apache-2.0
import Foundation
import SwiftProtobuf

/// Rules for the fields of one kind of message.
struct FieldChecks {
    let kind: WireKind

    func fail(_ field: String, _ why: String) -> WireError { WireError(.invalid, "\(kind.name): \(field) \(why)") }

    /// The texts are only made for a failure.
    func require(_ isFine: Bool, _ field: @autoclosure () -> String, _ why: @autoclosure () -> String) throws(WireError) {
        if !isFine { throw fail(field(), why()) }
    }

    /// One line of printable text.
    func text(_ value: String, _ field: String, _ limit: Int, canBeEmpty: Bool = false) throws(WireError) {
        try require(canBeEmpty || !value.isEmpty, field, "is empty")
        try require(value.utf8.count <= limit, field, "has \(value.utf8.count) bytes; at most \(limit) are allowed")
        try require(WireText.isOneLine(value), field, "has control characters or more than one line")
    }

    /// Text of any shape.
    func document(_ value: String, _ field: String) throws(WireError) {
        try require(!value.isEmpty, field, "is empty")
        let limit = WireLimits.studyBytes
        try require(value.utf8.count <= limit, field, "has \(value.utf8.count) bytes; at most \(limit) are allowed")
    }

    func uuid(_ value: String, _ field: String) throws(WireError) {
        let isFine = value.utf8.count == 36 && UUID(uuidString: value)?.uuidString.lowercased() == value
        try require(isFine, field, "is not a lower-case UUID")
    }

    func positive(_ value: some BinaryInteger, _ field: String) throws(WireError) { try require(value > 0, field, "is 0") }

    func finite(_ value: Double, _ field: String) throws(WireError) { try require(value.isFinite, field, "is not a finite number") }

    func notNegative(_ value: Double, _ field: String) throws(WireError) {
        try require(value.isFinite && value >= 0, field, "is not a finite number from 0 up")
    }

    func known<Value: SwiftProtobuf.Enum & CaseIterable>(_ value: Value, _ field: String) throws(WireError) {
        try require(value.rawValue != 0, field, "is missing")
        try require(Value.allCases.contains(value), field, "has the unknown value \(value.rawValue)")
    }

    func priority(_ value: Int32) throws(WireError) {
        let limits = WireLimits.priorities
        try require(limits.contains(value), "priority", "is \(value); it may be from \(limits.lowerBound) to \(limits.upperBound)")
    }

    func digest(_ value: Data, _ field: @autoclosure () -> String) throws(WireError) {
        try require(value.count == WireLimits.digestBytes, field(), "has \(value.count) bytes; a SHA-256 has \(WireLimits.digestBytes)")
    }

    /// A lease of one of these kinds whose fields are those of its kind.
    func lease(_ lease: WireLease, _ kinds: [WireWorkKind] = WireWorkKind.allCases) throws(WireError) {
        try known(lease.kind, "lease.kind")
        try require(kinds.contains(lease.kind), "lease.kind", "is \(lease.kind), which this message is not for")
        try positive(lease.study, "lease.study")
        try require(lease.study <= UInt64(Int64.max), "lease.study", "is \(lease.study)")
        try positive(lease.attempt, "lease.attempt")
    }

    func leases(_ leases: [WireLease], _ kinds: [WireWorkKind]) throws(WireError) {
        try require(
            !leases.isEmpty && leases.count <= WireLimits.leases, "leases", "are \(leases.count); expected 1 to \(WireLimits.leases)")
        for lease in leases { try self.lease(lease, kinds) }
        let isOne = leases.allSatisfy {
            ($0.kind, $0.study, $0.trial, $0.step) == (leases[0].kind, leases[0].study, leases[0].trial, leases[0].step)
        }
        try require(isOne, "leases", "belong to more than one step")
    }

    func vectors(_ vectors: WireVectors, _ field: @autoclosure () -> String) throws(WireError) {
        let (count, width) = (Int(vectors.count), Int(vectors.width))
        try require(WireLimits.vectorCount.contains(count), "\(field()).count", "is \(count); expected \(range(WireLimits.vectorCount))")
        try require(WireLimits.vectorWidth.contains(width), "\(field()).width", "is \(width); expected \(range(WireLimits.vectorWidth))")
        try floats(vectors.values, "\(field()).values", count: count * width)
    }

    func blob(_ blob: WireBlobName, _ field: @autoclosure () -> String) throws(WireError) {
        try digest(blob.digest, "\(field()).digest")
        try require(blob.bytes <= 1 << 50, "\(field()).bytes", "is \(blob.bytes)")
    }

    /// Text of any shape that may be long or missing.
    func document(_ value: String, _ field: String, limit: Int) throws(WireError) {
        try require(value.utf8.count <= limit, field, "has \(value.utf8.count) bytes; at most \(limit) are allowed")
    }

    func state(_ state: WireTrainingState, _ field: @autoclosure () -> String, step: UInt32) throws(WireError) {
        let (count, width) = (Int(state.count), Int(state.width))
        try require(WireLimits.vectorCount.contains(count), "\(field()).count", "is \(count); expected \(range(WireLimits.vectorCount))")
        try require(WireLimits.vectorWidth.contains(width), "\(field()).width", "is \(width); expected \(range(WireLimits.vectorWidth))")
        try require(state.step == step, "\(field()).step", "is \(state.step); expected \(step)")
        let arrays = [
            ("embedding", state.embedding), ("exp_avg", state.expAvg), ("exp_avg_sq", state.expAvgSq), ("initial", state.initial),
        ]
        for (name, bytes) in arrays { try floats(bytes, "\(field()).\(name)", count: count * width) }
        if state.best.isEmpty {
            try require(!state.hasBestStep && !state.hasBestLoss, "\(field()).best", "is missing though best_step or best_loss is there")
        } else {
            try floats(state.best, "\(field()).best", count: count * width)
            try require(state.hasBestStep && state.hasBestLoss, "\(field()).best", "comes without best_step or best_loss")
            try require(state.bestStep <= state.step, "\(field()).best_step", "is \(state.bestStep), after step \(state.step)")
            try finite(state.bestLoss, "\(field()).best_loss")
        }
    }

    func floats(_ bytes: Data, _ field: @autoclosure () -> String, count: Int) throws(WireError) {
        try require(bytes.count == 4 * count, field(), "has \(bytes.count) bytes; expected \(4 * count) for \(count) numbers")
        try require(FloatBytes.areFinite(bytes), field(), "has a number that is not finite")
    }

    private func range(_ range: ClosedRange<Int>) -> String { "\(range.lowerBound) to \(range.upperBound)" }

    /// Steps that go up, within bounds.
    func steps(_ steps: [UInt32], _ field: String, within bounds: ClosedRange<UInt32>) throws(WireError) {
        for (index, step) in steps.enumerated() {
            try require(bounds.contains(step), field, "has step \(step); expected \(bounds.lowerBound) to \(bounds.upperBound)")
            try require(index == 0 || steps[index - 1] < step, field, "has step \(step) out of order")
        }
    }
}
