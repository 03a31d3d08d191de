// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// How a starting thread tells the one that waits for it whether it got going.
final class StartBox: Sendable {
    let started = DispatchSemaphore(value: 0)
    let failure = Mutex<(any Error)?>(nil)
}

enum SignalMask {
    /// Blocks the signals that come from outside on this thread, so that they never interrupt its sockets' work.
    ///
    /// Those that the thread causes itself stay: they mean a crash, and are reported as one.
    static func leaveSignalsToOtherThreads() {
        var set = sigset_t()
        sigfillset(&set)
        for signal in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS] { sigdelset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }
}
