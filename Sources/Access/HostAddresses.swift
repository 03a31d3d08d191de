// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
package import ZeroMQ

/// Under which addresses other boxes may reach this one.
package enum HostAddresses {
    /// The endpoints that stand for one on which somebody listens: itself, or one for each address of this machine where it is `*`.
    ///
    /// IPv4 before IPv6; neither loopback nor link-local ones. The order within is the system's.
    package static func reachable(_ endpoint: Endpoint) -> [Endpoint] {
        guard ["*", "0.0.0.0", "::"].contains(endpoint.host) else { return [endpoint] }
        let hosts = all()
        let wanted = endpoint.host == "::" ? hosts : hosts.filter { !$0.contains(":") }
        return wanted.compactMap { try? Endpoint(host: $0, port: endpoint.port) }
    }

    private static func all() -> [String] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var (four, six): ([String], [String]) = ([], [])
        var next = first
        while let interface = next {
            next = interface.pointee.ifa_next
            let flags = Int32(bitPattern: interface.pointee.ifa_flags)
            guard flags & Int32(IFF_UP) != 0, flags & Int32(IFF_LOOPBACK) == 0 else { continue }
            guard let address = interface.pointee.ifa_addr else { continue }
            let family = Int32(address.pointee.sa_family)
            let size = family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            guard family == AF_INET || family == AF_INET6,
                getnameinfo(address, socklen_t(size), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
            else { continue }
            let host = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            // Link-local addresses mean something only together with an interface of the other box.
            if host.hasPrefix("fe80:") || host.hasPrefix("169.254.") { continue }
            if family == AF_INET { four.append(host) } else { six.append(host) }
        }
        return four + six
    }
}
