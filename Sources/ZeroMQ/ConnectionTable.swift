// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// Which peer last spoke on which TCP connection of a ROUTER.
///
/// Libzmq can close a socket but not one peer's connection, and a peer whose key was revoked has to go. So the connection is shut down
/// under libzmq's feet, which takes it for a peer that hung up. The table is no larger than the number of open descriptors, and an entry
/// ends when the next connection under the same descriptor speaks.
struct ConnectionTable {
    private var peers: [PeerID?] = []

    mutating func note(_ peer: PeerID, on descriptor: Int32) {
        guard let index = Int(exactly: descriptor), (0..<1 << 21).contains(index) else { return }
        while peers.count <= index { peers.append(contentsOf: repeatElement(nil, count: max(64, peers.count))) }
        if peers[index] != peer { peers[index] = peer }
    }

    /// - Parameter port: where the ROUTER listens. A descriptor that has become something else in the meantime is left alone.
    mutating func end(port: UInt16, where isUnwanted: (PeerID) -> Bool) -> Int {
        var ended = 0
        for (descriptor, peer) in peers.enumerated() {
            guard let peer, isUnwanted(peer) else { continue }
            peers[descriptor] = nil
            guard Self.localPort(of: Int32(descriptor)) == port, shutdown(Int32(descriptor), Int32(SHUT_RDWR)) == 0 else { continue }
            ended += 1
        }
        return ended
    }

    /// The port of this side of a TCP connection; nil for anything else.
    private static func localPort(of descriptor: Int32) -> UInt16? {
        var storage = sockaddr_storage()
        var count = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &storage) { bytes -> UInt16? in
            guard let start = bytes.baseAddress else { return nil }
            guard getsockname(descriptor, start.assumingMemoryBound(to: sockaddr.self), &count) == 0 else { return nil }
            switch Int32(bytes.loadUnaligned(as: sa_family_t.self)) {
            case AF_INET: return UInt16(bigEndian: bytes.loadUnaligned(as: sockaddr_in.self).sin_port)
            case AF_INET6: return UInt16(bigEndian: bytes.loadUnaligned(as: sockaddr_in6.self).sin6_port)
            default: return nil
            }
        }
    }
}
