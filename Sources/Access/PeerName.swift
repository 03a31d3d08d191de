// SPDX-License-Identifier: Apache-2.0

/// What people call the holder of a key: 1 to 64 letters, digits, dots, dashes and underscores.
package enum PeerName {
    static let longest = 64

    package static func isValid(_ name: String) -> Bool {
        (1...longest).contains(name.utf8.count) && name.utf8.allSatisfy(isAllowed) && name.utf8.first != UInt8(ascii: "-")
    }

    static func check(_ name: String) throws(AccessError) {
        guard !isValid(name) else { return }
        throw AccessError(
            .invalid, "\"\(name.shown)\" is no name for a key; take up to 64 letters, digits, dots, dashes and underscores")
    }

    /// A valid name from what a stranger calls itself.
    package static func cleaned(_ name: String, otherwise fallback: String) -> String {
        let kept = name.utf8.prefix(longest).map { isAllowed($0) ? $0 : UInt8(ascii: "_") }.drop { $0 == UInt8(ascii: "-") }
        return kept.isEmpty ? fallback : String(decoding: kept, as: UTF8.self)
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
