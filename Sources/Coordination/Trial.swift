// SPDX-License-Identifier: Apache-2.0

/// A trial as the coordinator holds it: the ledger's facts and what is going on right now.
struct Trial: Sendable {
    var record: TrialRecord
    var segments: [SegmentFact]
    var conflicts: [Int: Set<String>]
    /// The lease on its next segment.
    var lease: LeaseID?
    /// A result on its way to the disk.
    ///
    /// The trial is not granted meanwhile.
    var pending: SegmentReport?
    /// The end that waits for `pending` to be settled, so that a trial which has ended never changes again.
    var closing: (state: TrialState, reason: String)?
    /// Not granted before a timer clears this: the worker which held it when the coordinator stopped can claim it, or a disk recovers.
    var notBefore: Instant?
    /// The step from which the latest attempt starts; nil if that is not known any more.
    var attemptStart: Int?
    /// Who held it last: that worker has the study's model and latents in memory, so it gets the next segment if it is free.
    var lastWorker: WorkerID?
    /// The attempt whose failure was counted already.
    var failedAttempt = 0
    /// Workers that vanished while they trained the segment that comes next; taken back when they return.
    var vanished: Set<WorkerID> = []
    /// Attempt numbers given to its slices.
    var sliceAttempts = 0
    /// The step whose slices crashed `record.crashes` times; nil if that is not known.
    var crashStep: Int?
    var alarms = 0
    /// Where classes mix: whose bits its segments are, by first step, as far as this coordinator took them.
    var segmentClasses: [Int: String] = [:]

    init(_ facts: TrialFacts) {
        record = facts.record
        segments = facts.segments
        conflicts = facts.conflicts
        alarms = conflicts.values.reduce(0) { $0 + $1.count }
    }

    /// It could be granted or opened now, if its study lets it.
    var isReady: Bool { record.state == .waiting && lease == nil && pending == nil && notBefore == nil }

    /// Somebody works on it, may claim it, or has just brought a result for it.
    var isUnderway: Bool { record.state == .running || pending != nil || notBefore != nil }

    /// The class that its next lease must have; empty if any will do.
    ///
    /// Before its first segment is on disk nothing holds it to a class: it starts from the study alone.
    var boundClass: String { record.step == 0 ? "" : record.numericsClass }

    /// The accepted segment that starts at `step`.
    func segment(from step: Int) -> SegmentFact? {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].fromStep < step { low = middle + 1 } else { high = middle }
        }
        return low < segments.count && segments[low].fromStep == step ? segments[low] : nil
    }
}
