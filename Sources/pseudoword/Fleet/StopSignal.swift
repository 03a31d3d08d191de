// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// Ctrl-C and SIGTERM as a flag that loops look at.
enum StopSignal {
    private static let received = Atomic<Int32>(0)

    /// From now on the first signal sets the flag; a second Ctrl-C ends the program at once.
    static func install() {
        // Programs that start others from a worker thread hand down a mask that blocks them.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        for number in [SIGINT, SIGTERM] {
            signal(number) { number in
                StopSignal.received.store(number, ordering: .relaxed)
                signal(number, SIG_DFL)
            }
        }
    }

    static var isReceived: Bool { received.load(ordering: .relaxed) != 0 }

    /// Sleeps until `condition` holds or a signal came; false for the signal.
    static func wait(every interval: Double = 0.1, until condition: () -> Bool) -> Bool {
        while !condition() {
            if isReceived { return false }
            usleep(UInt32(interval * 1e6))
        }
        return true
    }
}
