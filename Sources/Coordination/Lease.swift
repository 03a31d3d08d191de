// SPDX-License-Identifier: Apache-2.0

/// A grant that is in force.
struct Lease: Hashable, Sendable {
    let id: LeaseID
    let worker: WorkerID
    let fromStep: Int
    let toStep: Int
    let granted: Instant
    var deadline: Instant
    /// What the worker last said; nil until it shows the lease in a heartbeat.
    var progress: LeaseProgress?
}

/// A worker as the coordinator holds it.
struct Worker: Sendable {
    var about: WorkerDescription
    var state: WorkerState = .connected
    let joined: Instant
    var heard: Instant
    /// Lost at this instant unless heard before; set when the connection breaks.
    var goneAt: Instant?
    /// The earliest timer that is set for it.
    var wakeAt: Instant?
    var isDraining = false
    /// It said what it holds since its last hello.
    var hasReported = false
    /// Live leases of this worker.
    var leases: Set<LeaseID> = []
    /// Leases it last said to hold that are not in force; it is busy until it lets go of them.
    var foreign: Set<LeaseID> = []
    /// The lease whose result was answered last: the worker lets go of it when it hears that.
    var answered: LeaseID?
    /// The trial whose slices it computes, also between two steps.
    var board: TrialID?
    /// The slice that it was computing when it fell silent or its connection broke.
    var suspectedOf: Work?
    /// The lease that it was working on when it was lost.
    var unfinished: Lease?
    /// Seconds of its last slice.
    var sliceSeconds: Double?
    /// Heartbeats until it gets work again, after its machine could not do what it was given.
    var restingBeats = 0
    var acceptedSegments = 0
    var acceptedPieces = 0
    var keptSlices = 0
    var alarms = 0

    init(about: WorkerDescription, now: Instant) {
        self.about = about
        joined = now
        heard = now
    }

    /// Something would count as crashed if it turned out that it died.
    var hasUnfinished: Bool { unfinished != nil || suspectedOf != nil }

    var numericsClass: String { about.numericsClass }

    /// Work may be given to it.
    var isServing: Bool { state == .connected && hasReported && foreign.isEmpty && restingBeats == 0 }

    /// Its class if it has nothing to do; nil if it is busy or must not get work.
    var idleClass: String? { isServing && leases.isEmpty && board == nil ? numericsClass : nil }
}
