// SPDX-License-Identifier: Apache-2.0
import Foundation
package import ZeroMQ

/// The one line with which a new box joins: where the coordinator is, how to know it, and a secret that is good once.
///
/// The text is `pwj1-` and base64url (RFC 4648, without padding) of
///
///     version      1 byte, 1
///     roles        1 byte: 1 worker, 2 client, 4 admin, added up
///     endpoints    1 byte, how many (1 to 8), then for each 2 bytes of length, big-endian, and its text
///     server key   32 bytes, public
///     secret key   32 bytes; its public key stands in the allow-list as a token
///     checksum     4 bytes: CRC-32 (as in gzip) of all bytes before, big-endian
package struct JoinToken: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    package static let prefix = "pwj1-"
    package static let mostEndpoints = 8
    private static let version: UInt8 = 1
    private static let longestText = 4096

    package let roles: Set<Role>
    /// Where the coordinator may be reached, the most likely one first.
    package let endpoints: [Endpoint]
    package let serverKey: CurvePublicKey
    /// The key under which to connect in order to join, and for nothing else.
    package let keys: CurveKeyPair

    package init(roles: Set<Role>, endpoints: [Endpoint], serverKey: CurvePublicKey, keys: CurveKeyPair) throws(AccessError) {
        guard !roles.isEmpty else { throw AccessError(.invalid, "a join token without a role is of no use") }
        guard (1...Self.mostEndpoints).contains(endpoints.count) else {
            throw AccessError(.invalid, "a join token names 1 to \(Self.mostEndpoints) addresses, not \(endpoints.count)")
        }
        for endpoint in endpoints where endpoint.port == 0 || ["*", "0.0.0.0", "::"].contains(endpoint.host) {
            throw AccessError(.invalid, "nobody can connect to \(endpoint); name the address under which other boxes reach this one")
        }
        (self.roles, self.endpoints, self.serverKey, self.keys) = (roles, endpoints, serverKey, keys)
    }

    /// Parses what somebody pasted; blanks and line breaks inside do not matter.
    package init(text: String) throws(AccessError) {
        guard text.utf8.count <= Self.longestText else { throw Self.invalid("is too long") }
        let clean = String(decoding: text.utf8.filter { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }, as: UTF8.self)
        guard clean.hasPrefix(Self.prefix) else {
            throw Self.invalid(clean.hasPrefix("pwj") ? "is of another version of this program" : "does not begin with \(Self.prefix)")
        }
        guard let bytes = Self.decode(clean.dropFirst(Self.prefix.count)), bytes.count > 4 else { throw Self.broken }
        let body = bytes.dropLast(4)
        guard CRC32.of(body) == bytes.suffix(4).reduce(0, { $0 << 8 | UInt32($1) }) else { throw Self.broken }

        var rest = body[...]
        func take(_ count: Int) throws(AccessError) -> ArraySlice<UInt8> {
            guard rest.count >= count else { throw Self.invalid("is shorter than it says") }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func number(_ count: Int) throws(AccessError) -> Int { try take(count).reduce(0) { $0 << 8 | Int($1) } }

        guard try number(1) == Int(Self.version) else { throw Self.invalid("is of another version of this program") }
        let mask = try number(1)
        let roles = Set(Role.allCases.filter { mask & $0.bit != 0 })
        guard roles.reduce(0, { $0 | $1.bit }) == mask else { throw Self.invalid("gives a role that this version does not know") }
        var endpoints: [Endpoint] = []
        for _ in 0..<(try number(1)) {
            guard let text = String(bytes: try take(try number(2)), encoding: .utf8), let endpoint = try? Endpoint(text) else {
                throw Self.invalid("holds an address that is none")
            }
            endpoints.append(endpoint)
        }
        let (server, secret) = (try take(32), try take(32))
        guard rest.isEmpty else { throw Self.invalid("is longer than it says") }
        guard let serverKey = CurvePublicKey(bytes: server), let secretKey = CurveSecretKey(bytes: secret) else { throw Self.broken }
        do {
            try self.init(roles: roles, endpoints: endpoints, serverKey: serverKey, keys: try CurveKeyPair(secretKey: secretKey))
        } catch let error as SocketError {
            throw AccessError(.system, error.description)
        } catch let error as AccessError {
            throw error
        } catch {
            throw Self.broken
        }
    }

    /// The line itself.
    ///
    /// It is a secret until it was used.
    package var text: String {
        var bytes: [UInt8] = [Self.version, UInt8(roles.reduce(0) { $0 | $1.bit }), UInt8(endpoints.count)]
        for endpoint in endpoints {
            let text = Array(endpoint.description.utf8)
            bytes += [UInt8(text.count >> 8), UInt8(text.count & 255)] + text
        }
        bytes += serverKey.bytes + keys.secretKey.bytes
        let checksum = CRC32.of(bytes)
        bytes += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: checksum >> $0) }
        return Self.prefix + Self.encode(bytes)
    }

    package var description: String { "join token for \(endpoints.map(\.description).joined(separator: ", ")), roles \(roles.text)" }
    package var customMirror: Mirror { Mirror(self, children: ["description": description]) }

    private static func encode(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// Nil unless `text` is the one text of some bytes.
    private static func decode(_ text: Substring) -> [UInt8]? {
        let standard = text.replacing("-", with: "+").replacing("_", with: "/")
        let padding = String(repeating: "=", count: (4 - standard.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: standard + padding), encode(Array(data)) == text else { return nil }
        return Array(data)
    }

    private static func invalid(_ why: String) -> AccessError { AccessError(.invalid, "the join token \(why); ask for a new one") }

    private static var broken: AccessError {
        AccessError(.invalid, "the join token is cut short or mistyped; paste the whole line, from \(prefix) to its end")
    }
}

extension Role {
    fileprivate var bit: Int {
        switch self {
        case .worker: 1
        case .client: 2
        case .admin: 4
        }
    }
}

/// The checksum of gzip and PNG.
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }

    static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~0) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
    }
}
