// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// Where a socket listens or connects to: `tcp://HOST:PORT`.
///
/// The host is a name, an IPv4 address, an IPv6 address in brackets or, to listen on every interface, `*`. The port `*` or `0` asks for
/// any free one, which only makes sense for listening.
package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// The host without brackets.
    package let host: String
    /// 0 stands for any free port.
    package let port: UInt16

    /// Parses `tcp://HOST:PORT`.
    ///
    /// - Throws: `SocketError` with code `.invalidEndpoint`.
    package init(_ text: String) throws(SocketError) {
        func invalid(_ why: String) -> SocketError {
            let shown = text.count > 80 ? text.prefix(80) + "..." : text[...]
            return SocketError(
                .invalidEndpoint,
                "address \"\(shown.filter(\.isPrintableASCII))\" \(why); write tcp://HOST:PORT, such as tcp://127.0.0.1:7400")
        }
        guard text.utf8.count <= 300 else { throw invalid("is too long") }
        guard let schemeEnd = text.range(of: "://") else { throw invalid("has no tcp:// in front") }
        guard text[..<schemeEnd.lowerBound] == "tcp" else { throw invalid("is not a tcp address") }
        let rest = text[schemeEnd.upperBound...]
        guard let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") else { throw invalid("has no port") }

        let portText = rest[rest.index(after: colon)...]
        if portText == "*" {
            port = 0
        } else if portText.allSatisfy(\.isASCIIDigit), let number = UInt16(portText) {
            port = number
        } else {
            throw invalid("has no port between 0 and 65535")
        }

        let hostText = rest[..<colon]
        if hostText.hasPrefix("["), hostText.hasSuffix("]"), hostText.count > 2 {
            host = String(hostText.dropFirst().dropLast())
            guard Self.isIPv6(host) else { throw invalid("has no valid IPv6 address in its brackets") }
        } else {
            host = String(hostText)
            guard !host.contains(":") else { throw invalid("has an IPv6 address without brackets") }
            guard host == "*" || Self.isHostName(host) else { throw invalid("has no valid host") }
        }
    }

    package init(host: String, port: UInt16) throws(SocketError) {
        try self.init(host.contains(":") ? "tcp://[\(host)]:\(port)" : "tcp://\(host):\(port)")
    }

    package var description: String { "tcp://\(usesIPv6 ? "[\(host)]" : host):\(port == 0 ? "*" : String(port))" }

    package var usesIPv6: Bool { host.contains(":") }

    /// Whether its host is a name, which may stand for addresses of either family.
    package var isHostName: Bool { !usesIPv6 && host != "*" && !host.allSatisfy { $0.isASCIIDigit || $0 == "." } }

    /// Whether only this machine can reach it.
    ///
    /// `*` and names other than `localhost` are not loopback, wherever they lead.
    package var isLoopback: Bool {
        if host.lowercased() == "localhost" { return true }
        if let bytes = Self.bytes(of: host, family: AF_INET, count: 4) { return bytes[0] == 127 }
        guard let bytes = Self.bytes(of: host, family: AF_INET6, count: 16) else { return false }
        let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        return isMapped ? bytes[12] == 127 : bytes[..<15].allSatisfy { $0 == 0 } && bytes[15] == 1
    }

    /// How this machine itself reaches what listens here: every interface includes the loopback one.
    package var forConnecting: Endpoint {
        let loopback =
            switch host {
            case "*", "0.0.0.0": "127.0.0.1"
            case "::": "::1"
            default: host
            }
        return (try? Endpoint(host: loopback, port: port)) ?? self
    }

    /// What libzmq is given to listen on: it takes no names there, so `localhost` becomes its address.
    var bindAddress: String {
        host.lowercased() == "localhost" ? "tcp://127.0.0.1:\(port == 0 ? "*" : String(port))" : description
    }

    private static func isIPv6(_ host: String) -> Bool {
        let parts = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        let zoneIsFine = parts.count == 1 || isHostName(String(parts[1]))
        return zoneIsFine && bytes(of: String(parts[0]), family: AF_INET6, count: 16) != nil
    }

    private static func isHostName(_ host: String) -> Bool {
        guard (1...253).contains(host.utf8.count), host.utf8.first != UInt8(ascii: "-") else { return false }
        guard host.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-" || $0 == "_") }) else { return false }
        // Digits and dots alone are an address, and then it has to be a valid one.
        return !host.allSatisfy { $0.isASCIIDigit || $0 == "." } || bytes(of: host, family: AF_INET, count: 4) != nil
    }

    private static func bytes(of address: String, family: Int32, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return inet_pton(family, address, &bytes) == 1 ? bytes : nil
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
    fileprivate var isPrintableASCII: Bool { (" "..."~").contains(self) && self != "\"" }
}
