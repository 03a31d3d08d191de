// SPDX-License-Identifier: Apache-2.0

/// The address under which a box reaches the coordinator.
package enum CoordinatorAddress {
    /// From what the coordinator says that it listens on; one that listens everywhere is where the login on the box comes from.
    package static func seen(from box: BoxReport, listening endpoint: String) throws(HostsError) -> String {
        guard let (host, port) = split(endpoint) else {
            throw HostsError("the coordinator listens on \(HostsFile.quoted(endpoint)), which no other box reaches; give --address")
        }
        let client = box.clientAddress ?? ""
        if isLoopback(host) {
            guard isLoopback(client) else {
                throw HostsError("the coordinator listens on \(host) only; start it with --listen tcp://0.0.0.0:\(port)")
            }
            return endpoint
        }
        guard ["0.0.0.0", "*", "::"].contains(host) else { return endpoint }
        // A link-local address has the box's own zone in it.
        guard !client.isEmpty, client.utf8.allSatisfy({ HostsFile.isLetterOrDigit($0) || [0x2E, 0x3A].contains($0) }) else {
            throw HostsError("it is not clear how this box reaches the coordinator; give --address tcp://HOST:\(port)")
        }
        return client.contains(":") ? "tcp://[\(client)]:\(port)" : "tcp://\(client):\(port)"
    }

    /// Whether a text is an address that can be handed to workers.
    package static func isUsable(_ address: String) -> Bool {
        guard let (host, _) = split(address) else { return false }
        return !["0.0.0.0", "*", "::"].contains(host)
    }

    private static func split(_ endpoint: String) -> (host: String, port: Int)? {
        guard endpoint.hasPrefix("tcp://"), let colon = endpoint.lastIndex(of: ":"),
            let port = Int(endpoint[endpoint.index(after: colon)...]), (1...65535).contains(port)
        else { return nil }
        var host = endpoint.dropFirst(6)[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() } else if host.contains(":") { return nil }
        let allowed = host.utf8.allSatisfy { HostsFile.isLetterOrDigit($0) || [0x2A, 0x2D, 0x2E, 0x3A].contains($0) }
        return host.isEmpty || !allowed ? nil : (String(host), port)
    }

    private static func isLoopback(_ host: String) -> Bool { host.hasPrefix("127.") || host == "::1" || host == "localhost" }
}
