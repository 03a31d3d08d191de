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

    /// The coordinator itself, where it puts a segment together from slices.
    package static let coordinator = WorkerID("coordinator")

    package var description: String { rawValue }

    package static func < (left: WorkerID, right: WorkerID) -> Bool { left.rawValue < right.rawValue }
}

/// One piece of work that a worker can hold a lease on.
///
/// `train` and the two kinds of slices of one trial exclude each other: a study is either `parallel: trials` or `parallel: data`.
package enum Work: Hashable, Sendable, CustomStringConvertible {
    /// The next segment of a trial; the grant says from which step to which.
    case train(TrialID)
    /// The gradient of one microbatch of the update that follows `step` completed ones.
    case gradient(TrialID, step: Int, slice: Int)
    /// The losses of one microbatch of the evaluation set, with the vectors after `step` updates.
    case evaluate(TrialID, step: Int, slice: Int)
    /// One part of a study's pictures, to latent moments.
    case encode(StudyID, part: Int)
    /// A picture of what the trial has learned after `step` updates.
    case preview(TrialID, step: Int)

    package var study: StudyID {
        switch self {
        case .train(let trial), .gradient(let trial, _, _), .evaluate(let trial, _, _), .preview(let trial, _): trial.study
        case .encode(let study, _): study
        }
    }

    package var trial: TrialID? {
        switch self {
        case .train(let trial), .gradient(let trial, _, _), .evaluate(let trial, _, _), .preview(let trial, _): trial
        case .encode: nil
        }
    }

    /// Slices are many and short-lived: a worker may hold several, and nothing about them is ever on disk.
    package var isSlice: Bool {
        switch self {
        case .gradient, .evaluate: true
        case .train, .encode, .preview: false
        }
    }

    package var description: String {
        switch self {
        case .train(let trial): "train \(trial)"
        case .gradient(let trial, let step, let slice): "gradient \(trial) step \(step) slice \(slice)"
        case .evaluate(let trial, let step, let slice): "evaluate \(trial) step \(step) slice \(slice)"
        case .encode(let study, let part): "encode \(study) part \(part)"
        case .preview(let trial, let step): "preview \(trial) step \(step)"
        }
    }
}

/// A lease is named by what it fences: a piece of work and the attempt number of its grant.
///
/// Attempt numbers of a segment only grow, also over restarts of the coordinator. Those of other work start anew with the coordinator;
/// their results are the same bits whoever computed them, and are taken as such.
package struct LeaseID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let work: Work
    package let attempt: Int

    package init(_ work: Work, attempt: Int) {
        self.work = work
        self.attempt = attempt
    }

    package var description: String { "\(work) attempt \(attempt)" }

    /// An order that depends on nothing else, so that sorted actions come out the same every time.
    package static func < (left: LeaseID, right: LeaseID) -> Bool { left.order < right.order }

    private typealias Order = (Int64, Int, Int, Int, Int, Int)

    private var order: Order {
        let (kind, first, second): (Int, Int, Int) =
            switch work {
            case .train: (0, 0, 0)
            case .gradient(_, let step, let slice): (1, step, slice)
            case .evaluate(_, let step, let slice): (2, step, slice)
            case .encode(_, let part): (3, part, 0)
            case .preview(_, let step): (4, step, 0)
            }
        return (work.study.rawValue, work.trial?.index ?? -1, kind, first, second, attempt)
    }
}
