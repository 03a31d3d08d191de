// SPDX-License-Identifier: Apache-2.0

/// What went wrong with a socket, in one line.
package struct SocketError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// The text is not an address.
        case invalidEndpoint
        /// The text is not a key.
        case invalidKey
        /// A socket that lets in by key was to be opened before anyone could say which keys (`LoopContext.authenticate`).
        case noAuthenticator
        /// Another program listens there.
        case addressInUse
        /// This machine does not have that address.
        case addressNotAvailable
        /// The system does not let this user listen there.
        case permissionDenied
        /// A ROUTER has no such peer: its conversation is over.
        case unreachable
        /// The peer is slow and its queue is full: nothing was sent, try later or drop it.
        case wouldBlock
        /// A DEALER has no connection now: nothing was sent.
        case notConnected
        /// The message is larger than the peer would take: nothing was sent.
        case messageTooBig
        /// The socket, or the whole loop, is closed.
        case closed
        /// Anything else that the system or libzmq reported.
        case system(Int32)
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
