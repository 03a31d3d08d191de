// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// Bytes as people read them: two digits for each, in lower case.
///
/// It lies here because all who name keys, digests and routing ids by their bytes know this module.
package enum Hexadecimal {
    package static func text(of data: Data) -> String {
        data.withUnsafeBytes { bytes in
            String(unsafeUninitializedCapacity: 2 * bytes.count) { text in
                for (index, byte) in bytes.enumerated() {
                    text[2 * index] = digit(byte >> 4)
                    text[2 * index + 1] = digit(byte & 15)
                }
                return 2 * bytes.count
            }
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }
}
