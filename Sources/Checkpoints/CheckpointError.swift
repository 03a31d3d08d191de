// SPDX-License-Identifier: Apache-2.0

/// Why a checkpoint could not be read or written.
///
/// The description is one line that names the file, and the place inside it.
package struct CheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        /// There is no such file.
        case notFound
        /// The file or folder cannot be read or written: permissions, a full disk, not a regular file.
        case inaccessible
        /// The file is no checkpoint, or a damaged one.
        case damaged
        /// A newer version of the program wrote it.
        case tooNew
        /// The value cannot be stored: a text with a null character, or too long.
        case notStorable
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        // A file name may hold anything, but the message stays one line.
        self.message = String(String.UnicodeScalarView(message.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }

    package var description: String { message }
}
