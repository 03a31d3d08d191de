// SPDX-License-Identifier: Apache-2.0

/// `[user@]host[:port]`, where an IPv6 address stands in brackets if a port follows.
enum HostDestination {
    static func parse(_ text: String) throws(HostsError) -> HostEntry {
        var rest = Substring(text)
        var user: String?
        if let at = rest.lastIndex(of: "@") {
            let name = String(rest[..<at])
            // A dash in front would be an option of ssh.
            guard HostsFile.isName(name) || (name.hasPrefix("_") && HostsFile.isName("a" + name)) else {
                throw HostsError("\(HostsFile.quoted(name)) is no user name")
            }
            user = name
            rest = rest[rest.index(after: at)...]
        }
        let (host, port) = try split(rest)
        guard isHost(host) else {
            throw HostsError("\(HostsFile.quoted(host)) is no host; expected a name or an address, as ssh takes it")
        }
        return HostEntry(user: user, host: host, port: port, name: host)
    }

    private static func split(_ text: Substring) throws(HostsError) -> (host: String, port: Int?) {
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else {
                throw HostsError("\(HostsFile.quoted(String(text))): the bracket is not closed")
            }
            let host = String(text[text.index(after: text.startIndex)..<end]), tail = text[text.index(after: end)...]
            if tail.isEmpty { return (host, nil) }
            guard tail.first == ":" else { throw HostsError("after ] comes :PORT, not \(HostsFile.quoted(String(tail)))") }
            return (host, try port(tail.dropFirst()))
        }
        let colons = text.count { $0 == ":" }
        guard colons == 1, let colon = text.firstIndex(of: ":") else { return (String(text), nil) }
        return (String(text[..<colon]), try port(text[text.index(after: colon)...]))
    }

    private static func port(_ text: Substring) throws(HostsError) -> Int {
        guard let port = Int(text), (1...65535).contains(port), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw HostsError("\(HostsFile.quoted(String(text))) is no port; expected 1 to 65535")
        }
        return port
    }

    /// Names, addresses, and addresses with a zone (`fe80::1%eth0`); nothing that a shell or ssh could take for something else.
    private static func isHost(_ text: String) -> Bool {
        let allowed = text.utf8.allSatisfy { HostsFile.isLetterOrDigit($0) || [0x2D, 0x2E, 0x5F, 0x3A, 0x25].contains($0) }
        let startsWell = text.utf8.first.map { HostsFile.isLetterOrDigit($0) || $0 == 0x3A } ?? false
        return (1...253).contains(text.utf8.count) && allowed && startsWell
    }
}
