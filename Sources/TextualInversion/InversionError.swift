// SPDX-License-Identifier: Apache-2.0

/// Why an inversion cannot start or had to stop: one line.
package struct InversionError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// The study, its pictures, words or model are wrong: trying again cannot help.
        case input
        /// A prompt or a word that the user wrote cannot be used.
        case prompt
        /// This machine cannot compute it; another may.
        case machine
        /// The numbers went wrong (not finite, or nothing to learn from).
        case numeric
        /// The caller asked to stop.
        case cancelled
    }

    package let code: Code
    package let description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        // Prompts and names come from users and files: whatever is in them, an error stays one line.
        let shown = description.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }
        self.description = String(String.UnicodeScalarView(shown))
    }
}
