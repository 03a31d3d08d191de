// SPDX-License-Identifier: Apache-2.0

/// The life of a study.
package enum StudyState: String, Sendable, CaseIterable {
    case running
    /// Every trial has ended, and at least one of them is complete.
    case complete
    /// Every trial has ended, and none is complete.
    case failed
    case cancelled

    package var isTerminal: Bool { self != .running }
}

/// The life of a trial.
package enum TrialState: String, Sendable, CaseIterable {
    /// Wants a worker.
    case waiting
    /// A worker holds a lease on its next segment.
    case running
    /// Stopped by command; goes on when resumed.
    case paused
    case complete
    /// Ended early by command, by a search, or with its cancelled study.
    case pruned
    case failed

    package var isTerminal: Bool { self == .complete || self == .pruned || self == .failed }
}

/// How the coordinator sees a worker.
package enum WorkerState: String, Sendable, CaseIterable {
    case connected
    /// Silent for some heartbeats: shown, gets no new work, keeps its lease.
    case suspect
    /// Silent for a whole lease: its work was given back.
    ///
    /// Welcome again at any time.
    case lost
    /// Finishes what it has and gets nothing new.
    case draining
}

/// What stopped a lease, as its worker saw it.
package enum FailureKind: String, Sendable, CaseIterable {
    /// The study itself is wrong (a bad picture, an unknown word): any other worker would fail in the same way.
    case input
    /// The numbers are wrong (the loss became NaN): the same bits would come out anywhere.
    case numeric
    /// The worker's own trouble (out of memory, a crash); another attempt may do better.
    case `internal`
    /// Stopped on request; nobody's fault.
    case cancelled
    /// The worker's machine cannot do it now, such as with a full disk: never the work's fault, and the worker rests for a while.
    case unable
}

/// The coordinator's patience.
///
/// Every value is a duration on the caller's monotonic clock.
package struct CoordinationSettings: Hashable, Sendable {
    /// How often workers are asked to report.
    package var heartbeat: Duration
    /// Silence after which a worker is suspect.
    package var suspectAfter: Duration
    /// Silence after which a worker is lost; also the time by which a heartbeat extends a lease.
    package var lease: Duration
    /// How long a broken connection or a restarted coordinator waits for the holder of a lease before the work is given away.
    package var reclaim: Duration
    /// A hole between two events that means the coordinator itself was stopped.
    package var gap: Duration
    /// The wait after the ledger refused to write, before anything new is granted.
    package var storageRetry: Duration
    /// How long a lost worker stays in the status.
    package var forgetAfter: Duration
    /// Crashes on one segment, without progress in between, that fail a trial.
    package var crashLimit: Int
    /// How many times longer than usual a slice may take before another worker is asked for it too.
    package var stragglerFactor: Double

    package init(heartbeat: Duration = .seconds(2)) {
        self.heartbeat = heartbeat
        suspectAfter = heartbeat * 3
        lease = heartbeat * 8
        reclaim = heartbeat * 2
        gap = heartbeat * 3
        storageRetry = heartbeat * 2
        forgetAfter = .seconds(600)
        crashLimit = 5
        stragglerFactor = 2
    }
}
