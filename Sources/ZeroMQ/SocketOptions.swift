// SPDX-License-Identifier: Apache-2.0
import Foundation

/// How a socket behaves.
///
/// The defaults suit control messages between a coordinator and its workers.
package struct SocketOptions: Sendable, Equatable {
    /// Who may be on the other side, and who we are.
    package var security = SocketSecurity.none
    /// The largest frame that is taken; a peer that sends a larger one is cut off.
    ///
    /// Set it alike on both sides.
    package var maximumFrameBytes = 8 << 20
    /// Messages with more frames than this are reported as `LoopEvent.malformed` and dropped.
    package var maximumFrames = 16
    /// How many messages may wait for each peer, in each direction.
    package var highWaterMark = 1000
    /// How long unsent messages may hold up the closing of a socket.
    package var linger: Duration = .seconds(2)
    /// The first and the longest pause before a lost connection is tried again.
    package var reconnectInterval: Duration = .milliseconds(200)
    package var maximumReconnectInterval: Duration = .seconds(2)
    /// The longest pause before trying again where our key was refused: somebody has to allow it first.
    package var maximumRefusedInterval: Duration = .seconds(10)
    /// How often libzmq itself asks the peer's libzmq whether it lives, and how long it waits for any answer.
    package var heartbeatInterval: Duration = .seconds(5)
    package var heartbeatTimeout: Duration = .seconds(15)
    /// How long the peer waits for us before it closes; at least 100 ms.
    package var heartbeatTimeToLive: Duration = .seconds(20)
    package var handshakeTimeout: Duration = .seconds(10)
    package var connectTimeout: Duration = .seconds(5)
    /// How long TCP may resend without an answer before the connection counts as dead.
    package var retransmitTimeout: Duration = .seconds(30)
    package var keepAliveIdle: Duration = .seconds(30)
    package var backlog = 512
    /// A fixed routing id, as no honest peer of ours has; for tests.
    var routingID: Data?

    package init() {}
}

extension Duration {
    /// Whole milliseconds, rounded up, from 0 to what fits C's `int`.
    var milliseconds: Int32 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        guard seconds < 2_000_000 else { return 2_000_000_000 }
        return Int32(seconds) * 1000 + Int32((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
