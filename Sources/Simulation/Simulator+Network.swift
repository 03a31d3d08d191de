// SPDX-License-Identifier: Apache-2.0

import Coordination

/// Messages and what the network does to them.
extension Simulator {
    mutating func note(_ fault: Fault) { report.faults[fault, default: 0] += 1 }

    mutating func send(_ order: Order, to worker: Int) {
        guard !workers[worker].isCutOff else { return }
        guard let (first, second) = arrivals() else { return }
        agenda.add(.order(to: worker, order), at: first)
        if let second { agenda.add(.order(to: worker, order), at: second) }
    }

    mutating func send(_ report: Report, from worker: Int) {
        guard !workers[worker].isCutOff, owner != nil, workers[worker].isConnected else { return }
        guard let (first, second) = arrivals() else { return }
        agenda.add(.report(from: worker, report, epoch: epoch), at: first)
        if let second { agenda.add(.report(from: worker, report, epoch: epoch), at: second) }
    }

    /// When a message arrives, and when it arrives again; nil if it is lost.
    ///
    /// Without faults messages take 2 ms and keep their order.
    private mutating func arrivals() -> (Int64, Int64?)? {
        if isCalm { return (now + 2, nil) }
        if drops, random.oneIn(100) {
            note(.drop)
            return nil
        }
        var arrival = now + 2
        if reorders, random.oneIn(10) {
            note(.reorder)
            arrival += Int64(random.below(50))
        }
        if delays, random.oneIn(60) {
            note(.delay)
            arrival += Int64(random.below(12_000))
        }
        guard duplicates, random.oneIn(50) else { return (arrival, nil) }
        note(.duplicate)
        return (arrival, now + 2 + Int64(random.below(5000)))
    }
}
