// SPDX-License-Identifier: Apache-2.0

/// A grant that is in force.
struct Lease: Hashable, Sendable {
    let id: LeaseID
    let worker: WorkerID
    let fromStep: Int
    let toStep: Int
    var deadline: Instant
    /// What the worker last said; nil until it shows the lease in a heartbeat.
    var progress: LeaseProgress?
    /// The connection broke while the lease was held, and the worker has not come back since.
    var isUnreachable = false
}

/// A trial as the coordinator holds it: the ledger's facts and what is going on right now.
struct Trial: Sendable {
    var record: TrialRecord
    var segments: [SegmentFact]
    var conflicts: [Int: Set<String>]
    var lease: Lease?
    /// A result on its way to the disk.
    ///
    /// The trial is not granted meanwhile.
    var pending: SegmentReport?
    /// The end that waits for `pending` to be settled, so that a trial which has ended never changes again.
    var closing: (state: TrialState, reason: String)?
    /// Not granted before this instant, so that the worker which held it when the coordinator stopped can claim it.
    var reclaimUntil: Instant?
    /// The step from which the latest attempt starts; nil if that is not known any more.
    var attemptStart: Int?
    /// Who held it last: that worker has the study's model and latents in memory, so it gets the next segment if it is free.
    var lastWorker: WorkerID?
    /// The attempt whose failure was counted already.
    var failedAttempt = 0
    /// Workers that vanished while they trained the segment that comes next; taken back when they return.
    var vanished: Set<WorkerID> = []
    var alarms = 0

    init(_ facts: TrialFacts) {
        record = facts.record
        segments = facts.segments
        conflicts = facts.conflicts
        alarms = conflicts.values.reduce(0) { $0 + $1.count }
    }

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

/// A study as the coordinator holds it.
struct Study: Sendable {
    let plan: StudyPlan
    var state: StudyState
    var trials: [Trial]

    mutating func update(_ index: Int, _ change: (inout Trial) -> Void) {
        if trials.indices.contains(index) { change(&trials[index]) }
    }
}

/// A worker as the coordinator holds it.
struct Worker: Sendable {
    var about: WorkerDescription
    var state: WorkerState = .connected
    let joined: Instant
    var heard: Instant
    /// Lost at this instant unless heard before; set when the connection breaks.
    var goneAt: Instant?
    var isDraining = false
    /// It said what it holds since its last hello.
    var hasReported = false
    /// Live leases of this worker.
    var leases: Set<LeaseID> = []
    /// Leases it last said to hold that are not in force; it is busy until it lets go of them.
    var foreign: Set<LeaseID> = []
    var acceptedSegments = 0
    var alarms = 0

    init(about: WorkerDescription, now: Instant) {
        self.about = about
        joined = now
        heard = now
    }
}
