// SPDX-License-Identifier: Apache-2.0

import Glibc

/// An error about one model, embedding or tokenizer file.
///
/// The description is one line: the path, then what is wrong, what was expected and what to do.
package struct ModelFileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of failure, for callers that react differently to each.
    package enum Code: Sendable, Equatable {
        /// There is no such file to read.
        case notFound
        /// The file could not be opened, read or written; the message names the system's reason.
        case inputOutput
        /// The bytes are not what the format promises (cut short, damaged or hostile).
        case malformed
        /// The file is well formed but says something this program does not handle.
        case unsupported
        /// A tensor that was asked for is not in the file.
        case missing
        /// The file was written while it was in use.
        case changed
    }

    package let code: Code
    /// The file, or an empty string where bytes were parsed without one.
    package let path: String
    package let message: String

    package init(_ code: Code, _ message: String, path: String = "") {
        self.code = code
        self.path = path
        self.message = message
    }

    package var description: String {
        let line = path.isEmpty ? message : "\(path): \(message)"
        return String(String.UnicodeScalarView(line.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
    }

    /// The same error, naming the file when it named none.
    package func at(_ path: String) -> ModelFileError {
        self.path.isEmpty ? ModelFileError(code, message, path: path) : self
    }

    static func malformed(_ message: String) -> ModelFileError { ModelFileError(.malformed, message) }

    static func unsupported(_ message: String) -> ModelFileError { ModelFileError(.unsupported, message) }

    static func system(_ action: String, _ path: String, errno code: Int32) -> ModelFileError {
        ModelFileError(.inputOutput, "cannot \(action): \(String(cString: strerror(code)))", path: path)
    }
}

/// Text from a file, made fit for one line of an error: quoted, cut to 60 characters, control characters replaced.
package func quoted(_ text: String) -> String {
    let shown = text.unicodeScalars.prefix(60).map { $0.value < 0x20 || $0.value == 0x7F ? "?" : Character($0) }
    return "\"" + String(shown) + (text.unicodeScalars.count > 60 ? "…" : "") + "\""
}
