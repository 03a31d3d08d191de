// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation
import Glibc

/// The descriptor on which a ROUTER's connections arrive, and the door in front of it.
///
/// Libzmq accepts whatever comes. Where the process runs out of descriptors it goes on trying without a pause, with one of its threads at
/// full load, and everything else in the process that wants to open a file fails. So some descriptors are kept in reserve: when they are
/// touched, the kernel is told to drop attempts to connect. Peers that are connected notice nothing; those that want to connect try again
/// by themselves, as for a packet that was lost; connections that say nothing end with the handshake's time, and the door opens again.
struct Listener {
    /// While the door is shut, how often to look whether it can be opened.
    static let pause: Duration = .milliseconds(250)

    let descriptor: Int32
    /// The first descriptor of the reserve.
    let mark: Int32
    private(set) var isShut = false

    /// A new connection was accepted.
    ///
    /// The system gives out the lowest number that is free. So a number in the reserve says that all below were taken.
    ///
    /// - Returns: whether the door was shut just now.
    mutating func noteAccepted(_ accepted: Int32) -> Bool {
        guard accepted >= mark, !isShut, pw_listener_shut(descriptor) == 0 else { return false }
        isShut = true
        return true
    }

    /// Opens the door once an eighth of what is below the reserve is free.
    ///
    /// - Returns: whether it was opened just now.
    mutating func openIfRoom() -> Bool {
        guard isShut else { return false }
        // A sample will do; a million descriptors are too many to ask about each.
        let step = max(1, mark / 512)
        let asked = stride(from: Int32(0), to: mark, by: Int(step))
        let (count, open) = asked.reduce(into: (0, 0)) { counts, descriptor in
            counts.0 += 1
            if fcntl(descriptor, F_GETFD) >= 0 { counts.1 += 1 }
        }
        guard open <= count - count / 8, pw_listener_open(descriptor) == 0 else { return false }
        isShut = false
        return true
    }
}
