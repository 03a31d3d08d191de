// SPDX-License-Identifier: Apache-2.0
import Crypto
package import Foundation
import ZeroMQ

/// The name of a blob: the SHA-256 of its bytes.
package struct BlobDigest: Sendable, Hashable, Comparable, CustomStringConvertible {
    package static let byteCount = 32

    // Numbers instead of an array: a digest is copied often and needs no memory of its own.
    private let words: SIMD4<UInt64>

    /// Takes exactly 32 bytes.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        var words = SIMD4<UInt64>()
        for (index, byte) in bytes.enumerated() { words[index / 8] = words[index / 8] << 8 | UInt64(byte) }
        self.words = words
    }

    /// Takes exactly 64 lower-case hexadecimal digits.
    package init?(hex: some StringProtocol) {
        let digits = hex.utf8
        guard digits.count == 2 * Self.byteCount else { return nil }
        var words = SIMD4<UInt64>()
        for (index, digit) in digits.enumerated() {
            let value: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
            default: return nil
            }
            words[index / 16] = words[index / 16] << 4 | UInt64(value)
        }
        self.words = words
    }

    /// The digest of some bytes.
    package init(of data: Data) {
        var hasher = BlobHasher()
        hasher.update(data)
        self = hasher.digest
    }

    fileprivate init(_ digest: SHA256.Digest) {
        var words = SIMD4<UInt64>()
        for (index, byte) in digest.enumerated() { words[index / 8] = words[index / 8] << 8 | UInt64(byte) }
        self.words = words
    }

    package var bytes: Data {
        Data((0..<Self.byteCount).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> UInt64(56 - 8 * ($0 % 8))) })
    }

    package var hex: String { Hexadecimal.text(of: bytes) }

    /// The first digits, for people.
    package var short: String { String(hex.prefix(12)) }

    package var description: String { hex }

    /// A number from 0 to 2^62 - 1 that hardly any other digest shares.
    var lockOffset: Int64 { Int64(words[0] >> 2) }

    package static func < (left: BlobDigest, right: BlobDigest) -> Bool {
        for index in 0..<4 where left.words[index] != right.words[index] { return left.words[index] < right.words[index] }
        return false
    }
}

/// Computes a digest piece by piece.
struct BlobHasher: Sendable {
    private var hash = SHA256()

    mutating func update(_ data: Data) { data.withUnsafeBytes { hash.update(bufferPointer: $0) } }

    mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    var digest: BlobDigest { BlobDigest(hash.finalize()) }
}
