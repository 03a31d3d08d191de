// SPDX-License-Identifier: Apache-2.0

/// A model that cannot be used as it is: one line that says what is wrong, where, and what was expected.
package struct ModelError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
