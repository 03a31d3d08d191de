// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Why a picture could not be read or written; the description is one line that names the file.
package struct PictureError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        case notAPicture, unsupported, truncated, damaged, tooLarge, notFound, unreadable, unwritable, invalidText
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    /// The code for a file or folder that cannot be opened, by the system's error number of just now.
    static var codeOfFailedOpen: Code { errno == ENOENT || errno == ENOTDIR ? .notFound : .unreadable }

    /// Makes text that came from outside fit for one line.
    static func oneLine(_ text: String) -> String {
        let limit = 200
        var line = ""
        for scalar in text.unicodeScalars.prefix(limit) {
            line.unicodeScalars.append(
                scalar.properties.generalCategory == .control || scalar.value == 0x2028 || scalar.value == 0x2029 ? " " : scalar)
        }
        return text.unicodeScalars.count > limit ? line + "..." : line
    }
}
