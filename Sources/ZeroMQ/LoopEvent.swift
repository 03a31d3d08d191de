// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// Why a DEALER has no connection yet.
package enum RetryCause: Sendable, Equatable {
    /// Nobody answers there.
    case unreachable
    /// The other side does not accept our key; trying again helps only once somebody allows it.
    case refused
    /// Not the one whose key we know, or not ZeroMQ at all, or it hung up during the handshake.
    case stranger
    /// This machine cannot open a socket.
    case local
}

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
    ///
    /// The reason is one line for people.
    case retrying(SocketID, cause: RetryCause, reason: String)
    /// A ROUTER turned a peer away whose key the authenticator did not want; the address is its host.
    ///
    /// Not every one is told of: whoever knocks without end is told of now and then.
    case refused(SocketID, key: CurvePublicKey, address: String)
    /// Connections to a ROUTER that came to nothing before a key could be asked about: what came is not ZeroMQ, offers no key, knows
    /// another coordinator's key, hung up, or said nothing in time.
    ///
    /// At most once a second.
    case handshakesFailed(SocketID, count: Int)
    /// A ROUTER takes no new connections for now, since the process nearly has as many files and connections open as it may; or takes
    /// them again.
    ///
    /// Those who are connected do not notice.
    case crowded(SocketID, Bool)
    /// The tick interval has passed, or more than one.
    ///
    /// `LoopContext.now` is the time.
    case tick
    /// The last event: what is sent now still goes out, within the sockets' linger time.
    case stopping

    var socket: SocketID? {
        switch self {
        case .message(let socket, _, _), .malformed(let socket, _, _), .connected(let socket), .disconnected(let socket),
            .retrying(let socket, _, _), .refused(let socket, _, _), .handshakesFailed(let socket, _),
            .crowded(let socket, _):
            socket
        case .tick, .stopping: nil
        }
    }
}
