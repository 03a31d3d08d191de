// SPDX-License-Identifier: Apache-2.0

/// A study's number in the ledger.
///
/// Numbers grow with submission, which is also the order of service.
package struct StudyID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: Int64

    package init(_ rawValue: Int64) { self.rawValue = rawValue }

    package var description: String { String(rawValue) }

    package static func < (left: StudyID, right: StudyID) -> Bool { left.rawValue < right.rawValue }
}

/// One trial of one study; `index` counts from 0.
package struct TrialID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let study: StudyID
    package let index: Int

    package init(study: StudyID, index: Int) {
        self.study = study
        self.index = index
    }

    package var description: String { "\(study).\(index)" }

    package static func < (left: TrialID, right: TrialID) -> Bool {
        (left.study, left.index) < (right.study, right.index)
    }
}

/// The stable name that a worker process chose for itself; it survives reconnects, but not the process.
package struct WorkerID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: String

    package init(_ rawValue: String) { self.rawValue = rawValue }

    package var description: String { rawValue }

    package static func < (left: WorkerID, right: WorkerID) -> Bool { left.rawValue < right.rawValue }
}

/// A lease is named by what it fences: a trial and the attempt number of its grant.
///
/// Attempt numbers of a trial only grow, also over restarts of the coordinator, so a lease's name is never used twice.
/// Written `study.trial.attempt`.
package struct LeaseID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let trial: TrialID
    package let attempt: Int

    package init(trial: TrialID, attempt: Int) {
        self.trial = trial
        self.attempt = attempt
    }

    /// Reads `study.trial.attempt`; nil for anything else.
    package init?(_ text: String) {
        guard text.utf8.count <= 64 else { return nil }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let study = Int64(parts[0]), let index = Int(parts[1]), let attempt = Int(parts[2]) else { return nil }
        guard study >= 0, index >= 0, attempt > 0 else { return nil }
        self.init(trial: TrialID(study: StudyID(study), index: index), attempt: attempt)
        guard description == text else { return nil }
    }

    package var description: String { "\(trial).\(attempt)" }

    package static func < (left: LeaseID, right: LeaseID) -> Bool {
        (left.trial, left.attempt) < (right.trial, right.attempt)
    }
}
