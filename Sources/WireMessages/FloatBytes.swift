// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// IEEE 754 binary32 values as little-endian bytes.
package enum FloatBytes {
    package static func encode(_ values: [Float]) -> Data {
        // Not a key path: those are slow, and this is what a shared step sends.
        values.map { $0.bitPattern.littleEndian }.withUnsafeBytes { Data($0) }
    }

    /// Decodes exactly `count` values.
    ///
    /// - Throws: `.invalid` when the bytes are not 4 times as many.
    package static func decode(_ data: Data, count: Int) throws(WireError) -> [Float] {
        let (expected, overflow) = count.multipliedReportingOverflow(by: 4)
        guard count >= 0, !overflow, data.count == expected else {
            throw WireError(.invalid, "an array of \(count) numbers has \(data.count) bytes; expected 4 for each")
        }
        return data.withUnsafeBytes { bytes in
            (0..<count).map { Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))) }
        }
    }

    /// Whether all values are finite numbers.
    ///
    /// Bytes after the last whole value are not looked at.
    static func areFinite(_ data: Data) -> Bool {
        data.withUnsafeBytes { bytes in
            (0..<bytes.count / 4).allSatisfy {
                let bits = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))
                return bits & 0x7F80_0000 != 0x7F80_0000
            }
        }
    }
}
