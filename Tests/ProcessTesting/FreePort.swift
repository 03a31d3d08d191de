// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Ports for coordinators that are killed and come back.
enum FreePort {
    /// Below the ports from which the system takes those of outgoing connections (32768 and up).
    ///
    /// One of those could be taken by anybody, a waiting worker's own connection among them, before the coordinator is back.
    private static let range: Range<UInt16> = 10_000..<32_000

    /// A port which, like the one after it, nobody listens at.
    static func pair() -> UInt16 {
        while true {
            let port = UInt16.random(in: range)
            if isFree(port), isFree(port + 1) { return port }
        }
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
        }
    }
}
