// SPDX-License-Identifier: Apache-2.0

import Foundation
import ZeroMQ

/// Digests: bytes in messages, text in the ledger.
extension Data {
    var hexadecimal: String { Hexadecimal.text(of: self) }

    /// Nil for anything but pairs of hexadecimal digits.
    init?(hexadecimal text: String) {
        let digits = text.utf8.compactMap { byte -> UInt8? in
            switch byte {
            case 0x30...0x39: byte - 0x30
            case 0x61...0x66: byte - 0x57
            default: nil
            }
        }
        guard digits.count == text.utf8.count, digits.count.isMultiple(of: 2) else { return nil }
        self.init(stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] })
    }
}
