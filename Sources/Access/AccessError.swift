// SPDX-License-Identifier: Apache-2.0

/// What is wrong with keys, tokens or the files that hold them, in one line.
package struct AccessError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// The text or the request makes no sense.
        case invalid
        case notFound
        /// A name stands for more than one key.
        case ambiguous
        /// The key is known already, as something else.
        case exists
        /// A join token was used before, by another key.
        case replayed
        /// What once was allowed is not any more.
        case revoked
        /// Others than its owner can get at a file of secrets.
        case notPrivate
        /// Reading or writing failed.
        case system
    }

    package let code: Code
    package let description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

extension StringProtocol {
    /// What may be shown of a hostile text: short, printable, on one line.
    var shown: String {
        let clean = unicodeScalars.prefix(61).map { (" "..."~").contains($0) && $0 != "\"" ? Character($0) : "?" }
        return clean.count > 60 ? String(clean.prefix(60)) + "..." : String(clean)
    }
}
