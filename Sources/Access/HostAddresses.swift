// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
package import ZeroMQ

/// Under which addresses other boxes may reach this one.
package enum HostAddresses {
    /// An address of this machine.
    struct Candidate: Hashable {
        let host: String
        /// Such as `eth0`.
        let interface: String

        var isIPv6: Bool { host.contains(":") }

        /// Whether it holds on one cable only.
        var isLinkLocal: Bool { host.hasPrefix("fe80:") || host.hasPrefix("169.254.") }

        /// Whether it leads to containers and virtual machines on this machine rather than to other boxes.
        var isVirtual: Bool {
            ["docker", "br-", "veth", "virbr", "vnet", "cni", "flannel", "cali", "lxc", "lxd", "podman"].contains {
                interface.hasPrefix($0)
            }
        }

        /// The lower, the likelier it is that another box reaches it.
        var rank: Int { (isLinkLocal ? 4 : 0) + (isVirtual ? 2 : 0) + (isIPv6 ? 1 : 0) }
    }

    /// The endpoints that stand for one on which somebody listens: itself, or one for each address of this machine where it is `*`.
    ///
    /// No more than a join token takes: global addresses before link-local ones, those of networks before those of containers' bridges,
    /// IPv4 before IPv6. A machine without a network is left with its loopback address.
    package static func reachable(_ endpoint: Endpoint) -> [Endpoint] {
        guard ["*", "0.0.0.0", "::"].contains(endpoint.host) else { return [endpoint] }
        let candidates = all()
        let found = choose(endpoint.host == "::" ? candidates : candidates.filter { !$0.isIPv6 })
            .compactMap { try? Endpoint(host: $0, port: endpoint.port) }
        return found.isEmpty ? [endpoint.forConnecting] : found
    }

    /// The hosts that are most likely to be reached, the likeliest one first; the order within a kind is the system's.
    static func choose(_ candidates: [Candidate]) -> [String] {
        // A link-local address in IPv6 means something only together with an interface of the other box.
        let usable = candidates.filter { !($0.isLinkLocal && $0.isIPv6) }.enumerated()
        let ranked = usable.sorted { ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset) }.map(\.element.host)
        var seen: Set<String> = []
        return Array(ranked.filter { seen.insert($0).inserted }.prefix(JoinToken.mostEndpoints))
    }

    private static func all() -> [Candidate] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var found: [Candidate] = []
        var next = first
        while let interface = next {
            next = interface.pointee.ifa_next
            let flags = Int32(bitPattern: interface.pointee.ifa_flags)
            guard flags & Int32(IFF_UP) != 0, flags & Int32(IFF_LOOPBACK) == 0 else { continue }
            guard let address = interface.pointee.ifa_addr, let name = interface.pointee.ifa_name else { continue }
            let family = Int32(address.pointee.sa_family)
            let size = family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            guard family == AF_INET || family == AF_INET6,
                getnameinfo(address, socklen_t(size), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
            else { continue }
            let host = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            found.append(Candidate(host: host, interface: String(cString: name)))
        }
        return found
    }
}
