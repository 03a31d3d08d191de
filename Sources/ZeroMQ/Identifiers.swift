// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// Names a socket of a loop.
///
/// It stays the same when the loop rebuilds the socket below it.
package struct SocketID: Sendable, Hashable, CustomStringConvertible {
    let number: UInt32

    package var description: String { "socket \(number)" }
}

/// Names one connection of a peer at a ROUTER.
///
/// Peers choose the routing id at random for each connection, so it says nothing about who they are. The key does: the peer proved that
/// it has the secret half. The same routing id under another key is another peer.
package struct PeerID: Sendable, Hashable, CustomStringConvertible {
    /// The routing id.
    package let bytes: Data
    /// The authenticated key that the very message came under; nil where keys are not asked for.
    package let key: CurvePublicKey?

    package init(bytes: Data, key: CurvePublicKey? = nil) {
        self.bytes = bytes
        self.key = key
    }

    /// The first bytes in hexadecimal and the beginning of the key, for logs.
    package var description: String {
        Hexadecimal.text(of: bytes.prefix(6)) + (key.map { "/" + $0.short } ?? "")
    }

    /// 16 random bytes, the first of which is not 0 (libzmq keeps those ids to itself).
    static func random() -> PeerID {
        var generator = SystemRandomNumberGenerator()
        var bytes = Data((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
        bytes[0] = UInt8.random(in: 1 ... .max, using: &generator)
        return PeerID(bytes: bytes)
    }
}
