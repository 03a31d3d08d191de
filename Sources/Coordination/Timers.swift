// SPDX-License-Identifier: Apache-2.0

/// What has to be looked at when its time has come.
enum TimerSubject: Hashable, Sendable {
    /// Silence and deadlines of a worker.
    case worker(WorkerID)
    /// The end of a trial's wait.
    case trial(TrialID)
    /// The end of a wait before pictures are encoded.
    case study(StudyID)
    /// Stragglers, retries and the end of a board that nobody works on.
    case board(TrialID)
}

/// Instants at which something has to be looked at, earliest first: a binary heap.
///
/// Nothing is ever taken out before its time. Who finds that its time was put off sets another timer.
struct Timers: Sendable {
    private struct Entry: Sendable {
        let at: Instant
        /// Ties go in the order of setting, so that the same events always give the same actions.
        let number: UInt64
        let subject: TimerSubject

        func isBefore(_ other: Entry) -> Bool { (at, number) < (other.at, other.number) }
    }

    private var heap: [Entry] = []
    private var number: UInt64 = 0

    var next: Instant? { heap.first?.at }

    mutating func set(_ subject: TimerSubject, at instant: Instant) {
        number += 1
        heap.append(Entry(at: instant, number: number, subject: subject))
        var child = heap.count - 1
        while child > 0, heap[child].isBefore(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The next subject whose time has come.
    mutating func take(until now: Instant) -> (at: Instant, subject: TimerSubject)? {
        guard let first = heap.first, first.at <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].isBefore(heap[least]) { least = child }
            if least == parent { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return (first.at, first.subject)
    }
}
