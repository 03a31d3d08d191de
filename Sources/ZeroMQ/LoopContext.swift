// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// What a handler may do with the sockets of its loop.
///
/// It cannot be copied or kept, so nothing but the loop's own thread can reach the sockets.
package struct LoopContext: ~Copyable {
    let core: LoopCore
    /// The time of the event being handled.
    ///
    /// It goes on while the machine sleeps and ignores changes of the wall clock.
    package internal(set) var now: ContinuousClock.Instant

    /// Sets who decides which keys may connect to this loop's sockets.
    ///
    /// Once, and before the first socket with `SocketSecurity.server` is bound. The closure runs on the loop's thread for every new
    /// connection and must not wait; a connection that it has let in stays, see `disconnect`.
    ///
    /// - Parameter decide: gets the key and the peer's host address.
    package mutating func authenticate(_ decide: @escaping (CurvePublicKey, _ address: String) -> Bool) throws(SocketError) {
        try core.authenticate(decide)
    }

    /// Opens a ROUTER that listens on `endpoint`.
    ///
    /// - Returns: the socket and the address it really listens on, with its port.
    /// - Throws: one line that says why this address cannot be had and what to do.
    package mutating func bind(
        _ endpoint: Endpoint, options: SocketOptions = SocketOptions()
    ) throws(SocketError) -> (socket: SocketID, endpoint: Endpoint) {
        let (socket, actual) = try core.bind(endpoint, options: options)
        return (socket, actual)
    }

    /// Opens a DEALER that connects to `endpoint` and, until it is closed, connects again whenever the connection is lost.
    ///
    /// Returns at once; `LoopEvent.connected` says when it can send.
    package mutating func connect(_ endpoint: Endpoint, options: SocketOptions = SocketOptions()) throws(SocketError) -> SocketID {
        try core.connect([endpoint], options: options)
    }

    /// Opens a DEALER that connects to one of several addresses of the same peer: it goes through them until one of them answers, and again
    /// whenever the connection is lost.
    ///
    /// - Parameter endpoints: the most likely one first; at least one.
    package mutating func connect(_ endpoints: [Endpoint], options: SocketOptions = SocketOptions()) throws(SocketError) -> SocketID {
        try core.connect(endpoints, options: options)
    }

    /// Sends all frames, or throws and has sent none.
    ///
    /// Never waits.
    ///
    /// - Parameter peer: whom a ROUTER sends to; nil for a DEALER.
    /// - Throws: `.unreachable` (ROUTER: the peer is gone), `.wouldBlock` (the peer is slow), `.notConnected` (DEALER),
    ///   `.messageTooBig`, `.closed`.
    package mutating func send(_ frames: [Data], to peer: PeerID? = nil, on socket: SocketID) throws(SocketError) {
        try core.send(frames, to: peer, on: socket)
    }

    /// Breaks the connections to a ROUTER whose last message came from a peer that is not wanted any more.
    ///
    /// Libzmq asks about a key only when a connection begins. The peer will try again, and be asked about. A connection that has not
    /// brought a message yet is not known here: look at the key of every message as well.
    ///
    /// - Returns: how many.
    @discardableResult
    package mutating func disconnect(on socket: SocketID, where isUnwanted: (PeerID) -> Bool) -> Int {
        core.disconnect(on: socket, where: isUnwanted)
    }

    /// Whether a DEALER has a connection.
    package func isConnected(_ socket: SocketID) -> Bool { core.isConnected(socket) }

    /// Where a socket listens, or is connected to, or tries to connect to now; nil once it is closed.
    package func endpoint(of socket: SocketID) -> Endpoint? { core.endpoint(of: socket) }

    /// Drops a DEALER's connection and makes a new one under a new routing id, with nothing of the old one left.
    ///
    /// For a peer that is connected but does not answer. `LoopEvent.disconnected` is not sent.
    package mutating func reopen(_ socket: SocketID) { core.reopen(socket, now: now) }

    /// Closes a socket; what it has not sent yet still goes out, within its linger time.
    package mutating func close(_ socket: SocketID) { core.close(socket) }

    /// Ends the loop after this event.
    package mutating func stop() { core.stopRequested = true }
}
