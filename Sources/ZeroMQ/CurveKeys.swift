// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
package import Foundation

/// The 32 bytes below a key of CURVE, ZeroMQ's encryption and authentication (X25519).
private struct KeyBytes: Hashable, Sendable {
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
    }

    init?(z85 text: some Collection<UInt8>) {
        guard text.count == 40, let parts = Z85.words(of: text), parts.count == 8 else { return nil }
        withUnsafeMutableBytes(of: &words) { target in
            for (index, part) in parts.enumerated() {
                target.storeBytes(of: part.bigEndian, toByteOffset: index * 4, as: UInt32.self)
            }
        }
    }

    var data: Data { withUnsafeBytes(of: words) { Data($0) } }

    var z85: String {
        withUnsafeBytes(of: words) { source in
            Z85.text(of: (0..<8).map { UInt32(bigEndian: source.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)) })
        }
    }

    static func == (left: Self, right: Self) -> Bool { left.words == right.words }

    func hash(into hasher: inout Hasher) { withUnsafeBytes(of: words) { hasher.combine(bytes: $0) } }
}

/// Who somebody is on the wire: a public key that nobody else can speak for.
package struct CurvePublicKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    private let key: KeyBytes

    package init?(bytes: some Collection<UInt8>) {
        guard let key = KeyBytes(bytes) else { return nil }
        self.key = key
    }

    init?(z85Bytes text: some Collection<UInt8>) {
        guard let key = KeyBytes(z85: text) else { return nil }
        self.key = key
    }

    /// Parses 40 characters of Z85, or 64 hexadecimal digits for those who had trouble with their shell's quotes.
    ///
    /// - Throws: `SocketError` with code `.invalidKey`. The text is not repeated: it may be a secret in the wrong place.
    package init(z85 text: String) throws(SocketError) {
        guard let key = KeyText.parse(text) else { throw KeyText.invalid(text, kind: "public key") }
        self.key = key
    }

    package var bytes: Data { key.data }

    /// 40 printable characters without blanks and quotes.
    package var z85: String { key.z85 }

    /// The first characters, for logs and tables.
    package var short: String { String(key.z85.prefix(8)) }

    package var description: String { key.z85 }

    package static func < (left: Self, right: Self) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }
}

/// The half of a key pair that never leaves its machine.
///
/// It does not show in logs, string interpolation or dumps; who wants its text has to ask for `z85`.
package struct CurveSecretKey: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let key: KeyBytes

    package init?(bytes: some Collection<UInt8>) {
        guard let key = KeyBytes(bytes) else { return nil }
        self.key = key
    }

    package init(z85 text: String) throws(SocketError) {
        guard let key = KeyText.parse(text) else { throw KeyText.invalid(text, kind: "secret key") }
        self.key = key
    }

    package var bytes: Data { key.data }
    package var z85: String { key.z85 }
    package var description: String { "(secret key)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// A secret key and the public key that belongs to it.
package struct CurveKeyPair: Sendable, Equatable {
    package let publicKey: CurvePublicKey
    package let secretKey: CurveSecretKey

    /// Computes the public key of a secret one.
    ///
    /// - Throws: `SocketError` when this machine's libzmq was built without CURVE.
    package init(secretKey: CurveSecretKey) throws(SocketError) {
        var text = [CChar](repeating: 0, count: 41)
        guard zmq_curve_public(&text, secretKey.z85) == 0 else { throw .system("cannot compute a public key") }
        guard let key = CurvePublicKey(z85Bytes: text.prefix(40).map(UInt8.init(bitPattern:))) else {
            throw SocketError(.invalidKey, "libzmq computed a public key that is none")
        }
        (publicKey, self.secretKey) = (key, secretKey)
    }

    /// A new pair from the system's source of randomness.
    package static func generate() throws(SocketError) -> CurveKeyPair {
        var (publicText, secretText) = ([CChar](repeating: 0, count: 41), [CChar](repeating: 0, count: 41))
        guard zmq_curve_keypair(&publicText, &secretText) == 0 else { throw .system("cannot make a key pair") }
        let text = String(decoding: secretText.prefix(40).map(UInt8.init(bitPattern:)), as: UTF8.self)
        return try CurveKeyPair(secretKey: CurveSecretKey(z85: text))
    }
}

private enum KeyText {
    static func parse(_ text: String) -> KeyBytes? {
        let bytes = Array(text.utf8.prefix(65))
        if bytes.count == 64 { return hexadecimal(bytes).flatMap { KeyBytes($0) } }
        return KeyBytes(z85: bytes)
    }

    private static func hexadecimal(_ digits: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = Character(UnicodeScalar(digits[index])).hexDigitValue,
                let low = Character(UnicodeScalar(digits[index + 1])).hexDigitValue
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return bytes
    }

    static func invalid(_ text: String, kind: String) -> SocketError {
        let count = text.utf8.count
        let why =
            count == 40
            ? "holds a character that no key has, or is mistyped"
            : "has \(count) characters, not 40\(count < 40 && count > 0 ? "; put it in single quotes, so that the shell leaves it alone" : "")"
        return SocketError(.invalidKey, "the \(kind) \(why)")
    }
}
