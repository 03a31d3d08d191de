// SPDX-License-Identifier: Apache-2.0

/// A model that cannot be used as it is: one line that says what is wrong, where, and what was expected.
package struct ModelError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        case invalid
        /// There is no such folder or file.
        case notFound
    }

    package let code: Code
    package let description: String

    package init(_ description: String) { self.init(.invalid, description) }

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
