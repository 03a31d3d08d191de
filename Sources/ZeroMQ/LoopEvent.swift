// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// What a loop tells its handler.
package enum LoopEvent: Sendable, Equatable {
    /// A message, from `peer` if the socket is a ROUTER.
    case message(SocketID, from: PeerID?, frames: [Data])
    /// A message that is over the limits of the socket's options; its content is gone.
    case malformed(SocketID, from: PeerID?, reason: String)
    /// A DEALER can send now.
    ///
    /// It is a new conversation: the other side knows nothing of the one before.
    case connected(SocketID)
    /// A DEALER lost its connection; the loop connects again by itself, with a new routing id.
    case disconnected(SocketID)
    /// A DEALER could not connect; the loop goes on trying by itself.
    case retrying(SocketID, reason: String)
    /// The tick interval has passed, or more than one.
    ///
    /// `LoopContext.now` is the time.
    case tick
    /// The last event: what is sent now still goes out, within the sockets' linger time.
    case stopping

    var socket: SocketID? {
        switch self {
        case .message(let socket, _, _), .malformed(let socket, _, _), .connected(let socket), .disconnected(let socket),
            .retrying(let socket, _):
            socket
        case .tick, .stopping: nil
        }
    }
}
