// SPDX-License-Identifier: Apache-2.0

/// Text that ends up in terminals, logs and web pages.
package enum WireText {
    /// Makes one line of at most `limit` bytes out of anything, such as an error's description.
    package static func clipped(_ text: String, limit: Int = WireLimits.lineBytes) -> String {
        var line = ""
        var fitting = ""
        var bytes = 0
        for scalar in text.unicodeScalars {
            let shown: Unicode.Scalar = isHarmless(scalar) ? scalar : " "
            bytes += UTF8.width(shown)
            if bytes > limit { return fitting + "..." }
            line.unicodeScalars.append(shown)
            if bytes <= limit - 3 { fitting = line }
        }
        return line
    }

    /// Whether text is one line that cannot move a terminal's cursor or turn the direction of what follows.
    static func isOneLine(_ text: String) -> Bool { text.unicodeScalars.allSatisfy(isHarmless) }

    private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: false
        default: !(0x202A...0x202E).contains(scalar.value) && !(0x2066...0x2069).contains(scalar.value)
        }
    }
}
