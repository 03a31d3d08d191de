// SPDX-License-Identifier: Apache-2.0

import Coordination
import WireMessages

/// Which checkpoint file is written next, and when.
///
/// A trial's first file is written at once, and so is its last. In between a file waits for `pace` and shows all that came meanwhile:
/// trials of many short segments would have the disk busy with nothing but their files.
struct CheckpointQueue {
    enum Item {
        /// - Parameter results: nil if they are to be read from the ledger.
        case write(TrialID, StudyRow, results: [WireSegmentResult]?)
        /// Nothing more comes of this trial.
        case release(TrialID)
        case resume(TrialID, step: Int, StudyRow)
        case retry
    }

    private struct Entry {
        let study: StudyRow
        var results: [WireSegmentResult]? = []
        var bytes = 0
    }

    static let pace: Duration = .seconds(1)
    /// Results beyond it are read from the ledger again, so that a slow disk does not fill the memory.
    private static let keptBytes = 32 << 20

    private var entries: [TrialID: Entry] = [:]
    /// Trials whose files are written as soon as possible, in order.
    private var ready = Fifo<TrialID>()
    /// Trials whose files have time; the earliest first.
    private var later = Fifo<(trial: TrialID, due: Instant)>()
    private var resumes = Fifo<(trial: TrialID, step: Int, study: StudyRow)>()
    private var hasToRetry = false
    private var bytes = 0
    /// Trials that have a file and have not ended.
    private var begun: Set<TrialID> = []
    private var ended: Set<TrialID> = []
    private var inHand: TrialID?

    /// Trials whose files show less than the ledger.
    var behind: Set<TrialID> { Set(entries.keys).union(inHand.map { [$0] } ?? []) }

    mutating func accepted(_ segment: AcceptedSegment, at now: Instant) {
        let trial = segment.trial
        if entries[trial] == nil {
            entries[trial] = Entry(study: segment.study)
            if begun.insert(trial).inserted { ready.append(trial) } else { later.append((trial, now + Self.pace)) }
        }
        let size = segment.result.keptBytes
        if bytes + size > Self.keptBytes {
            bytes -= entries[trial]?.bytes ?? 0
            entries[trial]?.results = nil
            entries[trial]?.bytes = 0
        } else if entries[trial]?.results?.append(segment.result) != nil {
            entries[trial]?.bytes += size
            bytes += size
        }
    }

    mutating func end(_ trial: TrialID) {
        begun.remove(trial)
        ended.insert(trial)
        ready.append(trial)
    }

    mutating func resume(_ trial: TrialID, step: Int, of study: StudyRow) { resumes.append((trial, step, study)) }

    mutating func retry() { hasToRetry = true }

    /// Takes out what is to be done now; say `isDone` when it is.
    ///
    /// - Parameter isHurried: what has time is done as well.
    mutating func next(at now: Instant, isHurried: Bool = false) -> Item? {
        while let trial = ready.popFirst() {
            if let item = take(trial) {
                if ended.contains(trial) { ready.append(trial) }
                return item
            }
            if ended.remove(trial) != nil { return .release(trial) }
        }
        while let first = later.first, isHurried || first.due <= now {
            later.removeFirst()
            if let item = take(first.trial) { return item }
        }
        if let resume = resumes.popFirst() { return .resume(resume.trial, step: resume.step, resume.study) }
        guard hasToRetry else { return nil }
        hasToRetry = false
        return .retry
    }

    /// When `next` has something, should nothing come before.
    var due: Instant? { later.first?.due }

    mutating func isDone() { inHand = nil }

    private mutating func take(_ trial: TrialID) -> Item? {
        guard let entry = entries.removeValue(forKey: trial) else { return nil }
        bytes -= entry.bytes
        inHand = trial
        return .write(trial, entry.study, results: entry.results)
    }
}

/// First in, first out.
private struct Fifo<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    private var start = 0

    var first: Element? { start < elements.count ? elements[start] : nil }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func removeFirst() {
        start += 1
        if start == elements.count || start >= 1024 {
            elements.removeFirst(start)
            start = 0
        }
    }

    mutating func popFirst() -> Element? {
        guard let first else { return nil }
        removeFirst()
        return first
    }
}

extension WireSegmentResult {
    /// About what it takes in memory.
    fileprivate var keptBytes: Int { 5 * after.embedding.count + 64 * (history.count + evaluations.count) + 512 }
}
