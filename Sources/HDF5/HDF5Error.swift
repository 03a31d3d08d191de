// SPDX-License-Identifier: Apache-2.0

/// What is wrong with an HDF5 file, or with what should become one.
package struct HDF5Error: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        /// The bytes are no HDF5 file at all, or are cut off.
        case notHDF5
        /// A group, dataset or attribute is not there.
        case missing
        /// It is there with another type, shape or layout than expected.
        case unexpected
        /// More data is claimed than the file holds or the limit allows.
        case tooLarge
        /// HDF5 itself refused; the message is its own.
        case refused
    }

    package let code: Code
    /// The path inside the file, such as `/embedding/vectors`.
    package let place: String
    /// One line that does not repeat the place.
    package let message: String

    package init(_ code: Code, at place: String, _ message: String) {
        self.code = code
        self.place = place
        self.message = message
    }

    package var description: String { "\(place): \(message)" }
}
