// SPDX-License-Identifier: Apache-2.0

import Foundation
import WireMessages

extension WorkerHandler {
    /// What a heartbeat has to show: everything that is held and still wanted, and every result that waits for its acknowledgement.
    ///
    /// Results come in the room that leases leave, and at least in a quarter of it.
    func shown(at now: ContinuousClock.Instant) -> [WireProgress] {
        // A slice that was called off is nobody's any more; its computation only has not noticed yet.
        let wanted = held.filter { !($0.lease.isSlice && $0.job?.isCancelled == true) }
        let results = outstanding.filter { $0.value.step != nil }
        let room = WireLimits.leases - min(results.count, WireLimits.leases / 4)
        var progress = wanted.prefix(room).map { work in
            if let job = work.job { return job.progress(of: work.lease, at: now) }
            var progress = WireProgress()
            progress.lease = work.lease
            progress.preparing = "asking what it is about"
            return progress
        }
        // One line says it all; thousands of them would not fit.
        if let first = progress.firstIndex(where: { !$0.preparing.isEmpty }) {
            for index in progress.indices where index > first { progress[index].preparing = "" }
        }
        for (lease, item) in results.prefix(WireLimits.leases - progress.count) {
            var shown = WireProgress()
            shown.lease = lease
            shown.step = UInt32(clamping: item.step ?? 0)
            progress.append(shown)
        }
        return progress
    }
}

extension WireLeaseFailed {
    init(_ lease: WireLease, _ kind: WireFailureKind, _ message: String) {
        self.init()
        self.lease = lease
        self.kind = kind
        self.message = message.isEmpty ? "no reason was given" : WireText.clipped(message)
    }
}
