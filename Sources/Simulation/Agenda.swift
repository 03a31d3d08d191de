// SPDX-License-Identifier: Apache-2.0

import Coordination

/// What a worker says.
enum Report: Sendable {
    case hello
    case heartbeat([LeaseProgress])
    case goodbye
    case segment(SegmentReport)
    case piece(PieceReport)
    case slice(SliceReport)
    case failed(LeaseID, FailureKind)
    /// Not said by the worker: its connection is gone.
    case unreachable
}

/// What a coordinator says.
enum Order: Sendable {
    case welcome
    /// It does not know the worker (any more).
    case sayHello
    case grant(Grant, state: UInt64)
    case cancel(LeaseID)
    case acknowledge(LeaseID)
    case drain
}

/// What happens at an instant of virtual time.
enum Happening: Sendable {
    case report(from: Int, Report, epoch: Int)
    case order(to: Int, Order)
    /// A worker is done with a piece of work.
    case done(worker: Int, task: Int)
    case heartbeat(worker: Int)
    case connect(worker: Int)
    /// A worker process is started.
    ///
    /// `box` names its place, where another one may have died.
    case birth(numericsClass: String, box: String)
    case tick
    case coordinatorStarts
    /// After a failed commit: the owner tells the new coordinator value of its sessions.
    case introductions
    case fault
    case healed
    case calm
}

/// Happenings by time; those of one instant in the order of their entry.
struct Agenda: Sendable {
    private struct Entry: Sendable {
        let at: Int64
        let number: UInt64
        let happening: Happening

        func isBefore(_ other: Entry) -> Bool { at != other.at ? at < other.at : number < other.number }
    }

    private var heap: [Entry] = []
    private var number: UInt64 = 0

    mutating func add(_ happening: Happening, at instant: Int64) {
        number += 1
        heap.append(Entry(at: instant, number: number, happening: happening))
        var child = heap.count - 1
        while child > 0, heap[child].isBefore(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func take() -> (at: Int64, happening: Happening)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return (first.at, first.happening) }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in 2 * parent + 1...2 * parent + 2 where child < heap.count && heap[child].isBefore(heap[least]) { least = child }
            if least == parent { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return (first.at, first.happening)
    }

    /// A report to the coordinator that comes at this very instant, if that is what comes next.
    mutating func takeReport(at instant: Int64) -> (from: Int, report: Report, epoch: Int)? {
        guard let first = heap.first, first.at == instant, case .report(let from, let report, let epoch) = first.happening else {
            return nil
        }
        _ = take()
        return (from, report, epoch)
    }
}
