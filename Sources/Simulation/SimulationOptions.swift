// SPDX-License-Identifier: Apache-2.0

/// What can go wrong in a simulation.
package enum Fault: String, Hashable, Sendable, CaseIterable {
    /// A message is lost.
    case drop
    /// A message takes seconds.
    case delay
    /// A message arrives twice.
    case duplicate
    /// Messages overtake each other.
    case reorder
    /// Some workers and the coordinator cannot reach each other for a while.
    case partition
    /// The coordinator's clock leaps, as after a sleep, or runs backwards.
    case clockJump = "clock-jump"
    /// The coordinator dies just before or just after a write to its ledger.
    case crash
    /// A worker dies at once.
    case kill
    /// A worker stands still for a while.
    case stall
    /// A worker cannot do what it was asked to.
    case failure
    /// The ledger refuses to write for a while.
    case diskRefusal = "disk-refusal"
    /// Somebody pauses, resumes, prioritizes or drains.
    case command
}

/// A simulated fleet and what happens to it; the same options always give the same run.
package struct SimulationOptions: Hashable, Sendable {
    package var seed: UInt64
    package var workers = 3
    /// Trials of all studies together.
    package var trials = 4
    package var studies = 2
    /// The longest study has this many steps.
    package var steps = 8
    /// The widest step has this many slices.
    package var slices = 4
    /// One study in how many is `parallel: trials` only; 0 for none, 1 for all.
    package var trialsOnlyEvery = 2
    /// Determinism classes among the workers.
    package var classes = 2
    package var faults: Set<Fault> = Set(Fault.allCases)
    /// Virtual time in which faults happen; afterwards everything has to end.
    package var faulty: Duration = .seconds(40)
    /// The coordinator dies at this write, whatever `faults` says.
    package var crashPoint: CrashPoint?

    package init(seed: UInt64) { self.seed = seed }
}

/// A moment at which a coordinator dies.
package struct CrashPoint: Hashable, Sendable {
    /// The commit of the ledger, counted from 0 over the whole run.
    package var commit: Int
    /// The commit is on disk, but nobody was told.
    package var isAfter: Bool

    package init(commit: Int, isAfter: Bool) {
        self.commit = commit
        self.isAfter = isAfter
    }
}

/// What a simulation came to.
package struct SimulationReport: Hashable, Sendable {
    package var seed: UInt64
    /// Events that coordinators took in.
    package var events = 0
    package var grants = 0
    /// Slices that were kept.
    package var slices = 0
    /// Commits of the ledger.
    package var commits = 0
    package var virtualDuration: Duration = .zero
    package var faults: [Fault: Int] = [:]
    /// The promise that was broken, and when; nil if all were kept.
    package var failure: String?

    package init(seed: UInt64) { self.seed = seed }
}
